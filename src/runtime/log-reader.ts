import { existsSync, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { isErrno } from '../lib/errors.ts';
import { fileNumbers, numberedFile } from './log-files.ts';
import { LogParser, markLine } from './log-format.ts';
import type { LogLine, LogQuery } from './types.ts';

const chunkBytes = 64 * 1024;

export interface LogSource {
  readonly directory: string;
  /** Gives a file that conmon has begun its number, if it has none yet. */
  readonly refresh: () => void;
  readonly now: () => number;
}

/** The lines of a log directory, oldest first. A reader that is slower than the log is bounded gets a mark at the gap. */
export async function* readLog(source: LogSource, query: LogQuery): AsyncGenerator<LogLine> {
  source.refresh();
  const skip = query.tail === undefined ? 0 : Math.max(0, (await countLines(source)) - query.tail);
  let seen = 0;
  for await (const line of query.follow === true ? followLines(source, query.signal) : wholeLines(source)) {
    seen += 1;
    if (seen > skip && (query.sinceMs === undefined || Date.parse(line.time) >= query.sinceMs)) yield line;
    if (query.signal?.aborted === true) return;
  }
}

async function countLines(source: LogSource): Promise<number> {
  let count = 0;
  for await (const _ of wholeLines(source)) count += 1;
  return count;
}

/** All lines there are now. */
async function* wholeLines(source: LogSource): AsyncGenerator<LogLine> {
  const cursor = new Cursor(source);
  yield* cursor.read();
  yield* cursor.flush();
}

/** All lines there are, then new ones as they come, until the signal aborts or the log is deleted. */
async function* followLines(source: LogSource, signal: AbortSignal | undefined): AsyncGenerator<LogLine> {
  let changed = Promise.withResolvers<void>();
  const wake = (): void => { changed.resolve(); };
  const watcher = watch(source.directory, wake);
  watcher.on('error', wake);
  signal?.addEventListener('abort', wake);
  try {
    const cursor = new Cursor(source);
    for (;;) {
      // Made before reading, so that what is written while the last of it is read wakes us again.
      changed = Promise.withResolvers();
      source.refresh();
      yield* cursor.read();
      yield* cursor.flush();
      if (signal?.aborted === true || !existsSync(source.directory)) return;
      await changed.promise;
    }
  } finally {
    signal?.removeEventListener('abort', wake);
    watcher.close();
  }
}

/** A place in a log directory that moves over its files. */
class Cursor {
  readonly #source: LogSource;
  readonly #parser = new LogParser();
  #number = 0;
  #offset = 0;

  constructor(source: LogSource) {
    this.#source = source;
  }

  /** Lines from here to the end. */
  async *read(): AsyncGenerator<LogLine> {
    for (;;) {
      // Looked for before reading: conmon begins the next file when it is through with this one.
      const next = fileNumbers(this.#source.directory).find((number) => number > this.#number);
      if (this.#number > 0) yield* this.#readFile();
      if (next === undefined) return;
      this.#parser.endFile();
      if (this.#number > 0 && next > this.#number + 1) yield markLine(this.#source.now(), 'output that came here is no longer kept: the log is read too slowly');
      this.#number = next;
      this.#offset = 0;
    }
  }

  flush(): Generator<LogLine> {
    return this.#parser.flush();
  }

  async *#readFile(): AsyncGenerator<LogLine> {
    try {
      await using file = await open(numberedFile(this.#source.directory, this.#number));
      for (;;) {
        const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, this.#offset);
        if (bytesRead === 0) return;
        this.#offset += bytesRead;
        yield* this.#parser.feed(buffer.subarray(0, bytesRead));
      }
    } catch (error) {
      // Deleted because the log is bounded.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
}
