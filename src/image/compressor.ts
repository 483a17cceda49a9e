import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import { type Duplex, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import { BerthError, isErrno } from '../lib/errors.ts';
import type { Compression } from './decompress.ts';

interface Levels {
  readonly min: number;
  readonly max: number;
  readonly fallback: number;
}

/**
 * Levels that can be asked for. zst: level 19 makes 10 % less of a program than level 9, but takes 20 times as long and
 * 130 MiB of memory.
 */
export const compressionLevels: Readonly<Record<Compression, Levels>> = {
  gz: { min: 1, max: 9, fallback: 9 },
  xz: { min: 0, max: 9, fallback: 6 },
  zst: { min: 1, max: 19, fallback: 9 },
};

/** 8 MiB: what a reader must hold; Berth's takes windows up to 32 MiB, zstd's own default limit is 128 MiB. */
const zstdWindowLog = 23;
const blockBytes = 256 * 1024;

/**
 * Compresses into a file with fixed parameters and one thread. Input is handed on in blocks of one size, and the end
 * is told separately, so that the output depends on nothing but the bytes.
 */
export class Compressor {
  readonly #input: NodeJS.WritableStream;
  readonly #done: Promise<void>;
  readonly #block = Buffer.allocUnsafe(blockBytes);
  #filled = 0;
  /** Bytes taken so far. */
  bytes = 0;

  /** `size`: bytes that will be written, exactly. Aborting rejects the pending call. The caller closes `output`. */
  constructor(compression: Compression, level: number, size: number, output: FileHandle, signal?: AbortSignal) {
    const { input, done } = compression === 'xz' ? startXz(level, output, signal) : startZlib(compression, level, size, output, signal);
    this.#input = input;
    this.#done = done;
    // Told by the call that is waiting; a rejection while none is must not end the process.
    this.#done.catch(() => undefined);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length;
    for (let start = 0; start < bytes.length;) {
      const part = bytes.subarray(start, start + blockBytes - this.#filled);
      this.#block.set(part, this.#filled);
      this.#filled += part.length;
      start += part.length;
      if (this.#filled === blockBytes) await this.#flush();
    }
  }

  /** Resolves when everything has been written to the file. */
  async end(): Promise<void> {
    await this.#flush();
    this.#input.end();
    await this.#done;
  }

  /** Ends at once what is still running; for use after an error. */
  async abandon(): Promise<void> {
    (this.#input as Duplex).destroy();
    await this.#done.catch(() => undefined);
  }

  async #flush(): Promise<void> {
    if (this.#filled === 0) return;
    const block = this.#block.subarray(0, this.#filled);
    this.#filled = 0;
    const failure = await new Promise<Error | null | undefined>((resolve) => {
      this.#input.write(block, (error) => {
        resolve(error);
      });
    });
    if (failure === null || failure === undefined) return;
    await this.#done;
    throw failure;
  }
}

interface Running {
  readonly input: NodeJS.WritableStream;
  readonly done: Promise<void>;
}

function startZlib(compression: 'gz' | 'zst', level: number, size: number, output: FileHandle, signal?: AbortSignal): Running {
  const file = async (source: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of source) await output.writeFile(chunk);
  };
  const options = signal === undefined ? {} : { signal };
  if (compression === 'gz') {
    const input = createGzip({ level });
    return { input, done: pipeline(input, neutralGzipHeader(), file, options) };
  }
  const input = createZstdCompress({
    pledgedSrcSize: size,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: zstdWindowLog,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
  return { input, done: pipeline(input, file, options) };
}

/** Offset of the byte of a gzip header that names the operating system (RFC 1952, section 2.3.1), and "unknown". */
const gzipOsOffset = 9;
const gzipOsUnknown = 255;

function neutralGzipHeader(): Duplex {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      if (seen <= gzipOsOffset && seen + chunk.length > gzipOsOffset) chunk[gzipOsOffset - seen] = gzipOsUnknown;
      seen += chunk.length;
      callback(null, chunk);
    },
  });
}

/** Makes a finished gzip file the same on every system. */
export function neutralizeGzip(bytes: Buffer): Buffer {
  bytes[gzipOsOffset] = gzipOsUnknown;
  return bytes;
}

function startXz(level: number, output: FileHandle, signal?: AbortSignal): Running {
  const child = spawn('xz', ['--compress', '--stdout', '--threads=1', `-${level}`], {
    stdio: ['pipe', output.fd, 'pipe'],
    ...(signal === undefined ? {} : { signal, killSignal: 'SIGKILL' as const }),
  });
  let complaint = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-1000);
  });
  // A closed pipe is told by how the program ended.
  child.stdin!.on('error', () => undefined);
  const done = async (): Promise<void> => {
    try {
      const [code] = (await once(child, 'close')) as [number | null];
      if (code !== 0) throw new BerthError('io', `xz failed: ${complaint.trim() || 'it was ended by a signal'}`);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) throw new BerthError('unavailable', 'program not found: xz; install xz-utils, or choose zst or gz', { cause: error });
      throw error;
    }
  };
  return { input: child.stdin!, done: done() };
}
