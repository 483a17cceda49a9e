import { work } from './limits.ts';

/** What an app may still ask for: a bucket that fills with time, in units of {@link work}. */
export class Budget {
  readonly #monotonic: () => number;
  #units: number = work.burst;
  #at: number;

  /** `monotonic` in milliseconds. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#at = monotonic();
  }

  /** Takes units, even more than are there: what is owed is waited for. False if nothing is left. */
  spend(units: number): boolean {
    const now = this.#monotonic();
    this.#units = Math.min(work.burst, this.#units + ((now - this.#at) * work.perSecond) / 1000) - units;
    this.#at = now;
    return this.#units > 0;
  }
}

/** Units that a read, or a message, of so many bytes costs. */
export function unitsOf(bytes: number): number {
  return 1 + Math.floor(bytes / work.bytesPerUnit);
}
