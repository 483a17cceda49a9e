import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';

/** What an unfinished image still needs. */
export interface Need {
  /** Bytes of files. */
  readonly bytes: number;
  readonly entries: number;
  /** False if the package has no manifest that says what comes after the current file. */
  readonly isAll: boolean;
}

/** What the file system has left. */
export interface Free {
  readonly bytes: number;
  /** Undefined for a file system that makes them as needed. */
  readonly inodes: number | undefined;
}

/** The error for a full disk, with how much is missing: `detail` has `missingBytes` or `missingInodes`. */
export function noSpaceError(path: string, need: Need, free: Free, cause: unknown): BerthError {
  const atLeast = need.isAll ? '' : 'at least ';
  if (free.inodes === 0) {
    return new BerthError('no_space', `no inodes left for "${path}": ${atLeast}${need.entries} are missing; remove files or apps`, { detail: { missingInodes: need.entries }, cause });
  }
  const missingBytes = Math.max(1, need.bytes - free.bytes);
  return new BerthError('no_space', `no space left for "${path}": ${atLeast}${formatSize(missingBytes)} are missing; remove files or apps`, { detail: { missingBytes }, cause });
}
