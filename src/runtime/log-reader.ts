import { existsSync, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { isErrno } from '../lib/errors.ts';
import { statIfThere } from './files.ts';
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

/**
 * The lines of a log directory, oldest first: those there are now and, if asked for, those to come until the signal
 * aborts or the log is deleted. A reader that is slower than the log is bounded gets a mark at the gap.
 */
export async function* readLog(source: LogSource, query: LogQuery): AsyncGenerator<LogLine> {
  const { sinceMs, signal } = query;
  for await (const line of allLines(source, query)) {
    if (signal?.aborted === true) return;
    if (sinceMs === undefined || Date.parse(line.time) >= sinceMs) yield line;
  }
}

async function* allLines(source: LogSource, { tail, follow, signal }: LogQuery): AsyncGenerator<LogLine> {
  source.refresh();
  const cursor = new Cursor(source);
  // An app may write faster than we read, so what there is now has an end that is fixed here.
  const now = cursor.readTo(endOf(source.directory));
  if (tail === undefined) yield* now;
  else yield* await lastOf(now, tail);
  if (follow === true) yield* newLines(source, cursor, signal);
  else yield* cursor.flush();
}

async function lastOf(lines: AsyncIterable<LogLine>, count: number): Promise<readonly LogLine[]> {
  let kept: LogLine[] = [];
  for await (const line of lines) {
    kept.push(line);
    if (kept.length >= 2 * count + 100) kept = kept.slice(kept.length - count);
  }
  return kept.slice(Math.max(0, kept.length - count));
}

/** Lines from the cursor on as they come. */
async function* newLines(source: LogSource, cursor: Cursor, signal: AbortSignal | undefined): AsyncGenerator<LogLine> {
  let changed = Promise.withResolvers<void>();
  const wake = (): void => { changed.resolve(); };
  const watcher = watch(source.directory, wake);
  watcher.on('error', wake);
  signal?.addEventListener('abort', wake);
  try {
    for (;;) {
      // Made before reading, so that what is written while the last of it is read wakes us again.
      changed = Promise.withResolvers();
      source.refresh();
      yield* cursor.readTo(farEnd);
      yield* cursor.flush();
      if (signal?.aborted === true || !existsSync(source.directory)) return;
      await changed.promise;
    }
  } finally {
    signal?.removeEventListener('abort', wake);
    watcher.close();
  }
}

interface Position {
  readonly number: number;
  readonly offset: number;
}

const farEnd: Position = { number: Number.MAX_SAFE_INTEGER, offset: 0 };

/** A place in a log directory that moves over its files. */
class Cursor {
  readonly #source: LogSource;
  readonly #parser = new LogParser();
  #number = 0;
  #offset = 0;

  constructor(source: LogSource) {
    this.#source = source;
  }

  /** Lines from here to `end`, or to the end there is when it gets there. */
  async *readTo(end: Position): AsyncGenerator<LogLine> {
    for (;;) {
      // Looked for before reading: conmon begins the next file when it is through with this one.
      const next = fileNumbers(this.#source.directory).find((number) => number > this.#number);
      if (this.#number > 0) yield* this.#readFile(this.#number === end.number ? end.offset : Number.MAX_SAFE_INTEGER);
      if (next === undefined || next > end.number) return;
      this.#parser.endFile();
      if (this.#number > 0 && next > this.#number + 1) yield markLine(this.#source.now(), 'output that came here is no longer kept: the log is read too slowly');
      this.#number = next;
      this.#offset = 0;
    }
  }

  flush(): Generator<LogLine> {
    return this.#parser.flush();
  }

  async *#readFile(endOffset: number): AsyncGenerator<LogLine> {
    try {
      await using file = await open(numberedFile(this.#source.directory, this.#number));
      while (this.#offset < endOffset) {
        const length = Math.min(chunkBytes, endOffset - this.#offset);
        const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, this.#offset);
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

function endOf(directory: string): Position {
  const number = fileNumbers(directory).at(-1) ?? 0;
  return { number, offset: statIfThere(numberedFile(directory, number))?.size ?? 0 };
}
