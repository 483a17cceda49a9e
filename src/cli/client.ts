import type { IncomingMessage, RequestOptions } from 'node:http';
import { once } from 'node:events';
import { Readable, type Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { BerthError, type ErrorBody } from '../lib/errors.ts';
import { explain, openConnection } from './connection.ts';
import type { Host } from './host.ts';

type Method = 'GET' | 'POST' | 'DELETE';

/** Query parameters; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** Speaks the native API with one daemon. All its methods throw the daemon's own errors, or what {@link explain} makes. */
export class Client {
  readonly #host: Host;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #signal: AbortSignal;

  constructor(host: Host, env: Readonly<Record<string, string | undefined>>, signal: AbortSignal) {
    this.#host = host;
    this.#env = env;
    this.#signal = signal;
  }

  /** One request, one document. */
  async request<T>(method: Method, path: string, query: Query = {}): Promise<T> {
    const response = await this.#send(method, path, query, {});
    return JSON.parse(await this.#guard(text(response))) as T;
  }

  /** Posts a document, gives a document. */
  async post<T>(path: string, document: unknown): Promise<T> {
    const response = await this.#send('POST', path, {}, { headers: { 'Content-Type': 'application/json' } }, Readable.from([JSON.stringify(document)]));
    return JSON.parse(await this.#guard(text(response))) as T;
  }

  /** Documents one a line, as they come; ends with an error if the last line is one. */
  async *lines<T>(path: string, query: Query = {}): AsyncGenerator<T, void, undefined> {
    yield* this.#documents<T>(await this.#send('GET', path, query, {}));
  }

  /** Uploads a body and gives the lines that come back meanwhile. */
  async *upload<T>(path: string, query: Query, mediaType: string, body: Readable): AsyncGenerator<T, void, undefined> {
    yield* this.#documents<T>(await this.#send('POST', path, query, { headers: { 'Content-Type': mediaType } }, body));
  }

  /** Sends a document and takes the connection over. */
  async upgrade(path: string, protocol: string, document: unknown): Promise<Duplex> {
    const headers = { Connection: 'Upgrade', Upgrade: protocol, 'Content-Type': 'application/json' };
    const request = this.#open('POST', path, {}, { headers });
    request.end(JSON.stringify(document));
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    request.on('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    request.on('response', (response) => {
      this.#refuse(response).catch(reject);
    });
    request.on('error', reject);
    return this.#guard(promise);
  }

  async #send(method: Method, path: string, query: Query, options: RequestOptions, body?: Readable): Promise<IncomingMessage> {
    const request = this.#open(method, path, query, options);
    if (body === undefined) {
      request.end();
    } else {
      body.once('error', (error) => request.destroy(error));
      body.pipe(request);
    }
    const [response] = (await this.#guard(once(request, 'response'))) as [IncomingMessage];
    // After the answer has come, a fault shows on the answer itself.
    request.on('error', () => undefined);
    if (response.statusCode !== 200) await this.#refuse(response);
    return response;
  }

  #open(method: Method, path: string, query: Query, options: RequestOptions) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
    const { request } = process.getBuiltinModule('node:http');
    return request({
      ...options,
      method,
      path: `/berth/v1${path}${search.size > 0 ? `?${search.toString()}` : ''}`,
      signal: this.#signal,
      createConnection: () => openConnection(this.#host, this.#env),
    });
  }

  async #refuse(response: IncomingMessage): Promise<never> {
    const body = await this.#guard(text(response));
    let document: ErrorBody;
    try {
      document = JSON.parse(body) as ErrorBody;
    } catch (error) {
      throw new BerthError('unavailable', `what answers is not berthd (HTTP status ${response.statusCode})`, { cause: error });
    }
    throw errorOf(document);
  }

  async *#documents<T>(response: IncomingMessage): AsyncGenerator<T, void, undefined> {
    let rest = '';
    response.setEncoding('utf8');
    const chunks = response[Symbol.asyncIterator]() as AsyncIterator<string>;
    try {
      for (;;) {
        const chunk = await this.#guard(chunks.next());
        if (chunk.done === true) return;
        const lines = (rest + chunk.value).split('\n');
        rest = lines.pop()!;
        for (const line of lines) {
          const document = JSON.parse(line) as T | ErrorBody;
          if (isError(document)) throw errorOf(document);
          yield document;
        }
      }
    } finally {
      response.destroy();
    }
  }

  async #guard<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      if (this.#signal.aborted) throw new BerthError('cancelled', 'cancelled', { cause: error });
      throw explain(this.#host, error);
    }
  }
}

function isError(document: unknown): document is ErrorBody {
  return typeof document === 'object' && document !== null && Object.hasOwn(document, 'error');
}

function errorOf({ error }: ErrorBody): BerthError {
  return new BerthError(error.code, error.message, error.detail === undefined ? {} : { detail: error.detail });
}
