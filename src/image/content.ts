import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { BerthError, isErrno } from '../lib/errors.ts';
import { decompress, detectCompression, magicBytes } from './decompress.ts';
import { defaultLimits } from './limits.ts';

/** Where the bytes of a file are: a span of a file on the host, or here. */
export type Content =
  | { readonly kind: 'span'; readonly file: string; readonly offset: number; readonly size: number }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

/** Size in bytes. */
export function contentSize(content: Content): number {
  return content.kind === 'bytes' ? content.bytes.length : content.size;
}

const blockBytes = 256 * 1024;

/**
 * The bytes in blocks; a block's memory is used again for the next one. Reads are synchronous: for thousands of small
 * files that is several times as fast, and each block is followed by work that is not.
 * @throws BerthError `conflict` if there are fewer bytes than there were when the content was described.
 */
export function* readContent(content: Content): Generator<Uint8Array> {
  if (content.kind === 'bytes') {
    yield content.bytes;
    return;
  }
  const file = openOrdinary(content.file);
  try {
    const block = Buffer.allocUnsafe(Math.min(blockBytes, content.size));
    for (let done = 0; done < content.size;) {
      const got = readSync(file, block, 0, Math.min(block.length, content.size - done), content.offset + done);
      if (got === 0) throw changed(content.file);
      yield block.subarray(0, got);
      done += got;
    }
  } finally {
    closeSync(file);
  }
}

/** All bytes of a small file. @throws BerthError `too_large` beyond `maxBytes`, naming it `name`. */
export function readSmall(content: Content, maxBytes: number, name: string): Buffer {
  if (contentSize(content) > maxBytes) throw new BerthError('too_large', `${name}: ${contentSize(content)} bytes; at most ${maxBytes} are read`);
  return Buffer.concat([...readContent(content)].map((block) => Buffer.from(block)));
}

function openOrdinary(path: string): number {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ELOOP', 'ENXIO')) throw changed(path, error);
    throw error;
  }
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw changed(path);
}

function changed(path: string, cause?: unknown): BerthError {
  return new BerthError('conflict', `${path} changed while it was being read; try again when nothing writes to it`, { cause });
}

/** The bytes as a stream whose blocks stay valid. */
export async function* streamContent(content: Content): AsyncGenerator<Buffer, void, undefined> {
  for (const block of readContent(content)) yield Buffer.from(block);
}

/** The bytes decompressed, if what they begin with tells a compression; otherwise as they are. */
export function plainContent(content: Content, what: string): AsyncIterable<Buffer> {
  const head = contentSize(content) === 0 ? Buffer.alloc(0) : firstBytes(content);
  const compression = detectCompression(head);
  const bytes = streamContent(content);
  return compression === undefined ? bytes : decompress(bytes, compression, { what, expansionRatio: defaultLimits.expansionRatio });
}

function firstBytes(content: Content): Buffer {
  const head = content.kind === 'bytes' ? content : { ...content, size: Math.min(content.size, magicBytes) };
  return readSmall(head, Number.MAX_SAFE_INTEGER, 'head').subarray(0, magicBytes);
}
