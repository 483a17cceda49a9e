import type { Clock } from '../lib/clock.ts';
import { Alarm } from './alarm.ts';

/** Calls `expired` once when it was not fed for `intervalMs`, not counting the time in which it was held. */
export class Watchdog {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #expired: () => void;
  readonly #alarm: Alarm;
  #dueAt = 0;
  /** What was left when it was held. */
  #leftMs: number | undefined;

  constructor(clock: Clock, intervalMs: number, expired: () => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#expired = expired;
    this.#alarm = new Alarm(clock);
    this.#arm(intervalMs);
  }

  /** What came before the hold but was delivered late counts too. */
  feed(): void {
    if (this.#leftMs === undefined) this.#arm(this.#intervalMs);
    else this.#leftMs = this.#intervalMs;
  }

  hold(): void {
    this.#leftMs ??= Math.max(this.#dueAt - this.#clock.monotonic(), 0);
    this.#alarm.cancel();
  }

  resume(): void {
    if (this.#leftMs === undefined) return;
    this.#arm(this.#leftMs);
    this.#leftMs = undefined;
  }

  #arm(ms: number): void {
    this.#dueAt = this.#clock.monotonic() + ms;
    this.#alarm.set(ms, this.#expired);
  }
}
