import type { ErrorCode } from '../../src/lib/errors.ts';
import type { PackageOptions } from '../support/packages.ts';

/**
 * What a device holds: for each app the versions of its images, the current one first, then those kept for the way back.
 * None: the app is gone, and its data is kept.
 */
export type Holding = Readonly<Record<string, readonly string[]>>;

/** Something that is asked of a device, or waited for: apps that come by themselves. Packages are named `<app>_<version>`. */
export type Act =
  | { readonly install: readonly string[]; readonly start?: boolean; readonly refused?: ErrorCode }
  | { readonly remove: string; readonly purge: boolean }
  | { readonly come: readonly string[] };

/** An act, acknowledged when it is over, and what it leads to. */
export interface Step {
  readonly act: Act;
  readonly after: Holding;
  /** What the device may hold besides as long as the step is not over: versions that are tried, and will not stay. */
  readonly during?: Holding;
}

/** What an app's data directory holds, by path, if it belongs to a version. */
export interface Data {
  readonly has: Readonly<Record<string, string>>;
  readonly lacks: readonly string[];
}

/** Something that a device does while its disk is recorded, and what the disk may hold after a cut at any moment. */
export interface Operation {
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly packages: readonly PackageOptions[];
  /** Lines of the daemon's configuration. */
  readonly config: string;
  /** The packages lie in the device's factory folder. */
  readonly factory?: boolean;
  /** Done before the recording; the last of them says what the device holds then. */
  readonly before: readonly Step[];
  readonly steps: readonly Step[];
  /** Files and directories of nobody that lie in the store before the recording, by path; a directory ends in `/`. */
  readonly garbage?: readonly string[];
  /** What is in the data directories of apps that have one. */
  readonly data?: (version: string) => Data;
}

/** What a disk may hold when so many steps were acknowledged before the cut. */
export interface Expected {
  /** Once no update is under way any more. */
  readonly settled: readonly Holding[];
  /** Until then. */
  readonly underWay: readonly Holding[];
}

/** What was acknowledged is there; the step under way has happened wholly or not at all. */
export function expected({ before, steps }: Pick<Operation, 'before' | 'steps'>, acknowledged: number): Expected {
  const reached = [before.at(-1)?.after ?? {}, ...steps.map(({ after }) => after)][acknowledged];
  if (reached === undefined) throw new Error(`${acknowledged} steps were acknowledged, and there are ${steps.length}`);
  const next = steps[acknowledged];
  const settled = next === undefined ? [reached] : [reached, next.after];
  return { settled, underWay: next?.during === undefined ? settled : [...settled, next.during] };
}

/** In one way only, so that equal holdings are equal texts. */
export function describe(holding: Holding): string {
  const apps = Object.entries(holding).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return apps.map(([app, [current, ...kept]]) => `${app} ${current ?? 'data'}${kept.length > 0 ? ` (${kept.join(', ')})` : ''}`).join('; ') || 'nothing';
}
