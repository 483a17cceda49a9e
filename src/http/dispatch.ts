import { Readable, type Duplex } from 'node:stream';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asBerthError, BerthError } from '../lib/errors.ts';
import type { Journal } from '../lib/journal.ts';
import type { ExecSession } from '../runtime/index.ts';
import { sendDocument, sendError, sendLines } from './answer.ts';
import type { Api } from './api.ts';
import { connectExec } from './exec.ts';
import { refuseUpgrade } from './raw.ts';
import { expectMedia, readBody, readQuery } from './request.ts';
import { findRoute, type Call, type Found, type Route } from './route.ts';

/** Where the routes hang. */
export const apiPrefix = '/berth/v1';

/** How long clients may take; tests shorten it. */
export interface Patience {
  /** For the head of a request. */
  readonly headersMs: number;
  /** For the next bytes of a body that the daemon waits for. */
  readonly bodyMs: number;
  /** For reading more of an answer. */
  readonly stallMs: number;
}

export const defaultPatience: Patience = { headersMs: 10_000, bodyMs: 60_000, stallMs: 300_000 };

/** Leads each request to its route and its outcome back to the client. None of its methods rejects. */
export class Dispatcher {
  readonly #routes: readonly Route[];
  readonly #api: Api;
  readonly #journal: Journal;
  readonly #patience: Patience;

  constructor(routes: readonly Route[], api: Api, journal: Journal, patience: Patience) {
    this.#routes = routes;
    this.#api = api;
    this.#journal = journal;
    this.#patience = patience;
  }

  /** True if the request asks for the protocol that its route changes to. */
  upgrades(request: IncomingMessage): boolean {
    const { found } = this.#find(request);
    return found.kind === 'route' && found.route.upgrade !== undefined && request.headers.upgrade?.toLowerCase() === found.route.upgrade;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => {
      gone.abort();
    });
    try {
      const { found, path, search } = this.#find(request);
      if (found.kind === 'none') throw new BerthError('not_found', `there is no ${path} here; ${apiPrefix}/openapi.json lists what there is`);
      if (found.kind === 'method') {
        const fault = new BerthError('usage', `${path} does not take ${request.method}, but ${found.allow.join(', ')}`);
        await sendError(response, fault, { status: 405, headers: { Allow: found.allow.join(', ') } });
        return;
      }
      const { route } = found;
      if (route.upgrade !== undefined) {
        const fault = new BerthError('usage', `${path} needs the headers Connection: Upgrade and Upgrade: ${route.upgrade}`);
        await sendError(response, fault, { status: 426, headers: { Upgrade: route.upgrade } });
        return;
      }
      const call = await this.#call(route, found.params, search, request, gone);
      const outcome = await route.handle(this.#api, call);
      if (!isLines(outcome)) {
        await sendDocument(response, 200, outcome);
      } else if (request.method === 'HEAD') {
        gone.abort();
        response.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).end();
      } else {
        await sendLines(response, outcome, gone.signal, this.#patience.stallMs);
      }
    } catch (error) {
      this.#report(request, error);
      await sendError(response, error);
    }
  }

  async upgrade(request: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> {
    const gone = new AbortController();
    connection.once('close', () => {
      gone.abort();
    });
    // `close` follows.
    connection.on('error', () => undefined);
    try {
      const { found, search } = this.#find(request);
      if (found.kind !== 'route') throw new BerthError('internal', 'upgrade without a route');
      const { route } = found;
      const call = await this.#call(route, found.params, search, request, gone);
      const session = (await route.handle(this.#api, call)) as ExecSession;
      connection.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${route.upgrade}\r\n\r\n`);
      await connectExec(connection, head, session);
    } catch (error) {
      this.#report(request, error);
      refuseUpgrade(connection, request, error);
    }
  }

  #find(request: IncomingMessage): { readonly found: Found; readonly path: string; readonly search: URLSearchParams } {
    const url = request.url ?? '';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const search = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
    if (!path.startsWith(`${apiPrefix}/`)) return { found: { kind: 'none' }, path, search };
    return { found: findRoute(this.#routes, request.method ?? '', path.slice(apiPrefix.length)), path, search };
  }

  async #call(route: Route, params: Call['params'], search: URLSearchParams, request: IncomingMessage, gone: AbortController): Promise<Call> {
    this.#watchBody(request);
    const query = readQuery(route, search);
    const body = await readBody(route, request);
    if (route.payload !== undefined) expectMedia(request, route.payload);
    return {
      params,
      query,
      body,
      // A stream of its own: whoever gives up reading must not close the connection that the answer goes over.
      payload: Readable.from(route.payload === undefined ? [] : request.iterator({ destroyOnReturn: false }), { objectMode: false }),
      signal: gone.signal,
      abandon: () => {
        gone.abort();
        request.socket.destroy();
      },
    };
  }

  /** Gives up on a client whose body does not come; a daemon that is slow to read is no fault of the client. */
  #watchBody(request: IncomingMessage): void {
    const { bodyMs } = this.#patience;
    request.setTimeout(bodyMs, () => {
      if (request.complete) return;
      if (request.readableLength > 0) request.setTimeout(bodyMs);
      else request.destroy(new BerthError('timeout', `nothing came from the client for ${bodyMs / 1000} s`));
    });
    request.once('end', () => {
      request.setTimeout(0);
    });
  }

  #report(request: IncomingMessage, thrown: unknown): void {
    if (asBerthError(thrown).code !== 'internal') return;
    const trace = thrown instanceof Error ? thrown.stack : String(thrown);
    this.#journal('error', `${request.method} ${request.url}: ${trace}`);
  }
}

function isLines(outcome: unknown): outcome is AsyncIterable<unknown> {
  return typeof outcome === 'object' && outcome !== null && Symbol.asyncIterator in outcome;
}
