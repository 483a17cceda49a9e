import { compareVersions } from '../image/index.ts';
import type { Digest } from '../lib/digest.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { Brought } from '../store/index.ts';
import type { UpdateSource, UpdateStatus } from './types.ts';

/** A package that a folder holds. */
export interface Offer {
  readonly app: string;
  readonly version: string;
  readonly digest: Digest;
}

/** What the device knows of the app of an offer. */
export interface Known extends Brought {
  /** The version that is installed. */
  readonly installed?: string;
  /** An update with this very image is under way. */
  readonly underWay?: boolean;
}

/**
 * What is to be done with an offer. Of all but `apply` nothing is:
 * - `current`, `older`: the installed version is the same, or newer.
 * - `had`: the device had it or a newer one from there, and a person removed it or went back.
 * - `refused`: it was refused, or rolled back.
 * - `under-way`: an update from before goes on with it.
 */
export type Verdict = 'apply' | 'current' | 'older' | 'had' | 'refused' | 'under-way';

/** Judges one offer. */
export function judgeOffer({ version, digest }: Offer, { installed, had, refused, underWay = false }: Known): Verdict {
  if (underWay) return 'under-way';
  const order = installed === undefined ? 1 : compareVersions(version, installed);
  if (order <= 0) return order === 0 ? 'current' : 'older';
  if (had !== undefined && compareVersions(version, had) <= 0) return 'had';
  return refused === digest ? 'refused' : 'apply';
}

/** The device has or had what was offered, wherever it came from: it need not come a second time. */
export function isOnDevice(verdict: Verdict): boolean {
  return verdict === 'current' || verdict === 'older';
}

/** Why an archive, which is applied wholly or not at all, is left alone. */
export const hindrances: Readonly<Record<Exclude<Verdict, 'apply' | 'current'>, string>> = {
  'older': 'is older than the installed one',
  'had': 'was removed, or another version was preferred, by a person',
  'refused': 'was refused or rolled back before',
  'under-way': 'is being updated',
};

/** Of several offers of one app only the newest counts; of those of one version the first. */
export function newestOnly<T extends Offer>(offers: readonly T[]): readonly T[] {
  const newest = new Map<string, T>();
  for (const offer of offers) {
    const other = newest.get(offer.app);
    if (other === undefined || compareVersions(offer.version, other.version) > 0) newest.set(offer.app, offer);
  }
  return [...newest.values()];
}

/**
 * Faults that are not of the package but of the moment: it is tried again at the next start. What it depends on may be
 * there then.
 */
const passing: ReadonlySet<ErrorCode> = new Set(['no_space', 'cancelled', 'unavailable', 'io', 'timeout', 'busy', 'conflict', 'runtime', 'internal', 'dependency']);

export function isPassing(code: ErrorCode): boolean {
  return passing.has(code);
}

/**
 * How the last update of this source with this image ended, as far as its folder is concerned. For what a daemon that
 * was cut short could not note: it is over (or goes on) all the same. Undefined: there was none, or it is to be tried again.
 * @param history newest first
 */
export function lastAttempt(history: readonly UpdateStatus[], source: UpdateSource, digest: Digest): 'under-way' | 'had' | 'refused' | undefined {
  const last = history.find((update) => update.source === source && update.apps.some(({ to }) => to.digest === digest));
  if (last === undefined) return undefined;
  switch (last.outcome) {
    case undefined:
      return 'under-way';
    case 'committed':
      return 'had';
    case 'rolled-back':
      return 'refused';
    case 'failed':
      return last.reason === undefined || isPassing(last.reason.code) ? undefined : 'refused';
    case 'undone':
    case 'cancelled':
      return undefined;
  }
}
