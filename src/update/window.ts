import { BerthError } from '../lib/errors.ts';

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const minuteMs = 60_000;
const dayMinutes = 24 * 60;

/** A time of the week in which updates may switch, in the device's local time. */
export interface TimeWindow {
  /** Days on which it begins, 0 is Sunday. */
  readonly days: readonly number[];
  /** Minutes after midnight. */
  readonly from: number;
  /** Minutes after the same midnight; beyond 24 hours for a window that goes on the next day. */
  readonly to: number;
  /** As the operator wrote it. */
  readonly text: string;
}

/**
 * Reads `02:00-04:30`, `sat,sun 00:00-24:00` or `mon 22:00-04:00` (into Tuesday).
 * @throws BerthError `usage`
 */
export function parseWindow(text: string): TimeWindow {
  const match = /^(?:([a-z,]+) )?(\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text.trim().toLowerCase());
  const days = match?.[1]?.split(',').map((name) => (dayNames as readonly string[]).indexOf(name)) ?? dayNames.map((_, index) => index);
  const [from, to] = [minutes(match?.[2], match?.[3]), minutes(match?.[4], match?.[5])];
  if (match === null || days.includes(-1) || !(from < dayMinutes) || !(to <= dayMinutes) || from === to) {
    throw new BerthError('usage', `"${text}" is not a time window such as 02:00-04:00 or sat,sun 00:00-24:00`);
  }
  return { days, from, to: to < from ? to + dayMinutes : to, text };
}

function minutes(hours: string | undefined, rest: string | undefined): number {
  return Number(rest) < 60 ? Number(hours) * 60 + Number(rest) : NaN;
}

/** Milliseconds until a window is open: 0 if one is, or if there are none. */
export function untilOpen(windows: readonly TimeWindow[], now: Date): number {
  if (windows.length === 0 || windows.some((window) => isOpen(window, now))) return 0;
  const elapsed = now.getSeconds() * 1000 + now.getMilliseconds();
  const waits = windows.flatMap((window) => window.days.map((day) => {
    const ahead = ((day - now.getDay() + 7) % 7) * dayMinutes + window.from - minuteOfDay(now);
    return (ahead <= 0 ? ahead + 7 * dayMinutes : ahead) * minuteMs - elapsed;
  }));
  return Math.max(Math.min(...waits), 1);
}

function isOpen({ days, from, to }: TimeWindow, now: Date): boolean {
  const minute = minuteOfDay(now);
  const today = days.includes(now.getDay()) && minute >= from && minute < to;
  const sinceYesterday = days.includes((now.getDay() + 6) % 7) && minute + dayMinutes < to;
  return today || sinceYesterday;
}

function minuteOfDay(date: Date): number {
  return date.getHours() * 60 + date.getMinutes();
}
