import { BerthError } from '../lib/errors.ts';
import type { UpdateRow } from '../store/index.ts';
import { readDetails, statusOf, type UpdateRecord } from './record.ts';
import type { TrialWatch } from './trial-watch.ts';
import type { AppUpdate, UpdatedApp, UpdateStatus } from './types.ts';
import type { UpdateRun } from './update-run.ts';

/** An update under way. */
export interface Live {
  readonly run: UpdateRun;
  /** Settles when it is over, however it ends. */
  readonly over: Promise<unknown>;
  /** Set from the switch on, if it is tried. */
  watch?: TrialWatch;
  /** Monotonic milliseconds; set while it is ready to switch and may be put off. */
  readySince?: number | undefined;
}

/** The updates under way, by their apps. */
export class Roster {
  readonly #live = new Map<number, Live>();

  add(live: Live): void {
    this.#live.set(live.run.id, live);
  }

  delete(id: number): void {
    this.#live.delete(id);
  }

  has(id: number): boolean {
    return this.#live.has(id);
  }

  /** One that is under way for sure. */
  get(id: number): Live {
    return this.#live.get(id)!;
  }

  all(): readonly Live[] {
    return [...this.#live.values()];
  }

  /** The update that an app is part of: one that is tried before one that waits. */
  of(app: string): Live | undefined {
    return this.#tried(app) ?? this.all().find(({ run }) => run.record.apps.some((member) => member.app === app));
  }

  /** @throws BerthError `conflict` if the app is not tried */
  trialOf(app: string): { readonly run: UpdateRun; readonly watch: TrialWatch } {
    const live = this.#tried(app);
    if (live?.watch === undefined) throw new BerthError('conflict', `${app} is not being tried: no update of it waits for a confirmation`);
    return { run: live.run, watch: live.watch };
  }

  /** Trials of other images of its apps end, since this update is there. One that is sent again and again ends none of its own. */
  supersede({ id, record }: Pick<UpdateRun, 'id' | 'record'>): void {
    for (const { run, watch } of this.all()) {
      if (run.id !== id && haveOtherImages(run.record.apps, record.apps)) watch?.fail(`superseded by update ${id}`);
    }
  }

  /** The first newer update with other images of its apps that waits for its turn. */
  successor({ id, record }: Pick<UpdateRun, 'id' | 'record'>): number | undefined {
    return this.all().find(({ run }) => run.id > id && run.record.phase === 'queued' && haveOtherImages(run.record.apps, record.apps))?.run.id;
  }

  /** What an app may know of its own update. */
  appUpdate(app: string): AppUpdate {
    const watch = this.#tried(app)?.watch;
    const ready = this.all().find(({ readySince, run }) => readySince !== undefined && run.record.apps.some((member) => member.app === app));
    const pending = ready?.run.record.apps.find((member) => member.app === app)?.to.version;
    return { trial: watch !== undefined, leftMs: watch?.leftMs ?? 0, pending: pending ?? '' };
  }

  status(row: UpdateRow): UpdateStatus {
    const live = this.#live.get(row.id);
    if (live === undefined || row.state === 'over') return statusOf(row, readDetails(row.details));
    const { run: { record }, watch } = live;
    const trials = new Map<string, UpdatedApp['trial']>();
    for (const [app, waitingFor] of watch?.waiting() ?? []) trials.set(app, { passed: waitingFor.length === 0, waitingFor });
    return statusOf(row, record.details, {
      trials,
      ...(record.waitingFor === undefined ? {} : { waitingFor: record.waitingFor }),
      ...(watch === undefined ? {} : { leftMs: watch.leftMs }),
    });
  }

  #tried(app: string): Live | undefined {
    return this.all().find(({ watch }) => watch?.waiting().has(app));
  }
}

/** True if both are about one app, with different images. */
function haveOtherImages(some: UpdateRecord['apps'], others: UpdateRecord['apps']): boolean {
  return some.some(({ app, to }) => others.some((other) => other.app === app && other.to.digest !== to.digest));
}
