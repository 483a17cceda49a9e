import { readdirSync, statSync, type Stats } from 'node:fs';
import { isErrno } from '../lib/errors.ts';

/** Descriptors of all processes that are looked at: bounds the work. */
const maxDescriptors = 16_384;

/**
 * Files of a file system that have no name any more, and which these processes hold open: what they take is found in no
 * directory. Each counts once.
 * @param device `st_dev` of the file system
 */
export function openDeletedFiles(pids: Iterable<number>, device: number): readonly Stats[] {
  const found = new Map<number, Stats>();
  let looked = 0;
  for (const pid of pids) {
    for (const descriptor of unlessGone(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
      looked += 1;
      if (looked > maxDescriptors) return [...found.values()];
      // The file itself, whatever has happened to its name.
      const stat = unlessGone(() => statSync(`/proc/${pid}/fd/${descriptor}`));
      if (stat?.isFile() === true && stat.nlink === 0 && stat.dev === device) found.set(stat.ino, stat);
    }
  }
  return [...found.values()];
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'ENXIO', 'ENOTDIR')) return undefined;
    throw error;
  }
}
