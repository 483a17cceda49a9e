import { watch, type FSWatcher } from 'node:fs';
import type { Clock } from '../lib/clock.ts';
import { asBerthError } from '../lib/errors.ts';
import { mediaFolders } from './folder-files.ts';

/** From a change that was told to the look at it: what is mounted is made and mounted in several steps. */
const debounceMs = 1000;

/** Between looks when nothing was told: that something is mounted on a directory is told by nobody. */
const lookMs = 10_000;

export interface MediaWatchOptions {
  /** Directories in which media are mounted, each in a directory of its own. */
  readonly directories: readonly string[];
  /** Sees to the folders that are there. */
  readonly look: (folders: readonly string[]) => Promise<void>;
  /** Told what is wrong with a directory, once. */
  readonly tell: (message: string) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Looks at media until the signal aborts: at once, after a change in one of the directories, and now and then. */
export async function watchMedia(options: MediaWatchOptions): Promise<void> {
  const { directories, look, clock, signal } = options;
  const pause = new Pause(clock);
  const watchers = new Map<string, FSWatcher>();
  const faults = new Map<string, string>();
  signal.addEventListener('abort', () => {
    pause.end(0);
  }, { once: true });
  try {
    while (!signal.aborted) {
      const folders: string[] = [];
      for (const directory of directories) {
        try {
          watchDirectory(directory, watchers, () => {
            pause.end(debounceMs);
          });
          folders.push(...(await mediaFolders(directory)));
        } catch (error) {
          const { message } = asBerthError(error);
          if (faults.get(directory) !== message) options.tell(`${directory} cannot be looked at for media: ${message}`);
          faults.set(directory, message);
        }
      }
      await look(folders);
      if (!signal.aborted) await pause.begin(lookMs);
    }
  } finally {
    for (const watcher of watchers.values()) watcher.close();
  }
}

/** A pause that can be ended before its time. */
class Pause {
  readonly #clock: Clock;
  #resolve: (() => void) | undefined;
  #cancel: () => void = () => undefined;
  /** Something happened while there was no pause. */
  #missed: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async begin(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resolve = resolve;
    this.end(this.#missed ?? ms);
    this.#missed = undefined;
    await promise;
    this.#resolve = undefined;
  }

  /** Ends the pause of now, or the next one, after so many milliseconds; each further call begins anew. */
  end(ms: number): void {
    this.#cancel();
    if (this.#resolve === undefined) this.#missed = ms;
    else this.#cancel = this.#clock.after(ms, this.#resolve);
  }
}

/** Watches a directory, if it is there and not watched yet. */
function watchDirectory(directory: string, watchers: Map<string, FSWatcher>, changed: () => void): void {
  if (watchers.has(directory)) return;
  let watcher: FSWatcher;
  try {
    watcher = watch(directory, changed);
  } catch {
    // Not there yet, or no watch is left: then it is looked at now and then.
    return;
  }
  watcher.on('error', () => {
    watcher.close();
    watchers.delete(directory);
  });
  watchers.set(directory, watcher);
}
