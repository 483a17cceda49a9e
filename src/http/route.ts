import type { Readable } from 'node:stream';
import * as v from 'valibot';
import type { ExecSession } from '../runtime/index.ts';
import type { Api } from './api.ts';

export type Method = 'GET' | 'POST' | 'DELETE';

/** What a handler is given besides the {@link Api}. */
export interface Call<Path extends string = string, Query = unknown, Body = unknown> {
  /** The parts of the path in braces, decoded. */
  readonly params: Readonly<Record<ParamsOf<Path>, string>>;
  readonly query: Query;
  readonly body: Body;
  /** The request's body as it comes, for a route with `payload`. */
  readonly payload: Readable;
  /** Aborts when the client has gone: work that belongs to it ends. */
  readonly signal: AbortSignal;
  /** Cuts the connection to a client that does not read what it asked for. */
  readonly abandon: () => void;
}

/** Names in braces: `'app'` of `/apps/{app}/logs`. */
type ParamsOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | ParamsOf<Rest> : never;

type QuerySchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

type Frozen<T> = T extends readonly (infer E)[] ? readonly Frozen<E>[] : T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;

/** A document as its schema describes it. */
export type Document<S extends v.GenericSchema> = Frozen<v.InferOutput<S>>;

/** What a handler gives: one document, documents one a line as they come, or a command to be connected to. */
type Outcome<Answer, Line> = Answer | AsyncIterable<Line> | ExecSession;

/** One route: dispatch, validation and the OpenAPI document all come from this declaration. */
export interface Route {
  readonly method: Method;
  /** Below `/berth/v1`; parts in braces are parameters. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly query: QuerySchema;
  /** Of a JSON body. */
  readonly body?: v.GenericSchema;
  /** Media type of a body that is handed on as a stream. */
  readonly payload?: string;
  /** Of the answer, if it is one document. */
  readonly answer?: v.GenericSchema;
  /** Of each line, if the answer is a stream of documents. */
  readonly line?: v.GenericSchema;
  /** Protocol that the connection changes to (RFC 9110 section 7.8). */
  readonly upgrade?: string;
  readonly handle: (api: Api, call: Call) => unknown;
}

const noQuery = v.strictObject({});

/** Declares a route with its handler checked against its schemas. */
export function route<
  const Path extends string,
  Query extends QuerySchema = typeof noQuery,
  Body extends v.GenericSchema = v.UndefinedSchema<undefined>,
  Answer extends v.GenericSchema = v.NeverSchema<undefined>,
  Line extends v.GenericSchema = v.NeverSchema<undefined>,
>(declaration: {
  readonly method: Method;
  readonly path: Path;
  readonly summary: string;
  readonly description?: string;
  readonly query?: Query;
  readonly body?: Body;
  readonly payload?: string;
  readonly answer?: Answer;
  readonly line?: Line;
  readonly upgrade?: string;
  readonly handle: (
    api: Api,
    call: Call<Path, v.InferOutput<Query>, v.InferOutput<Body>>,
  ) => Outcome<Document<Answer>, Document<Line>> | Promise<Outcome<Document<Answer>, Document<Line>>>;
}): Route {
  return { query: noQuery, ...declaration } as unknown as Route;
}

/** What a method and a path lead to. */
export type Found =
  | { readonly kind: 'route'; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path is known, the method is not; these are. */
  | { readonly kind: 'method'; readonly allow: readonly Method[] }
  | { readonly kind: 'none' };

/** Looks a request up; `path` is below `/berth/v1`, still percent-encoded. HEAD goes where GET goes. */
export function findRoute(routes: readonly Route[], method: string, path: string): Found {
  const wanted = method === 'HEAD' ? 'GET' : method;
  const allow: Method[] = [];
  for (const route of routes) {
    const params = matchPath(route.path, path);
    if (params === undefined) continue;
    if (route.method === wanted) return { kind: 'route', route, params };
    allow.push(route.method);
  }
  return allow.length > 0 ? { kind: 'method', allow } : { kind: 'none' };
}

function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const expected = pattern.split('/');
  const parts = path.split('/');
  if (parts.length !== expected.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    const name = /^\{(.+)\}$/.exec(expected[index]!)?.[1];
    if (name === undefined) {
      if (part !== expected[index]) return undefined;
      continue;
    }
    const decoded = decode(part);
    if (decoded === undefined || decoded === '') return undefined;
    params[name] = decoded;
  }
  return params;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
