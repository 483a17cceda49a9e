import { appendFileSync, closeSync, linkSync, mkdirSync, openSync, readSync, statSync, unlinkSync, writeFileSync, type Stats } from 'node:fs';
import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import { ifThere, readIfThere, statIfThere } from './files.ts';
import { currentFile, fileNumbers, numberedFile } from './log-files.ts';
import { formatMark } from './log-format.ts';

/** Bounds of one app's log, in bytes. */
export interface LogBounds {
  /** Size at which conmon goes on to a new file. So much is kept for sure of what comes between two looks at it. */
  readonly rotateBytes: number;
  /** The log takes no more than this on disk; at least 2.5 times `rotateBytes`. */
  readonly keepBytes: number;
}

/** Two numbers of up to 16 digits, and the sign and space. */
const countBytes = 34;

const MiB = 1024 * 1024;
const defaults: LogBounds = { rotateBytes: 2 * MiB, keepBytes: 10 * MiB };

/** Bounds of which some are given. @throws BerthError `usage` if they do not fit each other */
export function logBounds({ rotateBytes, keepBytes = defaults.keepBytes }: Partial<LogBounds> = {}): LogBounds {
  const bounds = { rotateBytes: rotateBytes ?? Math.min(defaults.rotateBytes, Math.floor(keepBytes / 5)), keepBytes };
  if (bounds.rotateBytes < 16 * 1024 || bounds.keepBytes < 2.5 * bounds.rotateBytes) {
    throw new BerthError('usage', `logs cannot be rotated at ${formatSize(bounds.rotateBytes)} and kept to ${formatSize(keepBytes)}: rotate at 16 KiB or more, and keep at least 2.5 times that`);
  }
  return bounds;
}

/** What a log is kept with: where, its bounds, and how to find out how much conmon has written. */
export interface LogKeeping {
  readonly directory: string;
  readonly bounds: LogBounds;
  /** Remembers what has been accounted for, so that the next daemon can tell what was lost meanwhile. */
  readonly countFile: string;
  /** Bytes that conmon has written in its life; undefined if that cannot be known (it is gone). */
  readonly written: () => number | undefined;
  readonly now: () => number;
}

/**
 * Makes the log ready for a new instance and gives the path for conmon.
 * @throws a system error if nothing can be written there
 */
export function prepareLog(directory: string, bounds: LogBounds): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const current = currentFile(directory);
  const newest = fileNumbers(directory).at(-1) ?? 0;
  const before = statIfThere(current);
  if (before !== undefined && before.ino === statIfThere(numberedFile(directory, newest))?.ino) {
    // Short runs share a file, so that an app that restarts all the time does not fill the directory with small ones.
    if (before.size < bounds.rotateBytes / 2 && endsInNewline(current, before.size)) return current;
  } else if (before !== undefined) {
    linkSync(current, numberedFile(directory, newest + 1));
  }
  if (before !== undefined) unlinkSync(current);
  closeSync(openSync(current, 'ax', 0o600));
  linkSync(current, numberedFile(directory, (fileNumbers(directory).at(-1) ?? 0) + 1));
  trimLog(directory, bounds);
  return current;
}

/**
 * Keeps the lines of a running instance: gives every file that conmon begins a number before conmon drops its name,
 * marks gaps, deletes the oldest. A gap is when conmon began two files between two looks: the first of them is gone.
 * How much is found by comparing what conmon has written in all with what stands in the files.
 */
export class LogKeeper {
  readonly #keeping: LogKeeping;
  #newest: number;
  #inode: number;
  /** Bytes accounted for before the newest file: in older ones, lost, or (before conmon wrote any) not of this log. */
  #before: number;
  #size: number;

  private constructor(keeping: LogKeeping, newest: number, inode: number, before: number) {
    this.#keeping = keeping;
    this.#newest = newest;
    this.#inode = inode;
    this.#before = before;
    this.#size = 0;
  }

  /** For a new instance, after {@link prepareLog} and before its program runs. */
  static begin(keeping: LogKeeping): LogKeeper {
    const { newest, stats } = newestFile(keeping.directory);
    const keeper = new LogKeeper(keeping, newest, stats.ino, (keeping.written() ?? 0) - stats.size);
    keeper.#remember('w');
    return keeper;
  }

