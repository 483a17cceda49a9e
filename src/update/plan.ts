import type { LaunchSettings } from '../image/index.ts';
import type { Digest } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import { startOrder } from '../lifecycle/index.ts';
import type { AppRow, ImageRow, TreeSize } from '../store/index.ts';
import { describeApp, type Candidate } from './candidate.ts';
import type { InstalledApp } from './dependents.ts';
import type { UpdateRules } from './rules.ts';
import type { Room } from './space.ts';
import type { PlannedApp, UpdatePlan } from './types.ts';

/** An app of the payload that is on the device already. */
export interface Present {
  readonly row: AppRow;
  readonly image: ImageRow;
  /** It has an instance, or is about to. */
  readonly active: boolean;
  /** Images kept for a way back, newest first. */
  readonly previous: readonly ImageRow[];
}

/** All that a plan is made from; plain data. */
export interface Situation {
  readonly candidates: readonly Candidate[];
  /** Apps of the payload that are there, by name. */
  readonly present: ReadonlyMap<string, Present>;
  /** Size of the data of each app of the payload: what it has, or had left when it was removed. */
  readonly data: ReadonlyMap<string, TreeSize>;
  /** Digests of images that are on disk already. */
  readonly images: ReadonlySet<Digest>;
  /** All installed apps. */
  readonly apps: readonly InstalledApp[];
  readonly free: Room;
  readonly rules: UpdateRules;
  /** Start apps that are new. */
  readonly start: boolean;
  /** Copy data for the way back. */
  readonly snapshot: boolean;
  /** A person goes back to an image that ran here: it proves nothing and migrates nothing. */
  readonly wayBack: boolean;
}

/** A command that the new version runs on the data needs a way back as much as a trial does. */
interface Fate {
  readonly candidate: Candidate;
  readonly present: Present | undefined;
  readonly start: boolean;
}

/**
 * What an update would do. An update is tried if it replaces at least one app that is to run: where all apps are new
 * there is nothing to go back to, and what does not run proves nothing.
 */
export function planUpdate(situation: Situation): UpdatePlan {
  const { candidates, present, apps, rules } = situation;
  const fates = candidates.map((candidate): Fate => {
    const there = present.get(candidate.image.package);
    return { candidate, present: there, start: there === undefined ? situation.start : there.row.desired === 'running' };
  });
  const tried = !situation.wayBack && fates.some((fate) => fate.present !== undefined && fate.start);
  const planned = fates.map((fate) => planApp(fate, tried, situation));
  const names = new Set(planned.map(({ app }) => app));
  const after = [...apps.filter((app) => !names.has(app.name)), ...candidates.map(({ image, settings }) => describeApp(image, settings))];
  const order = orderOf(after).filter((name) => names.has(name));
  const deadlines = fates.filter((fate) => fate.start).map(({ candidate: { settings } }) => {
    const deadlineMs = Math.min(settings.trialDeadlineMs ?? rules.trialDeadlineMs, rules.trialDeadlineMaxMs);
    const uptimeMs = uptimeOf(settings, rules);
    // It must be possible to stay up that long, also for an app that takes its time to start.
    return Math.max(deadlineMs, uptimeMs + Math.max(uptimeMs / 2, 1000));
  });
  return {
    apps: planned.toSorted((a, b) => order.indexOf(a.app) - order.indexOf(b.app)),
    stops: orderOf(apps).filter((name) => planned.some(({ app, stop }) => app === name && stop)).toReversed(),
    starts: order.filter((name) => planned.some(({ app, start }) => app === name && start)),
    removes: fates.flatMap((fate) => removed(fate, rules.retain)),
    needs: {
      bytes: sum(planned, (app) => app.imageBytes + (app.snapshot === 'copy' ? app.dataBytes : 0)),
      inodes: sum(planned, (app) => app.imageInodes + (app.snapshot === 'copy' ? app.dataInodes : 0)),
    },
    free: situation.free,
    ...(tried ? { deadlineMs: Math.max(...deadlines) } : {}),
  };
}

/**
 * Refuses to copy more data than the operator allows.
 * @throws BerthError `too_large` naming the app
 */
export function requireCopiesWithin(plan: UpdatePlan, { snapshotBytes }: Pick<UpdateRules, 'snapshotBytes'>): void {
  for (const { app, snapshot, dataBytes } of plan.apps) {
    if (snapshot !== 'copy' || dataBytes <= snapshotBytes) continue;
    const message = `the data of ${app} is ${formatSize(dataBytes)}, more than the ${formatSize(snapshotBytes)} that may be copied before an update. --no-snapshot updates it without a copy; if it is rolled back, the old version meets the data as the new one left it`;
    throw new BerthError('too_large', message, { detail: { app, dataBytes, snapshotBytes } });
  }
}

function planApp({ candidate, present, start }: Fate, tried: boolean, { images, rules, snapshot, data: sizes, wayBack }: Situation): PlannedApp {
  const { image, settings } = candidate;
  const isThere = images.has(image.digest);
  const data = sizes.get(image.package) ?? { bytes: 0, entries: 0 };
  // What a removed app has left is as old as what one has that is there.
  const migrates = !wayBack && (present !== undefined || data.entries > 0) && settings.migrate.length > 0;
  const isCopied = (tried || migrates) && data.entries > 0;
  return {
    app: image.package,
    ...(present === undefined ? {} : { from: { version: present.image.version, digest: present.image.digest } }),
    to: { version: image.version, digest: image.digest },
    ...(image.authority === undefined ? {} : { authority: image.authority }),
    imageBytes: isThere ? 0 : image.bytes,
    imageInodes: isThere ? 0 : image.entries,
    stop: present?.active ?? false,
    start,
    snapshot: isCopied ? (snapshot ? 'copy' : 'skipped') : 'none',
    dataBytes: data.bytes,
    dataInodes: data.entries,
    ...(migrates ? { migrate: settings.migrate } : {}),
    ...(tried && start ? { trial: { uptimeMs: uptimeOf(settings, rules), health: settings.health !== undefined, confirm: settings.trialConfirm } } : {}),
  };
}

function uptimeOf(settings: LaunchSettings, rules: UpdateRules): number {
  return settings.trialUptimeMs ?? rules.trialUptimeMs;
}

/** Images that the app does not keep once the update is committed. */
function removed({ candidate, present }: Fate, retain: number): UpdatePlan['removes'] {
  if (present === undefined) return [];
  const { digest } = candidate.image;
  const others = [present.image, ...present.previous].filter((image) => image.digest !== digest);
  return others.slice(retain).map((image) => ({ app: image.package, version: image.version, digest: image.digest, bytes: image.bytes }));
}

function orderOf(apps: readonly InstalledApp[]): readonly string[] {
  return startOrder(apps.map((app) => ({ name: app.name, after: app.startsAfter }))).names;
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
