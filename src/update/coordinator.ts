import type { Readable } from 'node:stream';
import { unpackPayloadInChild } from '../image/index.ts';
import { asBerthError, BerthError } from '../lib/errors.ts';
import { Signal } from '../lib/emitter.ts';
import { storageOf } from '../store/index.ts';
import { candidateOf, judge, type Candidate } from './candidate.ts';
import { delayOf, type Deferral } from './deferral.ts';
import { requireNobodyNeeds } from './dependents.ts';
import { requireCopiesWithin } from './plan.ts';
import { Queue } from './queue.ts';
import { noDetails, readDetails, statusOf, UpdateRecord, type Details } from './record.ts';
import { hasSwitched, type Continued } from './recovery.ts';
import { freeRoom, requireRoom } from './space.ts';
import { storedCandidate, surveyDevice, surveyPlan } from './surveyor.ts';
import type { UpdatesOptions } from './tools.ts';
import type { TrialWatch } from './trial-watch.ts';
import type { AppStorage, AppUpdate, InstallOptions, InstallReport, UpdatedApp, UpdateOptions, UpdatePlan, UpdateProgress, UpdateReport, Updates, UpdateStatus } from './types.ts';
import { endAll, UpdateRun } from './update-run.ts';

/** What `berthd` itself uses besides the façade. */
export interface UpdateCoordinator extends Updates {
  /** Goes on with what an earlier daemon left. Before the supervisor boots, so that it starts nothing that is to go. */
  continue(left: readonly Continued[]): void;
  /** Lets go of what is under way: a trial goes on with the next daemon, the rest is undone by it. */
  close(): Promise<void>;
}

/** The coordinator: every change of what is installed goes through it. */
export function openUpdates(options: UpdatesOptions): UpdateCoordinator {
  return new Coordinator(options);
}

/** An update under way. */
interface Live {
  readonly run: UpdateRun;
  /** Settles when it is over, however it ends. */
  readonly over: Promise<unknown>;
  watch?: TrialWatch;
  /** Monotonic milliseconds; set while it is ready and may be put off. */
  readySince?: number | undefined;
}

/** Where candidates come from. */
type Acquire = (run: UpdateRun, signal: AbortSignal) => Promise<{ readonly candidates: readonly Candidate[] } & AsyncDisposable>;

interface Choice extends Omit<InstallOptions, 'signal'> {
  /** A person goes back to an image that ran here: floors neither count nor change, nothing is tried. */
  readonly wayBack?: boolean;
}

class Coordinator implements UpdateCoordinator {
  readonly #options: UpdatesOptions;
  /** One payload after the other, since each needs memory and room. */
  readonly #payloads = new Queue();
  /** One update after the other, from what it puts on disk to its end. */
  readonly #turns = new Queue();
  /** One change of what is installed after the other; short, so that a removal does not wait for a trial. */
  readonly #changes = new Queue();
  readonly #live = new Map<number, Live>();
  readonly #deferrals = new Map<string, Deferral>();
  /** Something changed that a waiting update may wait for. */
  readonly #stirred = new Signal<undefined>();
  readonly #appUpdates = new Signal<string>();
  readonly #closing = new AbortController();

  constructor(options: UpdatesOptions) {
    this.#options = options;
  }

  async install(payload: Readable, options: InstallOptions): Promise<UpdateReport> {
    // It may break off while it waits for its turn, or after it was refused, when nobody else listens.
    payload.on('error', () => undefined);
    return this.#begin(options, async (run, signal) => this.#payloads.run(async () => this.#receive(payload, run, options, signal)));
  }

  async plan(payload: Readable, options: UpdateOptions): Promise<UpdatePlan> {
    payload.on('error', () => undefined);
    const { unpackWorker, limits, ready } = this.#options;
    const { packages } = await this.#payloads.run(async () => unpackPayloadInChild(payload, undefined, { worker: unpackWorker, limits }));
    await ready;
    return this.#judge(this.#candidates(packages), options);
  }

