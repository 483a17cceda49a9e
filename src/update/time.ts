import type { TrustedTime } from '../trust/index.ts';

/** Wall clocks before this cannot be right: it is older than the program. */
export const earliestPossible = Date.UTC(2026, 0, 1);

/** What a device knows of the time, from its clock and the latest moment that it knows to be over. */
export function trustedTime(clock: number, lastKnown: number | undefined): TrustedTime {
  const bound = Math.max(lastKnown ?? 0, earliestPossible);
  return { now: Math.max(clock, bound), isKnown: clock >= bound };
}
