import { formatDuration, formatSize } from '../lib/units.ts';

/*
 * Decisions of the watch over the data of running apps. Where a file system has no quota, growth cannot be refused, so it
 * is noticed: how much room the file system has costs nothing to ask, and tells how much can have been written since an
 * app's data was last measured.
 */

/** How long an app that starts with more data than it may have can take to make room. */
export const graceMs = 5 * 60_000;
/** Data is measured at least this often, as other apps that make room hide what one takes. */
export const measureAgainMs = 60_000;
/** While it makes room, so that people see it. */
const measureInGraceMs = 2000;
/** Most of the time that goes into measuring one app: a tenth. */
const restPerCost = 9;
/** What directories may grow by while an app makes room in them, and what no measurement is worth. */
export const slackBytes = 64 * 1024;
/** Less growth than this is not what fills a disk. */
const leastGrowthBytes = 1024 ** 2;

/** What is known of the data of one running app. */
export interface DataState {
  readonly instance: string;
  readonly limitBytes?: number;
  /** As last measured. */
  readonly usedBytes: number;
  /** When that was, monotonic milliseconds, and how long it took. */
  readonly at: number;
  readonly costMs: number;
  /** What had been written to the file system by then, by anybody. */
  readonly writtenBytes: number;
  /** What it had when there was room enough for all. */
  readonly baselineBytes: number;
  /** It has more than it may: it must not grow beyond `bytes`, and have made room by `until`. */
  readonly grace?: { readonly bytes: number; readonly until: number };
}

export interface Measurement {
  readonly instance: string;
  readonly limitBytes?: number;
  readonly usedBytes: number;
  readonly tooDeep: boolean;
  /** When it ended, monotonic milliseconds, and how long it took. */
  readonly at: number;
  readonly costMs: number;
  /** What had been written to the file system when it began. */
  readonly writtenBytes: number;
  /** The file system has room enough for all. */
  readonly roomy: boolean;
}

/** Measuring it again now does not take more than a tenth of the time. */
function isRested({ at, costMs }: DataState, now: number): boolean {
  return now - at >= restPerCost * costMs;
}

/**
 * Whether an app's data is to be measured now.
 * @param short the file system has hardly any room left: whoever takes it is to be found
 */
export function isDue(state: DataState | undefined, now: number, { instance, limitBytes, writtenBytes }: Pick<Measurement, 'instance' | 'limitBytes' | 'writtenBytes'>, short = false): boolean {
  if (state?.instance !== instance) return true;
  if (!isRested(state, now)) return false;
  if (short) return true;
  if (limitBytes === undefined) return false;
  if (now - state.at >= (state.grace === undefined ? measureAgainMs : measureInGraceMs) || state.limitBytes !== limitBytes) return true;
  const most = state.grace?.bytes ?? limitBytes;
  return writtenBytes - state.writtenBytes >= Math.max((most - state.usedBytes) / 2, slackBytes);
}

/** What a measurement leads to: the state from now on, and why the app must end, if it must. */
export function judgeData(before: DataState | undefined, found: Measurement): { readonly state: DataState; readonly news?: string; readonly over?: string } {
  const { instance, limitBytes, usedBytes, at, costMs, writtenBytes } = found;
  const isNew = before?.instance !== instance;
  const state: DataState = {
    instance,
    ...(limitBytes === undefined ? {} : { limitBytes }),
    usedBytes,
    at,
    costMs,
    writtenBytes,
    baselineBytes: isNew || found.roomy ? usedBytes : Math.min(before.baselineBytes, usedBytes),
  };
  if (limitBytes === undefined) return { state };
  if (found.tooDeep) return { state, over: 'directories of its data lie so deep in each other that what they take cannot be seen' };
  if (usedBytes <= limitBytes) return { state };
  const takes = `its data takes ${formatSize(usedBytes)} of ${formatSize(limitBytes)}`;
  // Started with too much: by a person who has made too little room, at boot, or under a policy that gives less now.
  if (isNew && (before === undefined || before.usedBytes > limitBytes)) {
    const grace = { bytes: Math.min(before?.grace?.bytes ?? Infinity, usedBytes + slackBytes), until: at + graceMs };
    if (usedBytes > grace.bytes) return { state: { ...state, grace }, over: takes };
    return { state: { ...state, grace }, news: `${takes}; it has ${formatDuration(graceMs)} to make room, and must not grow` };
  }
  const grace = before?.grace;
  if (grace === undefined) return { state: { ...state, grace: { bytes: usedBytes + slackBytes, until: at } }, over: takes };
  if (usedBytes > grace.bytes || at > grace.until) return { state: { ...state, grace }, over: takes };
  return { state: { ...state, grace } };
}

/**
 * The app that is stopped when the file system has hardly any room left: the one whose data has grown most since there
 * was enough; undefined if none has grown by much, so that something else takes the room.
 */
export function greediest(states: ReadonlyMap<string, DataState>): { readonly app: string; readonly grownBytes: number } | undefined {
  const [most] = [...states].map(([app, { usedBytes, baselineBytes }]) => ({ app, grownBytes: usedBytes - baselineBytes })).toSorted((a, b) => b.grownBytes - a.grownBytes);
  return most !== undefined && most.grownBytes >= leastGrowthBytes ? most : undefined;
}

/** What was written between two looks, at least: inodes count as what a file counts for. */
export function writtenBetween(before: FileSystemRoom, after: FileSystemRoom, bytesPerInode: number): number {
  const inodes = before.freeInodes === Infinity ? 0 : Math.max(before.freeInodes - after.freeInodes, 0);
  return Math.max(before.freeBytes - after.freeBytes, 0) + inodes * bytesPerInode;
}

/** Room on a file system (statfs(2)); inodes are Infinity where there is no end of them. */
export interface FileSystemRoom {
  readonly freeBytes: number;
  readonly freeInodes: number;
  readonly totalBytes: number;
  readonly totalInodes: number;
}

/** Room that no app may take. */
export interface Reserve {
  readonly bytes: number;
  readonly inodes: number;
}

/** Where the operator says nothing: a sixteenth, at most 16 MiB and 256 inodes. */
export function defaultReserve({ totalBytes, totalInodes }: FileSystemRoom): Reserve {
  return { bytes: Math.min(totalBytes / 16, 16 * 1024 ** 2), inodes: totalInodes === Infinity ? 0 : Math.min(totalInodes / 16, 256) };
}

export function isShort({ freeBytes, freeInodes }: FileSystemRoom, reserve: Reserve): boolean {
  return freeBytes < reserve.bytes || freeInodes < reserve.inodes;
}

/** Twice the reserve: from here on, growth is normal. */
export function isRoomy({ freeBytes, freeInodes }: FileSystemRoom, reserve: Reserve): boolean {
  return freeBytes >= 2 * reserve.bytes && freeInodes >= 2 * reserve.inodes;
}
