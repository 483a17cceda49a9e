import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import { removeTree } from '../lib/durable.ts';
import { asBerthError, BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';

/** Where the bytes of a package or payload come from. */
export interface ByteSource {
  /** Bytes read so far. */
  readonly bytes: number;
  readonly chunks: AsyncIterable<Buffer>;
  /** Wakes whoever waits for bytes: to be called before a reader is left that has not come to its end. */
  stop(): void;
}

export interface ReadingOptions {
  /** More than this is refused. */
  readonly maxBytes: number;
  /** What the whole is called in messages: `package` or `payload`. */
  readonly what: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Does `work` with the bytes of a stream. When it fails, the stream is given up, and `target`, which must have been
 * empty, is empty again.
 * @throws BerthError `conflict` if `target` is not empty, `too_large`, `cancelled`, and what `work` throws.
 */
export async function reading<T>(from: Readable | AsyncIterable<Uint8Array>, target: string | undefined, options: ReadingOptions, work: (source: ByteSource) => Promise<T>): Promise<T> {
  const { signal } = options;
  const stream = from instanceof Readable ? from : Readable.from(from);
  // Told by whoever reads the stream; without a listener, Node would end the process.
  stream.on('error', () => undefined);
  if (signal !== undefined) addAbortSignal(signal, stream);
  if (target !== undefined && (await readdir(target)).length > 0) throw new BerthError('conflict', `${target} is not empty`);
  try {
    return await work(new StreamSource(stream, options));
  } catch (error) {
    stream.destroy();
    if (target !== undefined) await emptyDirectory(target);
    throw signal?.aborted === true ? new BerthError('cancelled', 'unpacking was cancelled', { cause: error }) : asBerthError(error);
  }
}

/** Removes everything in a directory that only Berth writes to. */
export async function emptyDirectory(path: string): Promise<void> {
  for (const name of await readdir(path)) await removeTree(join(path, name));
}

class StreamSource implements ByteSource {
  bytes = 0;
  readonly chunks: AsyncIterable<Buffer>;
  readonly #stream: Readable;

  constructor(stream: Readable, options: ReadingOptions) {
    this.#stream = stream;
    this.chunks = this.#counted(options);
  }

  stop(): void {
    this.#stream.destroy();
  }

  async *#counted({ maxBytes, what }: ReadingOptions): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of this.#stream as AsyncIterable<Uint8Array>) {
      this.bytes += chunk.length;
      if (this.bytes > maxBytes) throw new BerthError('too_large', `the ${what} is larger than the limit of ${formatSize(maxBytes)}`);
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
  }
}

export interface PeekedBytes {
  readonly head: Buffer;
  /** Begins with `head`. */
  readonly whole: AsyncIterable<Buffer>;
}

/** At least so many of the first bytes, unless there are no more. */
export async function peek(source: AsyncIterable<Buffer>, bytes: number): Promise<PeekedBytes> {
  const rest = source[Symbol.asyncIterator]();
  const parts: Buffer[] = [];
  for (let size = 0; size < bytes;) {
    const next = await rest.next();
    if (next.done === true) break;
    parts.push(next.value);
    size += next.value.length;
  }
  const head = Buffer.concat(parts);
  async function* whole(): AsyncGenerator<Buffer, void, undefined> {
    if (head.length > 0) yield head;
    yield* { [Symbol.asyncIterator]: () => rest };
  }
  return { head, whole: whole() };
}

/** All of a small part of an archive. @throws BerthError `too_large`. */
export async function readWhole(body: AsyncIterable<Buffer>, maxBytes: number, name: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new BerthError('too_large', `${name}: larger than the limit of ${formatSize(maxBytes)}`);
    // The memory of a chunk is used again.
    parts.push(Buffer.from(chunk));
  }
  return Buffer.concat(parts);
}
