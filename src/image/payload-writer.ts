import { Readable } from 'node:stream';
import { BerthError } from '../lib/errors.ts';
import { tarPadding } from './tar-header.ts';
import { tarEnd, tarFileHeader, tarPaddingBytes } from './tar-writer.ts';

/** A package that is to be part of a payload. */
export interface PayloadFile {
  /** Name of the file, without directories; it ends in `.ipk`. */
  readonly name: string;
  /** Size in bytes. */
  readonly bytes: number;
  /** Opens it for reading from its beginning; called when its turn comes. */
  readonly open: () => Readable;
}

/** Bytes of the stream that {@link packPayload} makes of these files. */
export function payloadSize(files: readonly PayloadFile[]): number {
  return files.reduce((sum, { name, bytes }) => sum + tarFileHeader(name, bytes).length + bytes + tarPadding(bytes), tarEnd.length);
}

/**
 * Several packages as one payload: an uncompressed tar archive, made as it is read. The stream fails with `conflict`
 * if a file has more or fewer bytes than was said.
 * @throws BerthError `usage` for a file that is not named as a package is.
 */
export function packPayload(files: readonly PayloadFile[]): Readable {
  for (const { name } of files) {
    if (!/^[^/]+\.ipk$/.test(name)) throw new BerthError('usage', `"${name}" is no .ipk file; only packages can be put together to one payload`);
  }
  return Readable.from(archive(files), { objectMode: false });
}

async function* archive(files: readonly PayloadFile[]): AsyncGenerator<Uint8Array, void, undefined> {
  for (const { name, bytes, open } of files) {
    yield tarFileHeader(name, bytes);
    let read = 0;
    for await (const chunk of open() as AsyncIterable<Uint8Array>) {
      read += chunk.length;
      if (read > bytes) break;
      yield chunk;
    }
    if (read !== bytes) throw new BerthError('conflict', `${name} changed while it was being read; try again when nothing writes to it`);
    yield tarPaddingBytes(bytes);
  }
  yield tarEnd;
}
