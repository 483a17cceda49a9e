import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import type { CopyLimits, CopyReport } from './copy.ts';

/** What a pass has counted so far; throws `too_large` at a bound. */
export class CopyTally {
  readonly #limits: CopyLimits;
  readonly #from: string;
  #bytes = 0;
  #names = 0;
  #copied = 0;
  #leftOut = 0;

  constructor(limits: CopyLimits, from: string) {
    this.#limits = limits;
    this.#from = from;
  }

  report(): CopyReport {
    return { bytes: this.#bytes, entries: this.#names - this.#leftOut, copied: this.#copied, leftOut: this.#leftOut };
  }

  bytes(count: number): void {
    this.#bytes += count;
    if (this.#bytes > this.#limits.bytes) throw this.#tooLarge('bytes', `files of more than ${formatSize(this.#limits.bytes)}`);
  }

  name(): void {
    this.#names += 1;
    if (this.#names > this.#limits.entries) throw this.#tooLarge('entries', `more than ${this.#limits.entries} files and directories`);
  }

  /** @param depth how many directories a directory lies in */
  depth(depth: number): void {
    if (depth > this.#limits.depth) throw this.#tooLarge('depth', `more than ${this.#limits.depth} directories inside one another`);
  }

  copied(): void {
    this.#copied += 1;
  }

  leftOut(): void {
    this.#leftOut += 1;
  }

  #tooLarge(what: keyof CopyLimits, found: string): BerthError {
    return new BerthError('too_large', `${this.#from} has ${found}, which is the bound for a copy`, { detail: { what, limit: this.#limits[what] } });
  }
}
