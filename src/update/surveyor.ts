import type { LaunchSettings } from '../image/index.ts';
import { measureTree, type AppRow } from '../store/index.ts';
import { describeApp, type Candidate, type Device } from './candidate.ts';
import { planUpdate, type Present, type Situation } from './plan.ts';
import { freeRoom } from './space.ts';
import type { UpdatesOptions } from './tools.ts';
import type { UpdateOptions, UpdatePlan } from './types.ts';

/** States in which nothing of an app is there or will be by itself. */
const restful: ReadonlySet<string> = new Set(['stopped', 'failed']);

/** What the device is like for the judgement of candidates. */
export async function surveyDevice({ store, architectures, platform, settings }: UpdatesOptions, candidates: readonly Candidate[]): Promise<Device> {
  const apps = store.apps().map((row) => describeApp(store.image(row.image)!, settings(row)));
  const floors = new Map<string, string>();
  for (const { image } of candidates) {
    const floor = store.book.floor(image.package);
    if (floor !== undefined) floors.set(image.package, floor);
  }
  return { architectures, platform: await platform(), apps, floors };
}

/** Looks at everything that the plan depends on, and makes it. */
export async function surveyPlan(options: UpdatesOptions, device: Device, candidates: readonly Candidate[], choice: UpdateOptions & { readonly wayBack?: boolean }): Promise<UpdatePlan> {
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

/** An image that is in the store, as a candidate: for the way back by hand. */
export function storedCandidate({ store, settings }: UpdatesOptions, row: AppRow, digest: AppRow['image']): Candidate {
  const launch: LaunchSettings = settings({ ...row, image: digest });
  return { image: store.image(digest)!, settings: launch, withheld: [], warnings: [] };
}
