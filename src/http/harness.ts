/** For tests: the API over a real unix socket with fakes behind it, and a plain HTTP client. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as v from 'valibot';
import { apiPrefix, type Patience } from './dispatch.ts';
import { fakeApi, fakeApp } from './fakes.ts';
import { serveNative } from './native.ts';
import { findRoute } from './route.ts';
import { routes } from './routes/index.ts';
import * as schemas from './schemas.ts';

const http = process.getBuiltinModule('node:http');

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Harness extends AsyncDisposable {
  readonly path: string;
  readonly fakes: ReturnType<typeof fakeApi>;
  /** What the daemon told its journal. */
  readonly journal: string[];
  /** One request, with its answer checked against the schemas of its route. */
  request(method: string, path: string, options?: { body?: unknown; raw?: string | Buffer; headers?: Record<string, string> }): Promise<Reply>;
  /** A raw connection. */
  connect(): Socket;
}

/** Serves the fakes, with one running app `web`, until disposed. */
export async function serveFakes(patience: Partial<Patience> = {}): Promise<Harness> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-http-'));
  const path = join(directory, 's');
  const fakes = fakeApi();
  fakes.lifecycle.apps.set('web', fakeApp('web'));
  const journal: string[] = [];
  const server = await serveNative({ ...fakes, journal: (level, message) => journal.push(`${level}: ${message}`), patience }, path);
  return {
    path,
    fakes,
    journal,
    connect: () => connect(path),
    request: async (method, route, options = {}) => {
      const headers = { ...(options.body !== undefined && { 'Content-Type': 'application/json' }), ...options.headers };
      const request = http.request({ socketPath: path, method, path: apiPrefix + route, headers, agent: false });
      request.end(options.body === undefined ? options.raw : JSON.stringify(options.body));
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const reply: Reply = { status: response.statusCode!, headers: response.headers, text: await text(response) };
      checkReply(method, route, reply);
      return reply;
    },
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The documents of an NDJSON answer. */
export function parseLines(text: string): unknown[] {
  return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as unknown);
}

function checkReply(method: string, path: string, reply: Reply): void {
  if (reply.text === '') return;
  const found = findRoute(routes, method, path.split('?', 1)[0]!);
  const lines = reply.headers['content-type'] === 'application/x-ndjson';
  const documents = lines ? parseLines(reply.text) : [JSON.parse(reply.text) as unknown];
  for (const document of documents) {
    const failed = reply.status >= 400 || Object.hasOwn(document as object, 'error');
    const route = found.kind === 'route' ? found.route : undefined;
    const schema = failed ? schemas.error : lines ? route?.line : route?.answer;
    assert.ok(schema !== undefined, `${method} ${path}: no schema for this answer`);
    // Parsing drops what the schema does not know, so that an undeclared field shows as a difference.
    assert.deepEqual(v.parse(schema, document), document);
  }
}
