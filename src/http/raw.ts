import type { Duplex } from 'node:stream';
import { asBerthError, BerthError, errorTable } from '../lib/errors.ts';

/** Answers where Node has no response object: before a request was understood, and in place of an upgrade. */

/** Refuses to change protocols; the connection is closed. */
export function refuseUpgrade(connection: Duplex, thrown: unknown): void {
  const error = asBerthError(thrown);
  end(connection, errorTable[error.code].http, error);
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
  connection.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => connection.destroy());
}
