import { join } from 'node:path';
import { namesIn } from './files.ts';

/**
 * An app's log is a directory of numbered files, oldest first. conmon writes to `current`, which is the same file as
 * the one with the highest number (a hard link): when conmon starts `current` again at its maximum size, the lines
 * until then still stand under their number.
 */
export function currentFile(directory: string): string {
  return join(directory, 'current');
}

export function numberedFile(directory: string, number: number): string {
  return join(directory, `${String(number).padStart(8, '0')}.log`);
}

/** The numbers there are, in order. */
export function fileNumbers(directory: string): readonly number[] {
  return namesIn(directory)
    .filter((name) => /^\d{8,}\.log$/.test(name))
    .map((name) => Number.parseInt(name, 10))
    .toSorted((a, b) => a - b);
}
