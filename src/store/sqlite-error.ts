import { BerthError } from '../lib/errors.ts';

// Primary result codes of SQLite (sqlite.org/rescode.html).
export const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
export const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
export const SQLITE_NOTADB = 26;

/** The primary result code of an error of SQLite's. */
export function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: number }).errcode;
  return code === undefined ? undefined : code & 0xff;
}

/** An error of SQLite's that is really one of the disk, as such; others as they are. */
export function asDiskError(error: unknown): unknown {
  const code = resultCode(error);
  if (code === SQLITE_FULL) return new BerthError('no_space', 'the database cannot be written: no space is left on its disk; remove files or apps', { cause: error });
  const isDisk = code === SQLITE_IOERR || code === SQLITE_READONLY || code === SQLITE_CANTOPEN;
  return isDisk ? new BerthError('io', `the disk does not take what is written to the database: ${(error as Error).message}`, { cause: error }) : error;
}
