import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asBerthError, errorTable } from '../lib/errors.ts';
import { lingerMs } from './raw.ts';

/** Answers with one document. */
export async function sendDocument(response: ServerResponse, status: number, document: unknown, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const body = Buffer.from(`${JSON.stringify(document)}\n`);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length, ...headers });
  response.write(body);
  await finish(response);
}

/** Answers with an error, at the status of its code unless another is given; an answer that has begun is cut off. */
export async function sendError(response: ServerResponse, thrown: unknown, options: { status?: number; headers?: Record<string, string> } = {}): Promise<void> {
  const error = asBerthError(thrown);
  if (response.headersSent) response.destroy();
  else await sendDocument(response, options.status ?? errorTable[error.code].http, error.toBody(), options.headers);
}

/**
 * Answers with documents one a line (NDJSON), as fast as the client reads. The headers go out at once. If the source
 * fails, the last line is `{"error":{…}}`. A client that takes nothing for `stallMs` is cut off.
 */
export async function sendLines(response: ServerResponse, source: AsyncIterable<unknown>, signal: AbortSignal, stallMs: number): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
  response.flushHeaders();
  try {
    for await (const document of source) {
      if (signal.aborted) break;
      if (!response.write(`${JSON.stringify(document)}\n`)) {
        await once(response, 'drain', { signal: AbortSignal.any([signal, AbortSignal.timeout(stallMs)]) });
      }
    }
  } catch (error) {
    // Nobody is left to be told, or nobody listens.
    if (signal.aborted || response.writableNeedDrain) {
      response.destroy();
      return;
    }
    response.write(`${JSON.stringify(asBerthError(error).toBody())}\n`);
  }
  await finish(response);
}

/**
 * Ends an answer once what the client still sends was read and dropped: Node closes the connection with the answer's
 * end, and with something unread the kernel would drop the answer, too.
 */
async function finish(response: ServerResponse): Promise<void> {
  const request = response.req;
  if (!request.complete) await drain(request);
  response.end(() => {
    if (!request.complete) request.socket.destroy();
  });
}

/** Reads and drops the rest of a request, for at most `lingerMs`. */
async function drain(request: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, lingerMs);
  request.once('close', resolve);
  request.on('error', () => undefined);
  // Whoever read it by this event would keep it from flowing.
  request.removeAllListeners('readable');
  request.resume();
  await promise;
  clearTimeout(timer);
}
