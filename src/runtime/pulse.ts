import type { Clock } from '../lib/clock.ts';

/** How often running instances are looked at, in milliseconds. */
export const pulseMs = 1000;

/** One timer for everything that has to be looked at again and again; it stands still while there is nothing. */
export class Pulse {
  readonly #checks = new Set<() => void>();
  readonly #clock: Clock;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `check` every {@link pulseMs}; the result ends it. */
  add(check: () => void): () => void {
    this.#checks.add(check);
    this.#schedule();
    return () => {
      this.#checks.delete(check);
    };
  }

  close(): void {
    this.#checks.clear();
    this.#cancel?.();
  }

  #schedule(): void {
    this.#cancel ??= this.#clock.after(pulseMs, () => {
      this.#cancel = undefined;
      for (const check of this.#checks) check();
      if (this.#checks.size > 0) this.#schedule();
    });
  }
}