  /** For an instance that ran while no daemon was there; to be looked at at once. Undefined if it has no log. */
  static takeOver(keeping: LogKeeping): LogKeeper | undefined {
    const match = /^(\d+) (-?\d+) *$/.exec(readIfThere(keeping.countFile) ?? '');
    const known = Number(match?.[1]);
    const later = fileNumbers(keeping.directory).filter((number) => number >= known);
    if (match === null || later[0] !== known) return undefined;
    const sizes = later.map((number) => statSync(numberedFile(keeping.directory, number)).size);
    const { newest, stats } = newestFile(keeping.directory);
    // The daemon may have died after it numbered a file and before it wrote that down.
    const before = sizes.slice(0, -1).reduce((sum, size) => sum + size, Number(match[2]));
    return new LogKeeper(keeping, newest, stats.ino, before);
  }

  /** Looks at the log. True if it grows so fast that it should be looked at again soon. */
  check(): boolean {
    const { directory, bounds } = this.#keeping;
    const current = statIfThere(currentFile(directory));
    if (current === undefined) return false;
    const isNew = current.ino !== this.#inode;
    if (isNew) this.#follow();
    const grown = current.size - this.#size;
    this.#size = current.size;
    return isNew || grown > bounds.rotateBytes / 4;
  }

  /** conmon has begun a new file: gives it its number, and marks what was lost in between. */
  #follow(): void {
    const { directory, written, bounds } = this.#keeping;
    const old = numberedFile(directory, this.#newest);
    const next = numberedFile(directory, this.#newest + 1);
    linkSync(currentFile(directory), next);
    const accounted = this.#before + (statIfThere(old)?.size ?? 0);
    // In this order: what conmon writes between the two is counted as in the file, and not as lost.
    const total = written();
    const { ino, size } = statSync(next);
    const lost = total === undefined ? undefined : total - accounted - size;
    if (lost === undefined) this.#mark(old, 'output may be missing here: the app ended or its monitor went while its log was not watched');
    else if (lost > bounds.rotateBytes / 2) this.#mark(old, `${formatSize(lost)} of output are missing here: the app wrote more than its log can take`);
    this.#newest += 1;
    this.#inode = ino;
    this.#before = accounted + (lost !== undefined && lost > bounds.rotateBytes / 2 ? lost : 0);
    this.#remember();
    trimLog(directory, bounds);
  }

  /** conmon has closed the old file, so it can be added to. */
  #mark(path: string, text: string): void {
    appendFileSync(path, formatMark(this.#keeping.now(), text), { flag: 'a' });
  }

  #remember(flag: 'w' | 'r+' = 'r+'): void {
    // Over the old text in one write: a daemon that is killed leaves the one or the other.
    writeFileSync(this.#keeping.countFile, `${this.#newest} ${this.#before}`.padEnd(countBytes), { flag, mode: 0o600 });
  }
}

/**
 * Deletes the oldest files. Room stays for the newest, which may have begun with half a file of earlier runs
 * ({@link prepareLog}), and for one that conmon may begin before the next look.
 */
function trimLog(directory: string, { rotateBytes, keepBytes }: LogBounds): void {
  let total = 2.5 * rotateBytes;
  for (const number of fileNumbers(directory).toReversed().slice(1)) {
    const path = numberedFile(directory, number);
    total += statIfThere(path)?.size ?? 0;
    if (total > keepBytes) ifThere(() => { unlinkSync(path); });
  }
}

/**
 * Bytes that a process has written in its life, `wchar` of `/proc/PID/io` (proc_pid_io(5)); undefined if it is gone or
 * the kernel does not count (CONFIG_TASK_IO_ACCOUNTING).
 */
export function bytesWritten(pid: number): number | undefined {
  const match = /^wchar: (\d+)$/m.exec(readIfThere(`/proc/${pid}/io`) ?? '');
  return match === null ? undefined : Number(match[1]);
}

function newestFile(directory: string): { readonly newest: number; readonly stats: Stats } {
  const newest = fileNumbers(directory).at(-1) ?? 0;
  return { newest, stats: statSync(numberedFile(directory, newest)) };
}

function endsInNewline(path: string, size: number): boolean {
  if (size === 0) return true;
  const file = openSync(path, 'r');
  try {
    const last = Buffer.alloc(1);
    readSync(file, last, 0, 1, size - 1);
    return last[0] === 0x0a;
  } finally {
    closeSync(file);
  }
}