  async remove(app: string, options: { readonly purge: boolean }): Promise<void> {
    return this.#changes.run(async () => this.#remove(app, options));
  }

  list(): readonly UpdateStatus[] {
    return this.#options.store.book.list().map((row) => this.#status(row));
  }

  show(id: number): UpdateStatus {
    const row = this.#options.store.book.get(id);
    if (row === undefined) throw new BerthError('not_found', `there is no update ${id}; \`berth updates\` shows those that are known`);
    return this.#status(row);
  }

  confirm(app: string, by: 'app' | 'operator'): UpdateStatus {
    const { live, watch } = this.#trialOf(app);
    watch.confirm(app, by);
    return this.show(live.run.id);
  }

  fail(app: string, reason: string): void {
    this.#trialOf(app).watch.fail(`${app} says that it does not run well: ${reason}`);
  }

  async rollback(app: string): Promise<UpdateStatus> {
    const { store, lifecycle } = this.#options;
    lifecycle.show(app);
    const live = this.#liveOf(app);
    if (live?.watch !== undefined) {
      live.watch.fail('rolled back by hand');
      await live.over;
      return this.show(live.run.id);
    }
    if (live !== undefined) throw new BerthError('busy', `update ${live.run.id} of ${app} is ${live.run.record.phase}; try again when it is over`);
    const [previous] = store.book.previous(app);
    if (previous === undefined) throw new BerthError('conflict', `no image of ${app} is kept to go back to`);
    const candidates = [storedCandidate(this.#options, store.app(app)!, previous)];
    const choice: Choice = { source: 'operator', origin: 'rollback', start: false, now: true, wayBack: true };
    const { update } = await this.#begin(choice, async () => ({ candidates, [Symbol.asyncDispose]: async () => Promise.resolve() }));
    return this.show(update);
  }

  defer(app: string, seconds: number): number {
    const { store, clock, rules, settings } = this.#options;
    const row = store.app(app);
    if (row === undefined) throw new BerthError('not_found', `no app is named "${app}"`);
    const mostMs = Math.min(settings(row).deferMs, rules.deferMaxMs);
    if (mostMs === 0) throw new BerthError('denied', `the image of ${app} does not declare that it may put updates off (annotation org.berth.defer)`);
    const now = clock.monotonic();
    const readySince = this.#liveOf(app)?.readySince ?? now;
    const grantedMs = Math.max(Math.min(seconds * 1000, readySince + mostMs - now), 0);
    this.#deferrals.set(app, { app, until: now + grantedMs, mostMs });
    this.#stirred.emit(undefined);
    return Math.floor(grantedMs / 1000);
  }

  appUpdate(app: string): AppUpdate {
    this.#options.lifecycle.show(app);
    const live = this.#liveOf(app);
    const isTried = live?.watch?.waiting().has(app) ?? false;
    const pending = live?.readySince === undefined ? undefined : live.run.record.apps.find((member) => member.app === app)?.to.version;
    return { trial: isTried, leftMs: isTried ? live!.watch!.leftMs : 0, pending: pending ?? '' };
  }

  onAppUpdate(listener: (app: string) => void): () => void {
    return this.#appUpdates.on(listener);
  }

  async storage(): Promise<readonly AppStorage[]> {
    const { store, logDirectory } = this.#options;
    const figures: AppStorage[] = [];
    for (const { name, image } of store.apps()) figures.push(await storageOf(store, { name, image, previous: store.book.previous(name) }, logDirectory));
    return figures;
  }

  continue(left: readonly Continued[]): void {
    const { store } = this.#options;
    for (const one of left) {
      if ('stopped' in one) {
        this.#options.lifecycle.hold(one.stopped);
        void this.#changes.run(async () => this.#startAgain(one.stopped));
        continue;
      }
      const { id, leftover } = one;
      const run = this.#open(id, readDetails(store.book.get(id)!.details));
      const watch = leftover.kind === 'resume' ? run.watch(leftover.deadline) : undefined;
      if (leftover.kind === 'roll-back') this.#options.lifecycle.hold(store.book.members(id).map(({ app }) => app));
      const goOn = async (): Promise<void> => {
        await this.#options.ready;
        if (watch === undefined) await this.#changes.run(async () => run.rollBack(leftover.kind === 'roll-back' ? leftover.reason : ''));
        else await this.#prove(run, watch);
      };
      const over = this.#untilOver(id, this.#turns.run(goOn));
      this.#live.set(id, { run, over, ...(watch === undefined ? {} : { watch }) });
      void over.catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#stirred.emit(undefined);
    for (const { watch } of this.#live.values()) watch?.leave();
    await Promise.allSettled([...this.#live.values()].map(async ({ over }) => over));
    // An update that is over may still have something to collect.
    await this.#changes.run(async () => Promise.resolve());
  }

  /** Some of them may have ended, some may be about to, some may not have heard of it: all end and start again. */
  async #startAgain(names: readonly string[]): Promise<void> {
    const { ready, lifecycle, store } = this.#options;
    await ready;
    try {
      await lifecycle.halt(names);
      for (const name of names) {
        store.updateApp(name, { lastExit: null });
        lifecycle.admit(name);
      }
    } catch (error) {
      if (!this.#closing.signal.aborted) lifecycle.announce({ type: 'app.warning', message: `${names.join(', ')} cannot be started again after the undone update: ${asBerthError(error).message}` });
    }
    await lifecycle.release(names);
  }

  /** Begins an update; resolves when it is committed, or with `wait: false` when it is sure that it can be tried. */
  async #begin(choice: Choice & Pick<InstallOptions, 'signal'>, acquire: Acquire): Promise<UpdateReport> {
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
    this.#live.set(id, { run, over });
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
    const apps = (): readonly string[] => this.#live.get(id)?.run.record.apps.map(({ app }) => app) ?? [];
    try {
      return await work;
    } finally {
      const touched = apps();
      this.#live.delete(id);
      await this.#changes.run(async () => this.#collect(id));
      this.#stirred.emit(undefined);
      for (const app of touched) this.#appUpdates.emit(app);
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
      const plan = await this.#judge(candidates, choice, { stored: true });
      run.record.concerns(plan.apps.map(({ app, from, to }) => ({ app, ...(from === undefined ? {} : { from }), to })));
      const names = plan.apps.map(({ app }) => app);
      checked();
      await this.#permitted(run, names, choice, signal);
      this.#supersede(run.id, names);
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
    const plan = await this.#judge(candidates, choice, { stored: true });
    const names = plan.apps.map(({ app }) => app);
    run.enter('storing');
    const members = await this.#changes.run(async () => run.store(plan, candidates, { allowDowngrade: choice.allowDowngrade ?? false, keepFloors: choice.wayBack ?? false }));
    if (plan.apps.some(({ snapshot }) => snapshot === 'copy')) run.enter('copying');
    const copies = await run.copy(members, plan, signal);
    let watch: TrialWatch | undefined;
    try {
      await this.#permitted(run, names, choice, signal);
      this.#live.get(run.id)!.readySince = undefined;
      const byName = new Map(candidates.map((candidate) => [candidate.image.package, candidate]));
      watch = await this.#changes.run(async () => run.switchOver(members, plan, byName, copies));
    } finally {
      await endAll(copies);
    }
    if (watch === undefined) run.tellCommitted();
    else await this.#prove(run, watch);
    return { update: run.id, outcome: 'committed', installed: candidates.map((candidate) => this.#report(candidate, plan)) };
  }

  /** From the switch to the commit, or all the way back. */
  async #prove(run: UpdateRun, watch: TrialWatch): Promise<void> {
    const live = this.#live.get(run.id)!;
    live.watch = watch;
    run.enter('trial');
    for (const { app } of run.record.apps) this.#appUpdates.emit(app);
    watch.begin();
    const failure = await watch.verdict.then(() => undefined, asBerthError);
    if (failure === undefined) {
      await this.#changes.run(async () => run.commit());
    } else {
      if (this.#closing.signal.aborted) throw failure;
      await this.#changes.run(async () => run.rollBack(failure.message));
      throw new BerthError('rolled_back', `${failure.message}. The versions before are back; \`berth updates ${run.id}\` tells more`, { detail: { update: run.id, reason: failure.message } });
    }
  }

  async #receive(payload: Readable, run: UpdateRun, { payloadBytes }: InstallOptions, signal: AbortSignal): Promise<{ readonly candidates: readonly Candidate[] } & AsyncDisposable> {
    const { store, unpackWorker, limits } = this.#options;
    run.enter('receiving');
    // What is packed is no smaller unpacked, but for what is there already.
    if (payloadBytes !== undefined) requireRoom({ bytes: payloadBytes, inodes: 0 }, await freeRoom(store.root), 'for this payload');
    const staging = await store.stage();
    try {
      const { packages } = await unpackPayloadInChild(payload, staging.path, {
        worker: unpackWorker,
        limits,
        signal,
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

  #candidates(packages: Awaited<ReturnType<typeof unpackPayloadInChild>>['packages']): readonly Candidate[] {
    const { architectures, clock } = this.#options;
    return packages.map((item) => candidateOf(item, architectures, clock.now()));
  }

  /** @param stored the images are on disk already, in staging */
  async #judge(candidates: readonly Candidate[], choice: Choice, { stored = false }: { readonly stored?: boolean } = {}): Promise<UpdatePlan> {
    const device = await surveyDevice(this.#options, candidates);
    judge(candidates, device, { allowDowngrade: (choice.allowDowngrade ?? false) || (choice.wayBack ?? false) });
    const plan = await surveyPlan(this.#options, device, candidates, choice);
    requireCopiesWithin(plan, this.#options.rules);
    if (stored) {
      const copies = plan.apps.filter(({ snapshot }) => snapshot === 'copy');
      const needs = { bytes: copies.reduce((sum, app) => sum + app.dataBytes, 0), inodes: copies.reduce((sum, app) => sum + app.dataInodes, 0) };
      if (copies.length > 0) requireRoom(needs, plan.free, 'to copy the data before the update (--no-snapshot updates without a copy)');
    }
    return plan;
  }

  /** Waits for windows, and for apps that have put it off. */
  async #permitted(run: UpdateRun, names: readonly string[], { now = false }: Choice, signal: AbortSignal): Promise<void> {
    requireGoOn(signal);
    if (now) return;
    const { clock, rules } = this.#options;
    const live = this.#live.get(run.id)!;
    live.readySince ??= clock.monotonic();
    for (;;) {
      requireGoOn(signal);
      const delay = delayOf(names, { deferrals: [...this.#deferrals.values()], windows: rules.windows }, { readySince: live.readySince, now: clock.monotonic(), wall: new Date(clock.now()) });
      if (delay === undefined) return;
      run.enter('waiting');
      if (run.record.waitingFor !== delay.why) {
        run.record.waitingFor = delay.why;
        this.#options.lifecycle.announce({ type: 'update.waiting', message: `update ${run.id} waits: ${delay.why}`, detail: { update: run.id } });
        for (const app of names) this.#appUpdates.emit(app);
      }
      await this.#stirOr(delay.ms, signal);
    }
  }

  /** Until the time is over (looked at anew each minute, as the wall clock may jump), something stirs or the signal aborts. */
  async #stirOr(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => {
      resolve();
    };
    const cancel = this.#options.clock.after(Math.min(ms, 60_000), wake);
    const stopListening = this.#stirred.on(wake);
    signal.addEventListener('abort', wake, { once: true });
    await promise;
    signal.removeEventListener('abort', wake);
    cancel();
    stopListening();
  }

  /** A newer payload for the same apps ends a trial. */
  #supersede(id: number, names: readonly string[]): void {
    for (const live of this.#live.values()) {
      if (live.run.record.apps.some(({ app }) => names.includes(app))) live.watch?.fail(`superseded by update ${id}`);
    }
  }

  /** Updates that failed when the disk took no record of it. */
  #endForgotten(): void {
    const { book } = this.#options.store;
    for (const row of book.underWay()) {
      if (hasSwitched(row) || this.#live.has(row.id)) continue;
      book.end(row.id, { outcome: 'failed', endedAt: this.#options.clock.now(), details: row.details, code: 'io', reason: 'it failed before the switch, and the disk took no record of why' });
    }
  }

  #failed(run: UpdateRun, error: BerthError): void {
    const row = this.#options.store.book.get(run.id);
    // Over already, or the next daemon sees to it.
    if (row === undefined || hasSwitched(row) || this.#closing.signal.aborted) return;
    run.fail(error.code === 'cancelled' ? 'cancelled' : 'failed', error);
  }

  async #remove(app: string, { purge }: { readonly purge: boolean }): Promise<void> {
    const { store, lifecycle, forget } = this.#options;
    if (purge && store.app(app) === undefined && store.dropKeptData(app)) {
      await this.#collect();
      lifecycle.announce({ type: 'app.removed', app, message: `the data that ${app} had left was deleted` });
      return;
    }
    const { version } = lifecycle.show(app);
    if (this.#isMember(app)) throw new BerthError('conflict', `${app} is being updated; \`berth updates\` shows how far it is`);
    const device = await surveyDevice(this.#options, []);
    requireNobodyNeeds(app, device.platform, device.apps);
    await lifecycle.stop(app);
    store.commitRemove(app, { purge });
    lifecycle.withdraw(app);
    await forget(app);
    this.#deferrals.delete(app);
    await this.#collect();
    lifecycle.announce({ type: 'app.removed', app, message: `${app} ${version} was removed${purge ? ' with its data' : ''}` });
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

  #isMember(app: string): boolean {
    const { book } = this.#options.store;
    return book.underWay().some(({ id }) => book.members(id).some((member) => member.app === app));
  }

  #liveOf(app: string): Live | undefined {
    return [...this.#live.values()].find((live) => live.run.record.apps.some((member) => member.app === app));
  }

  #trialOf(app: string): { readonly live: Live; readonly watch: TrialWatch } {
    this.#options.lifecycle.show(app);
    const live = [...this.#live.values()].find(({ watch }) => watch?.waiting().has(app));
    if (live?.watch === undefined) throw new BerthError('conflict', `${app} is not being tried: no update of it waits for a confirmation`);
    return { live, watch: live.watch };
  }

  #status(row: Parameters<typeof statusOf>[0]): UpdateStatus {
    const live = this.#live.get(row.id);
    if (live === undefined || row.state === 'over') return statusOf(row, readDetails(row.details));
    const { record } = live.run;
    const trials = new Map<string, UpdatedApp['trial']>();
    for (const [app, waitingFor] of live.watch?.waiting() ?? []) trials.set(app, { passed: waitingFor.length === 0, waitingFor });
    return statusOf(row, record.details, {
      trials,
      ...(record.waitingFor === undefined ? {} : { waitingFor: record.waitingFor }),
      ...(live.watch === undefined ? {} : { leftMs: live.watch.leftMs }),
    });
  }

  #report({ image, warnings, withheld }: Candidate, plan: UpdatePlan): InstallReport {
    const { from } = plan.apps.find(({ app }) => app === image.package)!;
    return {
      app: image.package,
      version: image.version,
      digest: image.digest,
      ...(from === undefined ? {} : { replaced: from }),
      signed: image.signed,
      entries: image.entries,
      bytes: image.bytes,
      warnings,
      withheld,
      status: this.#options.lifecycle.show(image.package),
    };
  }
}

/** @throws BerthError if the signal has aborted */
function requireGoOn(signal: AbortSignal, code: 'cancelled' | 'unavailable' = 'cancelled'): void {
  if (signal.aborted) throw new BerthError(code, code === 'cancelled' ? 'the update was cancelled' : 'berthd is ending', { cause: signal.reason });
}
