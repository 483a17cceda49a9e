import { setImmediate as turn } from 'node:timers/promises';
import { BerthError } from './errors.ts';
import type { Clock } from './clock.ts';

/** A clock for tests, turned by hand: nothing is due until `advance` says so, and no test waits. */
export class HandClock implements Clock {
  /** Wall clock at monotonic 0. */
  readonly epoch: number;
  readonly #due = new Map<object, { readonly at: number; readonly call: () => void }>();
  #now = 0;

  constructor(epoch = Date.UTC(2026, 0, 1)) {
    this.epoch = epoch;
  }

  now(): number {
    return this.epoch + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const cancel = this.after(ms, resolve);
      signal?.addEventListener('abort', () => {
        cancel();
        reject(new BerthError('cancelled', 'the sleep was cancelled'));
      });
    });
  }

  after(ms: number, call: () => void): () => void {
    const key = {};
    this.#due.set(key, { at: this.#now + ms, call });
    return () => this.#due.delete(key);
  }

  /** Calls that are still to come. */
  get pending(): number {
    return this.#due.size;
  }

  /** Forgets all calls, as when the process that waited for them is gone. */
  clear(): void {
    this.#due.clear();
  }

  /** Lets time pass: what falls due is called in order, and what it sets off in promises is done before time goes on. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      const [next] = [...this.#due].filter(([, { at }]) => at <= until).toSorted(([, a], [, b]) => a.at - b.at);
      if (next === undefined) break;
      const [key, { at, call }] = next;
      this.#due.delete(key);
      this.#now = Math.max(this.#now, at);
      call();
      await settle();
    }
    this.#now = until;
  }
}

/** Lets everything that only waits for other promises go on. */
export async function settle(): Promise<void> {
  await turn();
  await turn();
}
