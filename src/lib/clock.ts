import { setTimeout as delay } from 'node:timers/promises';

/** Time as Berth's decisions see it, so that tests can turn it by hand. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970, for people to read; it may jump. */
  now(): number;
  /** Monotonic milliseconds, the same for every process of this boot; never jumps. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once after `ms` milliseconds; the result cancels. */
  after(ms: number, callback: () => void): () => void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // CLOCK_MONOTONIC, clock_gettime(2): unlike performance.now() it counts for the whole boot.
  monotonic: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  },
  after: (ms, callback) => {
    const timer = setTimeout(callback, Math.min(ms, 0x7fff_ffff));
    return () => {
      clearTimeout(timer);
    };
  },
};
