import { watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { isErrno } from '../lib/errors.ts';
import type { Declaration } from './declaration.ts';
import type { HostPlaces } from './look.ts';

/** Devices that are lent are looked at this often, in milliseconds. */
export const pollMs = 2000;

/**
 * Tells when it is time to look at the devices again. The kernel's own events come over netlink sockets, which Node does
 * not have, and udev is not on every device; but the kernel (devtmpfs) or udev makes and removes nodes in /dev at the
 * same moment, and inotify(7) tells of that. It does not tell of sysfs, nor of a directory that is not there yet, and
 * drops events when too many wait: so while something is lent, there is a look every two seconds besides.
 */
export class DeviceWatch {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #directories: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #look: () => void;
  #isPolling = false;
  #cancelPoll: (() => void) | undefined;
  #cancelSoon: (() => void) | undefined;
  #isClosed = false;

  constructor(declarations: readonly Declaration[], { dev }: HostPlaces, clock: Clock, look: () => void) {
    const named = declarations.flatMap(({ place }) => (place.kind === 'class' ? [] : [dirname(place.path)]));
    this.#directories = new Set(declarations.length === 0 ? [] : [dev, ...named]);
    this.#clock = clock;
    this.#look = look;
    this.#watchAll();
  }

  /** Looks again and again, or no more. */
  while(isLent: boolean): void {
    if (this.#isPolling === isLent) return;
    this.#isPolling = isLent;
    if (isLent) this.#poll();
    else this.#cancelPoll?.();
  }

  /** Looks once more after so many milliseconds; what is asked for meanwhile is the same look. */
  soon(ms: number): void {
    if (this.#isClosed) return;
    this.#cancelSoon ??= this.#clock.after(ms, () => {
      this.#cancelSoon = undefined;
      this.#look();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelPoll?.();
    this.#cancelSoon?.();
    for (const watcher of this.#watchers.values()) watcher.close();
  }

  #poll(): void {
    this.#cancelPoll = this.#clock.after(pollMs, () => {
      if (!this.#isPolling || this.#isClosed) return;
      this.#watchAll();
      this.#look();
      this.#poll();
    });
  }

  /** Those that came meanwhile, too. */
  #watchAll(): void {
    for (const directory of this.#directories) {
      if (this.#watchers.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, () => { this.soon(0); });
        watcher.on('error', () => { this.#forget(directory); });
        this.#watchers.set(directory, watcher);
      } catch (error) {
        if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ENOSPC', 'EMFILE')) throw error;
      }
    }
  }

  #forget(directory: string): void {
    this.#watchers.get(directory)?.close();
    this.#watchers.delete(directory);
  }
}
