import type { Readable } from 'node:stream';
import { unpackPayloadInChild, type PayloadPackage } from '../image/index.ts';
import { asBerthError, BerthError } from '../lib/errors.ts';
import { Signal } from '../lib/emitter.ts';
import { storageOf } from '../store/index.ts';
import { clearLeavings, startAgain } from './aftermath.ts';
import { candidateOf, type Candidate } from './candidate.ts';
import { Gate } from './gate.ts';
import { Queue } from '../lib/queue.ts';
import { noDetails, readDetails, UpdateRecord, type Details } from './record.ts';
import { hasSwitched, type Continued } from './recovery.ts';
import { describeWayBack, enforceRecalls } from './recalled.ts';
import { removeApp } from './removal.ts';
import { Roster } from './roster.ts';
import { freeRoom, requireRoom } from './space.ts';
import { judgeAndPlan, reportOf, storedCandidate, type Choice } from './surveyor.ts';
import type { UpdatesOptions } from './tools.ts';
import type { TrialWatch } from './trial-watch.ts';
import type { AppStorage, AppUpdate, InstallOptions, UpdateOptions, UpdatePlan, UpdateProgress, UpdateReport, Updates, UpdateStatus } from './types.ts';
import { endAll, UpdateRun } from './update-run.ts';

/** What `berthd` itself uses besides the façade. */
export interface UpdateCoordinator extends Updates {
  /** Goes on with what an earlier daemon left. Before the supervisor boots, so that it starts nothing that is to go. */
  continue(left: readonly Continued[]): void;
  /** Ends what runs although it is recalled: a trial is rolled back, what else runs is stopped. Resolves when that is done. */
  enforceRecalls(): Promise<void>;
  /** Lets go of what is under way: a trial goes on with the next daemon, the rest is undone by it. */
  close(): Promise<void>;
}

/** The coordinator: every change of what is installed goes through it. */
export function openUpdates(options: UpdatesOptions): UpdateCoordinator {
  return new Coordinator(options);
}

/** Where candidates come from. */
type Acquire = (run: UpdateRun, signal: AbortSignal) => Promise<{ readonly candidates: readonly Candidate[] } & AsyncDisposable>;

class Coordinator implements UpdateCoordinator {
  readonly #options: UpdatesOptions;
  /** One payload after the other, since each needs memory and room. */
  readonly #payloads = new Queue();
  /** One update after the other, from what it puts on disk to its end. */
  readonly #turns = new Queue();
  /** One change of what is installed after the other; short, so that a removal does not wait for a trial. */
  readonly #changes = new Queue();
  readonly #roster = new Roster();
  readonly #gate: Gate;
  readonly #appUpdates = new Signal<string>();
  readonly #closing = new AbortController();

  constructor(options: UpdatesOptions) {
    this.#options = options;
    this.#gate = new Gate(options);
  }

