import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { asBerthError, isErrno } from '../lib/errors.ts';
import type { Authorities } from './authorities.ts';

/** How often the folder is looked at. */
const lookEveryMs = 30_000;
/** More than a list can be. */
const maxListBytes = 1024 * 1024;

export interface RecallFolderOptions {
  readonly directory: string;
  readonly authorities: Pick<Authorities, 'takeRecalls'>;
  readonly clock: Clock;
  /** Tells what is wrong with a file. */
  readonly tell: (message: string) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Takes the lists of recalls that lie in a folder: now, and whenever a file in it is new or has changed. Resolves when the signal aborts. */
export async function watchRecalls({ directory, authorities, clock, tell, signal }: RecallFolderOptions): Promise<void> {
  const seen = new Map<string, string>();
  while (!signal.aborted) {
    for (const path of await listsIn(directory)) {
      try {
        const { mtimeMs, size, ino } = await stat(path);
        const look = `${mtimeMs} ${size} ${ino}`;
        if (seen.get(path) === look) continue;
        seen.set(path, look);
        if (size > maxListBytes) throw new Error(`larger than ${maxListBytes} bytes`);
        await authorities.takeRecalls(await readFile(path));
      } catch (error) {
        tell(`recalls of ${path} are not taken: ${asBerthError(error).message}`);
      }
    }
    // Only the end of berthd breaks this off.
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
  }
}

async function listsIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.recalls')).toSorted().map((name) => join(directory, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
