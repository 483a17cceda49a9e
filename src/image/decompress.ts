import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { BerthError, isErrno } from '../lib/errors.ts';

export type Compression = 'gz' | 'xz' | 'zst';

/** First bytes of each compressed format: RFC 1952, the .xz format 1.2, RFC 8878. */
const magics: Readonly<Record<Compression, Buffer>> = {
  gz: Buffer.from([0x1f, 0x8b]),
  xz: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
  zst: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
};
/** Bytes that {@link detectCompression} wants to see. */
export const magicBytes = 6;

/** The compression that these first bytes tell, if one. */
export function detectCompression(head: Buffer): Compression | undefined {
  return (Object.keys(magics) as Compression[]).find((name) => head.subarray(0, magics[name].length).equals(magics[name]));
}

const MiB = 1024 * 1024;
/** A zstd frame that wants to look back further needs more memory than a device should give. */
const zstdWindowLog = 25;
/** Enough for `xz -9`, whose dictionary is 64 MiB. */
const xzMemoryBytes = 72 * MiB;
/** Output comes in pieces between these sizes. */
const minChunkBytes = 16 * 1024;
const maxChunkBytes = 512 * 1024;
/** Input is gathered to pieces of about this size. */
const inputBytes = 256 * 1024;
/** Output up to here is let through however small the input is. */
const freeOutputBytes = 16 * MiB;

/** A program or library that turns compressed bytes into plain ones. */
interface Engine {
  readonly input: Writable;
  readonly output: Readable;
  /** After the output has ended: throws if there was more input than the compressed data, or the data was damaged. */
  finish(fedBytes: number): Promise<void>;
  close(): Promise<void>;
}

export interface DecompressOptions {
  /** Names the data in messages. */
  readonly what: string;
  /** Output bytes per input byte, beyond the first 16 MiB of output. */
  readonly expansionRatio: number;
  /** Size of the compressed data if it is known, so that little data takes little memory. */
  readonly packedBytes?: number;
}

/**
 * Compressed bytes as plain ones, in bounded memory; several gzip members or zstd frames one after the other are one
 * stream. Decompression runs beside the caller, two chunks ahead at most.
 * @throws BerthError `bad_package` for damaged data and for anything after its end, `too_large` when it expands
 * beyond the ratio, `unavailable` if `xz` is not installed.
 */
export async function* decompress(source: AsyncIterable<Buffer>, compression: Compression, options: DecompressOptions): AsyncGenerator<Buffer, void, undefined> {
  const { what, expansionRatio } = options;
  const engine = compression === 'xz' ? xzEngine(what) : zlibEngine(compression, options);
  const feed = { bytes: 0, done: false };
  const fed = pump(source, engine, feed);
  // Told by the loop below, which ends with the same error; without this, Node would call it unhandled before that.
  fed.catch(() => undefined);
  let outputBytes = 0;
  try {
    for await (const chunk of engine.output as AsyncIterable<Buffer>) {
      outputBytes += chunk.length;
      if (outputBytes > freeOutputBytes + feed.bytes * expansionRatio) {
        throw new BerthError('too_large', `${what}: unpacks to more than ${expansionRatio} times its size`);
      }
      yield chunk;
    }
    feed.done = true;
    await fed;
    await engine.finish(feed.bytes);
  } catch (error) {
    throw explain(error, what);
  } finally {
    feed.done = true;
    await engine.close();
  }
}

/** Gives the engine its input until there is no more, or the engine has ended. */
async function pump(source: AsyncIterable<Buffer>, engine: Engine, feed: { bytes: number; done: boolean }): Promise<void> {
  try {
    for await (const chunk of gathered(source)) {
      feed.bytes += chunk.length;
      if (feed.done || engine.input.destroyed) break;
      if (!engine.input.write(chunk)) await drained(engine);
    }
    if (!engine.input.destroyed) engine.input.end();
  } catch (error) {
    engine.output.destroy(error as Error);
    throw error;
  }
}

/** The same bytes in pieces worth a turn of the engine: a pipe gives no more than 64 KiB at once. */
async function* gathered(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    waiting.push(chunk);
    bytes += chunk.length;
    if (bytes < inputBytes) continue;
    yield Buffer.concat(waiting, bytes);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting, bytes);
}

function drained({ input, output }: Engine): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      input.off('drain', done).off('close', done);
      output.off('end', done).off('close', done);
      resolve();
    };
    input.once('drain', done).once('close', done);
    output.once('end', done).once('close', done);
    if (input.destroyed || output.readableEnded || output.destroyed) done();
  });
}

function zlibEngine(compression: 'gz' | 'zst', { what, packedBytes = maxChunkBytes }: DecompressOptions): Engine {
  const chunkSize = Math.min(maxChunkBytes, Math.max(minChunkBytes, 4 * packedBytes));
  const common = { chunkSize, readableHighWaterMark: 2 * chunkSize };
  const stream =
    compression === 'gz' ? createGunzip(common) : createZstdDecompress({ ...common, params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog } });
  return {
    input: stream,
    output: stream,
    finish: async (fedBytes) => {
      if (stream.bytesWritten !== fedBytes) throw new BerthError('bad_package', `${what}: there is something after the end of the compressed data`);
    },
    close: async () => {
      stream.destroy();
    },
  };
}

function xzEngine(what: string): Engine {
  const child = spawn('xz', ['--decompress', '--stdout', '--format=xz', '--threads=1', `--memlimit-decompress=${xzMemoryBytes}`], { stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  let failure: Error | undefined;
  child.on('error', (error) => {
    failure = error;
  });
  child.stderr.on('data', (text: Buffer) => {
    if (stderr.length < 1000) stderr += text.toString('utf8');
  });
  // xz that has seen enough closes its input; its exit status tells why.
  child.stdin.on('error', () => undefined);
  const closed = once(child, 'close').catch(() => undefined);
  return {
    input: child.stdin,
    output: child.stdout,
    finish: async () => {
      await closed;
      if (isErrno(failure, 'ENOENT')) throw new BerthError('unavailable', `${what}: the program xz, which unpacks it, is not installed; install the package xz-utils`);
      if (failure !== undefined) throw failure;
      if (child.exitCode !== 0) {
        const isMemory = stderr.includes('emory usage limit');
        throw new BerthError(isMemory ? 'too_large' : 'bad_package', `${what}: ${isMemory ? `needs more than ${xzMemoryBytes / MiB} MiB to unpack` : 'damaged xz data'} (${stderr.trim()})`);
      }
    },
    close: async () => {
      child.kill('SIGKILL');
      child.stdin.destroy();
      child.stdout.destroy();
      await closed;
    },
  };
}

/** Errors of zlib as what they mean for a package. */
function explain(error: unknown, what: string): unknown {
  if (error instanceof BerthError || !(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || !/^(Z_|ZSTD_|ERR_TRAILING)/.test(code)) return error;
  if (code.includes('WINDOW') || code.includes('frameParameter')) return new BerthError('too_large', `${what}: needs a window of more than ${2 ** zstdWindowLog / MiB} MiB to unpack`, { cause: error });
  const reason = code === 'Z_BUF_ERROR' ? 'the compressed data is cut off' : `damaged compressed data (${error.message})`;
  return new BerthError('bad_package', `${what}: ${reason}`, { cause: error });
}
