import type { Clock } from '../lib/clock.ts';

/** At most one call at a later moment: setting it again forgets the one before. */
export class Alarm {
  readonly #clock: Clock;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param ms from now */
  set(ms: number, call: () => void): void {
    this.cancel();
    this.#cancel = this.#clock.after(ms, () => {
      this.#cancel = undefined;
      call();
    });
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
