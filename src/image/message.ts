import { readSync, writeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { BerthError } from '../lib/errors.ts';

/** Messages between berthd and the process that unpacks, on a socket pair of their own: four bytes (big-endian) give the length of the JSON that follows. */

const headerBytes = 4;

function encode(document: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(document));
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32BE(body.length);
  return Buffer.concat([header, body]);
}

/** Sends a message; whether it arrives shows in what comes back. */
export function sendMessage(stream: Writable, document: unknown): void {
  stream.write(encode(document));
}

/** The messages of the other side, parsed; ends with the stream. @throws BerthError `internal` for one that is longer than `maxBytes` or no JSON */
export async function* receiveMessages(stream: Readable, maxBytes: number): AsyncGenerator<unknown, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= headerBytes) {
      const length = rest.readUInt32BE(0);
      if (length > maxBytes) throw tooLong(length, maxBytes);
      if (rest.length < headerBytes + length) break;
      yield parse(rest.subarray(headerBytes, headerBytes + length));
      rest = rest.subarray(headerBytes + length);
    }
  }
}

/** As {@link sendMessage}, on a descriptor that blocks. */
export function sendMessageSync(descriptor: number, document: unknown): void {
  const bytes = encode(document);
  for (let offset = 0; offset < bytes.length;) offset += writeSync(descriptor, bytes, offset);
}

/** Waits for one message on a descriptor that blocks. @throws BerthError `internal` if none comes any more, or it is too long or no JSON */
export function receiveMessageSync(descriptor: number, maxBytes: number): unknown {
  const length = readExactly(descriptor, headerBytes).readUInt32BE(0);
  if (length > maxBytes) throw tooLong(length, maxBytes);
  return parse(readExactly(descriptor, length));
}

function readExactly(descriptor: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let offset = 0; offset < length;) {
    const count = readSync(descriptor, bytes, offset, length - offset, null);
    if (count === 0) throw new BerthError('internal', 'the other side of the gate is gone');
    offset += count;
  }
  return bytes;
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new BerthError('internal', 'a message at the gate is no JSON', { cause: error });
  }
}

function tooLong(length: number, maxBytes: number): BerthError {
  return new BerthError('internal', `a message of ${length} bytes at the gate: at most ${maxBytes} are allowed`);
}
