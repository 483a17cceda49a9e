import type { IncomingMessage } from 'node:http';
import * as v from 'valibot';
import { BerthError } from '../lib/errors.ts';
import type { Route } from './route.ts';

/** Most that a JSON body may hold. */
export const maxBodyBytes = 256 * 1024;

/** The query of a URL as its route declares it. @throws BerthError `usage` naming the parameter. */
export function readQuery(route: Route, search: URLSearchParams): unknown {
  const given: Record<string, string> = {};
  for (const [name, value] of search) {
    if (Object.hasOwn(given, name)) throw new BerthError('usage', `query parameter ${name} is given twice`);
    Object.defineProperty(given, name, { value, enumerable: true });
  }
  return check(route.query, given, (path) => `query parameter ${path}`);
}

/**
 * The JSON body of a request as its route declares it.
 * @throws BerthError `too_large`, `unsupported`, or `usage` naming the field (`command[0]`).
 */
export async function readBody(route: Route, request: IncomingMessage): Promise<unknown> {
  if (route.body === undefined) return undefined;
  expectMedia(request, 'application/json');
  const body = await collect(request);
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new BerthError('usage', `the body is not JSON: ${(error as Error).message}`, { cause: error });
  }
  return check(route.body, value, (path) => (path === '' ? 'the body' : `field ${path} of the body`));
}

/** @throws BerthError `unsupported` if the request says that its body is something else. */
export function expectMedia(request: IncomingMessage, expected: string): void {
  const given = request.headers['content-type']?.split(';', 1)[0]!.trim().toLowerCase();
  if (given !== expected) {
    throw new BerthError('unsupported', `Content-Type is ${given ?? 'missing'}; this route takes ${expected}`);
  }
}

async function collect(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = (): BerthError => new BerthError('too_large', `the body is larger than ${maxBodyBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  // The request stays open: an answer follows on its connection, also if the body was too large.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function check(schema: v.GenericSchema, value: unknown, name: (path: string) => string): unknown {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = dotPath(issue);
  // A strict object reports a key that it does not know as expecting `never`.
  if (issue.expected === 'never') throw new BerthError('usage', `${name(path)} is not known here`, { detail: { path } });
  throw new BerthError('usage', `${name(path)}: ${issue.message}`, { detail: { path } });
}

/** `command[0].name` */
function dotPath(issue: v.BaseIssue<unknown>): string {
  let path = '';
  for (const item of issue.path ?? []) {
    if (typeof item.key === 'number') path += `[${item.key}]`;
    else path += path === '' ? String(item.key) : `.${String(item.key)}`;
  }
  return path;
}
