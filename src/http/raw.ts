import type { Duplex, Readable } from 'node:stream';
import { asBerthError, BerthError, errorTable } from '../lib/errors.ts';

/** Answers where Node has no response object: before a request was understood, and in place of an upgrade. */

/**
 * For this long, what the client still sends is read and dropped once it was answered: closing at once would make
 * the kernel drop the answer, too.
 */
export const lingerMs = 2000;

/** Refuses to change protocols; the connection is closed. `body`: of the request, perhaps not read to its end. */
export function refuseUpgrade(connection: Duplex, body: Readable, thrown: unknown): void {
  const error = asBerthError(thrown);
  end(connection, errorTable[error.code].http, error);
  body.on('error', () => undefined);
  body.resume();
}

/** Answers what is not HTTP, comes too slowly or has too large a head; the connection is closed. */
export function refuseGarbage(cause: Error, connection: Duplex): void {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') end(connection, 408, new BerthError('timeout', 'the request did not arrive in time'));
  else if (code === 'HPE_HEADER_OVERFLOW') end(connection, 431, new BerthError('too_large', 'the head of the request is too large'));
  else end(connection, 400, new BerthError('usage', `not an HTTP request: ${cause.message}`));
}

function end(connection: Duplex, status: number, error: BerthError): void {
  if (!connection.writable) {
    connection.destroy();
    return;
  }
  const { STATUS_CODES } = process.getBuiltinModule('node:http');
  const body = `${JSON.stringify(error.toBody())}\n`;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? error.code}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  // The client may have gone already.
  connection.on('error', () => undefined);
  connection.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  const timer = setTimeout(() => connection.destroy(), lingerMs);
  connection.once('close', () => {
    clearTimeout(timer);
  });
  connection.resume();
}