  async install(payload: Readable, options: InstallOptions): Promise<UpdateReport> {
    // It may break off while it waits for its turn, or after it was refused, when nobody else listens.
    payload.on('error', () => undefined);
    return this.#begin(options, async (run, signal) => {
      if (this.#payloads.busy) run.enter('queued');
      return this.#payloads.run(async () => this.#receive(payload, run, options, signal));
    });
  }

  async plan(payload: Readable, options: UpdateOptions): Promise<UpdatePlan> {
    payload.on('error', () => undefined);
    const { workers, limits, ready, trust } = this.#options;
    const { packages } = await this.#payloads.run(async () => unpackPayloadInChild(payload, undefined, { worker: await workers.unpack(), limits, trust: await trust.policy() }));
    await ready;
    return judgeAndPlan(this.#options, this.#candidates(packages), options, { stored: false });
  }

  async remove(app: string, { purge }: { readonly purge: boolean }): Promise<void> {
    await this.#changes.run(async () => {
      this.#endForgotten();
      await removeApp(app, purge, this.#options, async () => this.#collect());
    });
    this.#gate.forget(app);
  }

  list(): readonly UpdateStatus[] {
    return this.#options.store.book.list().map((row) => this.#roster.status(row));
  }

  show(id: number): UpdateStatus {
    const row = this.#options.store.book.get(id);
    if (row === undefined) throw new BerthError('not_found', `there is no update ${id}; \`berth updates\` shows those that are known`);
    return this.#roster.status(row);
  }

  confirm(app: string, by: 'app' | 'operator'): UpdateStatus {
    this.#options.lifecycle.show(app);
    const { run, watch } = this.#roster.trialOf(app);
    watch.confirm(app, by);
    return this.show(run.id);
  }

  fail(app: string, reason: string): void {
    this.#roster.trialOf(app).watch.fail(`${app} says that it does not run well: ${reason}`);
  }

  async rollback(app: string): Promise<UpdateStatus> {
    const { store, lifecycle, trust } = this.#options;
    lifecycle.show(app);
    const live = this.#roster.of(app);
    if (live?.watch !== undefined) {
      live.watch.fail('rolled back by hand');
      await live.over.catch(() => undefined);
      const status = this.show(live.run.id);
      if (status.outcome !== 'committed') return status;
      // It had just proved itself: then it is this app alone that goes back.
    } else if (live !== undefined) throw new BerthError('busy', `update ${live.run.id} of ${app} is ${live.run.record.phase}; try again when it is over`);
    const kept = store.book.previous(app).map((digest) => storedCandidate(this.#options, digest));
    // If all are recalled, the judgement of the first says so.
    const previous = kept.find(({ image }) => trust.recallOf(image) === undefined) ?? kept[0];
    if (previous === undefined) throw new BerthError('conflict', `no image of ${app} is kept to go back to`);
    const candidates = [previous];
    const { update } = await this.#begin(
      { source: 'operator', origin: 'rollback', start: false, now: true, wayBack: true },
      async () => ({ candidates, [Symbol.asyncDispose]: async () => Promise.resolve() }),
    );
    return this.show(update);
  }

  defer(app: string, seconds: number): number {
    const { store, rules, settings } = this.#options;
    const row = store.app(app);
    if (row === undefined) throw new BerthError('not_found', `no app is named "${app}"`);
    const mostMs = Math.min(settings(row).deferMs, rules.deferMaxMs);
    if (mostMs === 0) throw new BerthError('denied', `the image of ${app} does not declare that it may put updates off (annotation org.berth.defer)`);
    return Math.floor(this.#gate.defer(app, seconds * 1000, { mostMs, readySince: this.#roster.of(app)?.readySince }) / 1000);
  }

  appUpdate(app: string): AppUpdate {
    this.#options.lifecycle.show(app);
    return this.#roster.appUpdate(app);
  }

  onAppUpdate(listener: (app: string) => void): () => void {
    return this.#appUpdates.on(listener);
  }

  async storage(): Promise<readonly AppStorage[]> {
    const { store, lifecycle, logDirectory } = this.#options;
    const figures: AppStorage[] = [];
    for (const { name, image } of store.apps()) {
      const space = await storageOf(store, { name, image, previous: store.book.previous(name) }, logDirectory);
      const dataLimit = lifecycle.list().find((app) => app.name === name)?.data?.limitBytes;
      figures.push({ ...space, ...(dataLimit === undefined ? {} : { dataLimit }) });
    }
    return figures;
  }

  continue(left: readonly Continued[]): void {
    const { store } = this.#options;
    void this.#changes.run(async () => clearLeavings(this.#options));
    for (const one of left) {
      if ('stopped' in one) {
        this.#options.lifecycle.hold(one.stopped);
        void this.#changes.run(async () => {
          await startAgain(one.id, one.stopped, this.#options, this.#closing.signal);
          // Even if berthd ends by now: whoever sees that the update is over finds nothing of it.
          await this.#collect(one.id);
        });
        continue;
      }
      const { id, leftover } = one;
      const run = this.#open(id, readDetails(store.book.get(id)!.details));
      const watch = leftover.kind === 'resume' ? run.watch(leftover.deadline) : undefined;
      if (leftover.kind === 'roll-back') {
        this.#options.lifecycle.hold(store.book.members(id).map(({ app }) => app));
        run.condemn(leftover.reason);
      }
      const goOn = async (): Promise<void> => {
        await this.#options.ready;
        if (leftover.kind === 'roll-back') await this.#changes.run(async () => run.rollBack(leftover.reason));
        else await this.#prove(run, watch!);
      };
      const over = this.#untilOver(id, this.#turns.run(goOn));
      this.#roster.add({ run, over, ...(watch === undefined ? {} : { watch }) });
      void over.catch(() => undefined);
    }
  }

  async enforceRecalls(): Promise<void> {
    await this.#options.ready;
    await this.#changes.run(async () => enforceRecalls(this.#options, (app) => this.#roster.of(app)?.watch));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const { watch } of this.#roster.all()) watch?.leave();
    await Promise.allSettled(this.#roster.all().map(async ({ over }) => over));
    // An update that is over may still have something to collect.
    await this.#changes.run(async () => Promise.resolve());
  }

  /** Begins an update; resolves when it is committed, or with `wait: false` when it is sure that it can be tried. */
  async #begin(choice: Choice & Pick<InstallOptions, 'signal' | 'wait' | 'onProgress'>, acquire: Acquire): Promise<UpdateReport> {
    const { store, clock } = this.#options;
    requireGoOn(this.#closing.signal, 'unavailable');
    const wait = choice.wait ?? true;
    // Whoever does not wait may go away once it is under way.
    const cancel = new AbortController();
    const cancelled = (): void => {
      cancel.abort();
    };
    choice.signal?.addEventListener('abort', cancelled, { once: true });
    if (choice.signal?.aborted === true) cancelled();
    const signal = AbortSignal.any([cancel.signal, this.#closing.signal]);
    const id = store.book.begin({ source: choice.source, origin: choice.origin ?? null, startedAt: clock.now(), details: JSON.stringify(noDetails) });
    const run = this.#open(id, noDetails, choice.onProgress);
    const checked = Promise.withResolvers<void>();
    const over = this.#untilOver(id, this.#carryOut(run, choice, acquire, signal, checked.resolve));
    this.#roster.add({ run, over });
    if (wait) return over;
    over.catch(() => undefined);
    await Promise.race([checked.promise, over]);
    choice.signal?.removeEventListener('abort', cancelled);
    return { update: id, outcome: 'under-way', installed: [] };
  }

  #open(id: number, details: Details, tell: (progress: UpdateProgress) => void = () => undefined): UpdateRun {
    return new UpdateRun(new UpdateRecord(id, details, this.#options.clock, tell), this.#options, this.#closing.signal);
  }

  async #untilOver<T>(id: number, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } finally {
      const { apps } = this.#roster.get(id).run.record;
      this.#roster.delete(id);
      await this.#changes.run(async () => this.#collect(id));
      for (const { app } of apps) this.#appUpdates.emit(app);
    }
  }

  /** All of an update, from its payload to its end. */
  async #carryOut(run: UpdateRun, choice: Choice, acquire: Acquire, signal: AbortSignal, checked: () => void): Promise<UpdateReport> {
    const { ready } = this.#options;
    try {
      await using acquired = await acquire(run, signal);
      const { candidates } = acquired;
      await ready;
      requireGoOn(signal);
      // Refused at once where it can be; judged again when its turn has come.
      const plan = await judgeAndPlan(this.#options, candidates, choice, { stored: true });
      run.record.concerns(plan.apps);
      run.keepDetails();
      const names = plan.apps.map(({ app }) => app);
      checked();
      await this.#pass(run, names, { windows: true, ...choice }, signal);
      this.#roster.supersede(run);
      if (this.#turns.busy) run.enter('queued');
      return await this.#turns.run(async () => this.#takeTurn(run, candidates, choice, signal));
    } catch (thrown) {
      const error = asBerthError(thrown);
      this.#failed(run, error);
      throw error;
    }
  }

  async #takeTurn(run: UpdateRun, candidates: readonly Candidate[], choice: Choice, signal: AbortSignal): Promise<UpdateReport> {
    requireGoOn(signal);
    this.#endForgotten();
    const live = this.#roster.get(run.id);
    const next = this.#roster.successor(run);
    if (next !== undefined) throw new BerthError('cancelled', `superseded by update ${next} before its turn came`);
    const plan = await judgeAndPlan(this.#options, candidates, choice, { stored: true });
    const names = plan.apps.map(({ app }) => app);
    run.record.concerns(plan.apps);
    run.enter('storing');
    const members = await this.#changes.run(async () => run.store(plan, candidates, { allowDowngrade: choice.allowDowngrade ?? false, wayBack: choice.wayBack ?? false }));
    if (plan.apps.some(({ snapshot }) => snapshot === 'copy')) run.enter('copying');
    const copies = await run.copy(members, plan, signal);
    let watch: TrialWatch | undefined;
    try {
      // An app may have been granted a while since.
      await this.#pass(run, names, { windows: false, ...choice }, signal);
      live.readySince = undefined;
      const byName = new Map(candidates.map((candidate) => [candidate.image.package, candidate]));
      watch = await this.#changes.run(async () => run.switchOver(members, plan, byName, copies, (begun) => {
        // Known before anything starts, since an app may confirm as its first act.
        live.watch = begun;
        // One that came while apps were being stopped found no trial to end.
        const newer = this.#roster.successor(run);
        if (newer !== undefined) begun.fail(`superseded by update ${newer}`);
      }));
    } finally {
      await endAll(copies);
    }
    if (watch === undefined) run.tellCommitted();
    else await this.#prove(run, watch);
    return { update: run.id, outcome: 'committed', installed: candidates.map((candidate) => reportOf(candidate, plan, this.#options)) };
  }

  /** From the switch to the commit, or all the way back. */
  async #prove(run: UpdateRun, watch: TrialWatch): Promise<void> {
    run.enter('trial');
    for (const { app } of run.record.apps) this.#appUpdates.emit(app);
    watch.begin();
    const failure = await watch.verdict.then(() => undefined, asBerthError);
    if (failure === undefined) {
      await this.#changes.run(async () => run.commit());
    } else {
      // Before anything is waited for: whoever was told that it failed need not say so again.
      if (failure.code === 'rolled_back') run.condemn(failure.message);
      if (this.#closing.signal.aborted) throw failure;
      await this.#changes.run(async () => run.rollBack(failure.message));
      throw new BerthError('rolled_back', `${failure.message}. ${describeWayBack(run.record.apps, this.#options)}; \`berth updates ${run.id}\` tells more`, { detail: { update: run.id, reason: failure.message } });
    }
  }

  async #receive(payload: Readable, run: UpdateRun, { payloadBytes }: InstallOptions, signal: AbortSignal): Promise<{ readonly candidates: readonly Candidate[] } & AsyncDisposable> {
    const { store, workers, limits, trust } = this.#options;
    run.enter('receiving');
    // What is packed is no smaller unpacked, but for what is there already.
    requireRoom({ bytes: payloadBytes ?? 1, inodes: 3 }, await freeRoom(store.root), 'for this payload');
    const staging = await store.stage();
    try {
      const { packages } = await unpackPayloadInChild(payload, staging.path, {
        worker: await workers.unpack(),
        limits,
        trust: await trust.policy(),
        signal,
        admit: ({ name }) => ({ idBase: store.idRange(name) }),
        onProgress: (bytes) => {
          run.record.received(bytes);
        },
      });
      return { candidates: this.#candidates(packages), [Symbol.asyncDispose]: async () => staging[Symbol.asyncDispose]() };
    } catch (error) {
      await staging[Symbol.asyncDispose]();
      throw error;
    }
  }

  #candidates(packages: readonly PayloadPackage[]): readonly Candidate[] {
    const { architectures, rule, clock } = this.#options;
    return packages.map((item) => candidateOf(item, { architectures, rule, now: clock.now() }));
  }

  /** Waits for windows, and for apps that have put it off. */
  async #pass(run: UpdateRun, apps: readonly string[], { now = false, windows }: Choice & { readonly windows: boolean }, signal: AbortSignal): Promise<void> {
    const live = this.#roster.get(run.id);
    live.readySince ??= this.#options.clock.monotonic();
    if (!now) {
      await this.#gate.pass({
        apps,
        since: live.readySince,
        windows,
        signal,
        waiting: (why) => {
          run.waits(why);
          for (const app of apps) this.#appUpdates.emit(app);
        },
      });
    }
    requireGoOn(signal);
  }

  /** Updates that failed when the disk took no record of it. */
  #endForgotten(): void {
    const { book } = this.#options.store;
    for (const row of book.underWay()) {
      if (hasSwitched(row) || this.#roster.has(row.id)) continue;
      book.end(row.id, { outcome: 'failed', endedAt: this.#options.clock.now(), details: row.details, code: 'io', reason: 'it failed before the switch, and the disk took no record of why' });
    }
  }

  #failed(run: UpdateRun, error: BerthError): void {
    const row = this.#options.store.book.get(run.id);
    // Over already, or the next daemon sees to it.
    if (row === undefined || hasSwitched(row) || this.#closing.signal.aborted) return;
    run.fail(error.code === 'cancelled' ? 'cancelled' : 'failed', error);
  }

  /** What is to be deleted and cannot be is tried again at the next change and the next start; the change stands. */
  async #collect(update?: number): Promise<void> {
    try {
      await this.#options.store.collect();
    } catch (error) {
      const message = `what is no longer needed could not be deleted yet: ${asBerthError(error).message}`;
      this.#options.lifecycle.announce({ type: 'app.warning', message, ...(update === undefined ? {} : { detail: { update } }) });
    }
  }
}

/** @throws BerthError if the signal has aborted */
function requireGoOn(signal: AbortSignal, code: 'cancelled' | 'unavailable' = 'cancelled'): void {
  if (signal.aborted) throw new BerthError(code, code === 'cancelled' ? 'the update was cancelled' : 'berthd is ending', { cause: signal.reason });
}
