import type { TimeWindow } from './window.ts';
import { untilOpen } from './window.ts';
import { formatDuration } from '../lib/units.ts';

/** An app's wish that no update stops it now. */
export interface Deferral {
  readonly app: string;
  /** Monotonic milliseconds. */
  readonly until: number;
  /** The most that it may put an update off, in all, counted from when the update was ready. */
  readonly mostMs: number;
}

/** Why an update that is ready does not switch yet, and for how long at least. */
export interface Delay {
  readonly why: string;
  readonly ms: number;
}

/**
 * What keeps a ready update from switching; undefined: nothing.
 * @param readySince when it became ready, `now`: monotonic milliseconds both; `wall`: for windows, in local time
 */
export function delayOf(
  apps: readonly string[],
  { deferrals, windows }: { readonly deferrals: readonly Deferral[]; readonly windows: readonly TimeWindow[] },
  { readySince, now, wall }: { readonly readySince: number; readonly now: number; readonly wall: Date },
): Delay | undefined {
  const closedMs = untilOpen(windows, wall);
  if (closedMs > 0) return { why: `no window is open (${windows.map(({ text }) => text).join('; ')}); the next one opens in ${formatDuration(closedMs)}`, ms: closedMs };
  const [longest] = deferrals
    .filter(({ app }) => apps.includes(app))
    .map(({ app, until, mostMs }) => ({ app, ms: Math.min(until, readySince + mostMs) - now }))
    .toSorted((a, b) => b.ms - a.ms);
  if (longest === undefined || longest.ms <= 0) return undefined;
  return { why: `${longest.app} has put it off for ${formatDuration(longest.ms)}`, ms: longest.ms };
}
