import { randomBytes } from 'node:crypto';
import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** What the database takes for a few transactions, its write-ahead log and a checkpoint included, many times over. */
export const ballastBytes = 1024 ** 2;

/**
 * Room on the disk that is kept for the database: an app that has filled the disk must not keep its own way back, or its
 * removal, from being written.
 */
export class Ballast {
  readonly #path: string;

  /** @param path a file beside the database */
  constructor(path: string) {
    this.#path = path;
  }

  /** Takes the room, if it is not taken and there is plenty; else another time will do. */
  take(): void {
    if (statSync(this.#path, { throwIfNoEntry: false })?.size === ballastBytes) return;
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#path));
      if (bavail * bsize < 4 * ballastBytes) return;
      const file = openSync(this.#path, 'w', 0o600);
      try {
        // Not zeros, which some file systems do not store.
        writeSync(file, randomBytes(ballastBytes));
      } finally {
        closeSync(file);
      }
    } catch {
      // A disk that does not take it will not take other things either, and those tell.
      this.giveUp();
    }
  }

  /** Makes room. False if there is none to give. */
  giveUp(): boolean {
    try {
      rmSync(this.#path);
      return true;
    } catch {
      return false;
    }
  }
}
