import type { Digest } from '../lib/digest.ts';
import { measureTree } from '../store/index.ts';
import { describeApp, judge, type Candidate, type Device } from './candidate.ts';
import { planUpdate, requireCopiesWithin, type Present, type Situation } from './plan.ts';
import { freeRoom, requireRoom } from './space.ts';
import type { UpdatesOptions } from './tools.ts';
import type { InstallReport, UpdateOptions, UpdatePlan } from './types.ts';

/** States in which nothing of an app is there or will be by itself. */
const restful: ReadonlySet<string> = new Set(['stopped', 'failed']);

/** What the device is like for the judgement of candidates. */
export async function surveyDevice({ store, architectures, platform, settings, trust }: UpdatesOptions, candidates: readonly Candidate[]): Promise<Device> {
  const apps = store.apps().map((row) => describeApp(store.image(row.image)!, settings(row)));
  const floors = new Map<string, string>();
  for (const { image } of candidates) {
    const floor = store.book.floor(image.package);
    if (floor !== undefined) floors.set(image.package, floor);
  }
  const ownership = await trust.ownership();
  return { architectures, platform: await platform(), apps, floors, ownership, recalls: trust.recallsOf(candidates.map(({ image }) => image)) };
}

/** What whoever begins an update decides about it. */
export interface Choice extends UpdateOptions {
  /** A person goes back to an image that ran here: floors neither count nor change, nothing is tried. */
  readonly wayBack?: boolean;
}

/**
 * Judges candidates, and plans their update.
 * @param stored their images are on disk already, in staging
 * @throws BerthError `bad_package`, `untrusted`, `dependency`, `downgrade`, `too_large`, `no_space`
 */
export async function judgeAndPlan(options: UpdatesOptions, candidates: readonly Candidate[], choice: Choice, { stored }: { readonly stored: boolean }): Promise<UpdatePlan> {
  const device = await surveyDevice(options, candidates);
  const wayBack = choice.wayBack ?? false;
  judge(candidates, device, { allowDowngrade: (choice.allowDowngrade ?? false) || wayBack, allowMix: (choice.allowMix ?? false) || options.trust.rules.allowMix, wayBack });
  const plan = await surveyPlan(options, device, candidates, choice);
  requireCopiesWithin(plan, options.rules);
  const copies = plan.apps.filter(({ snapshot }) => snapshot === 'copy');
  if (stored && copies.length > 0) {
    const needs = { bytes: copies.reduce((sum, app) => sum + app.dataBytes, 0), inodes: copies.reduce((sum, app) => sum + app.dataInodes, 0) };
    requireRoom(needs, plan.free, 'to copy the data before the update (--no-snapshot updates without a copy)');
  }
  return plan;
}

/** Looks at everything that the plan depends on, and makes it. */
async function surveyPlan(options: UpdatesOptions, device: Device, candidates: readonly Candidate[], choice: Choice): Promise<UpdatePlan> {
  const { store, lifecycle, rules } = options;
  const present = new Map<string, Present>();
  const data = new Map<string, Awaited<ReturnType<typeof measureTree>>>();
  for (const { image: { package: name } } of candidates) {
    const row = store.app(name);
    if (row !== undefined) {
      const previous = store.book.previous(name).flatMap((digest) => store.image(digest) ?? []);
      present.set(name, { row, image: store.image(row.image)!, active: !restful.has(lifecycle.show(name).state), previous });
    }
    const generation = row?.dataGeneration ?? store.keptData(name);
    if (generation !== undefined) data.set(name, await measureTree(store.dataPath(name, generation)));
  }
  const situation: Situation = {
    candidates,
    present,
    data,
    images: new Set(store.images().map((image) => image.digest)),
    apps: device.apps,
    free: await freeRoom(store.root),
    rules,
    start: choice.start,
    snapshot: choice.snapshot ?? true,
    wayBack: choice.wayBack ?? false,
  };
  return planUpdate(situation);
}

/** What was installed of a candidate, and how the app is now. */
export function reportOf({ image, warnings, degraded }: Candidate, plan: UpdatePlan, { lifecycle }: UpdatesOptions): InstallReport {
  const { from } = plan.apps.find(({ app }) => app === image.package)!;
  return {
    app: image.package,
    version: image.version,
    digest: image.digest,
    ...(from === undefined ? {} : { replaced: from }),
    signed: image.signed,
    ...(image.authority === undefined ? {} : { authority: image.authority }),
    entries: image.entries,
    bytes: image.bytes,
    warnings,
    degraded,
    status: lifecycle.show(image.package),
  };
}

/** An image that is in the store, as a candidate: for the way back by hand. */
export function storedCandidate({ store, settings }: UpdatesOptions, digest: Digest): Candidate {
  return { image: store.image(digest)!, settings: settings({ image: digest }), degraded: [], warnings: [] };
}
