import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { verifyImage } from '../image/index.ts';
import { removeTree, syncFileSystem } from '../lib/durable.ts';
import { asBerthError, BerthError } from '../lib/errors.ts';
import { formatDuration } from '../lib/units.ts';
import type { BerthEvent } from '../lifecycle/index.ts';
import { openCopy, type AppRow, type DataCopy, type MemberRow, type UpdateEnd } from '../store/index.ts';
import type { Candidate } from './candidate.ts';
import { makeDataDirectories, makeGeneration } from './data.ts';
import { newDeadline, type Deadline } from './deadline.ts';
import { floorAfter } from './floors.ts';
import type { UpdateRecord } from './record.ts';
import { clear } from './removal.ts';
import type { UpdatesOptions } from './tools.ts';
import { readTrial, writeTrial, type AppTrial } from './trial.ts';
import { TrialWatch } from './trial-watch.ts';
import type { PlannedApp, UpdateOutcome, UpdatePhase, UpdatePlan } from './types.ts';

/** How long to wait before what must come about is tried again (the disk was full, an app could not be stopped): at first, and at most. */
const firstRetryMs = 250;
const mostRetryMs = 10_000;

/** One update in motion, step by step; the coordinator says when. */
export class UpdateRun {
  readonly record: UpdateRecord;
  readonly #options: UpdatesOptions;

  /** Aborts when berthd ends. */
  readonly #closing: AbortSignal;

  constructor(record: UpdateRecord, options: UpdatesOptions, closing: AbortSignal) {
    this.record = record;
    this.#options = options;
    this.#closing = closing;
  }

  get id(): number {
    return this.record.id;
  }

  enter(phase: UpdatePhase): void {
    this.record.enter(phase);
    const { lifecycle } = this.#options;
    lifecycle.announce({ type: 'update.phase', message: `update ${this.id}: ${phase}`, detail: { update: this.id, phase } });
  }

  /** What is known of it so far is there for people who look later. */
  keepDetails(): void {
    this.#keep(() => {
      this.#options.store.book.note(this.id, { details: this.record.text() });
    });
  }

  /** Ready, but something keeps it from switching. */
  waits(why: string): void {
    this.enter('waiting');
    this.record.waitingFor = why;
    this.#options.lifecycle.announce({ type: 'update.waiting', message: `update ${this.id} waits: ${why}`, detail: { update: this.id } });
  }

  /** Puts the new images on disk and names them, with the way back, in the database. Nothing has stopped yet. */
  async store(plan: UpdatePlan, candidates: readonly Candidate[], choice: { readonly allowDowngrade: boolean; readonly wayBack: boolean }): Promise<readonly MemberRow[]> {
    const { store } = this.#options;
    const fresh = await this.#notThere(candidates);
    await store.publishImages(fresh.map(({ image, staged }) => ({ directory: staged!, digest: image.digest })));
    const byName = new Map(candidates.map((candidate) => [candidate.image.package, candidate]));
    const members = plan.apps.map((planned) => this.#member(planned, byName.get(planned.app)!, choice));
    store.book.nameMembers(this.id, candidates.map(({ image }) => image), members, { details: this.record.text() });
    return members;
  }

  /** Begins the copies of data and lets the first pass run while the apps do. */
  async copy(members: readonly MemberRow[], plan: UpdatePlan, signal: AbortSignal): Promise<readonly DataCopy[]> {
    const { store, workers, rules } = this.#options;
    const copied = new Set(plan.apps.filter(({ snapshot }) => snapshot === 'copy').map(({ app }) => app));
    const copies: DataCopy[] = [];
    try {
      for (const { app, generation, oldGeneration } of members) {
        if (oldGeneration === null || generation === oldGeneration) continue;
        const to = store.dataPath(app, generation);
        // Left over from an update that was cut short.
        await removeTree(to);
        if (!copied.has(app)) continue;
        const from = store.dataPath(app, oldGeneration);
        if (!existsSync(from)) continue;
        await makeGeneration(to, store.idRange(app));
        const copy = openCopy({
          worker: await workers.copy(app, from, to),
          from,
          to,
          limits: { bytes: rules.snapshotBytes, entries: maxCopyEntries, depth: maxCopyDepth },
          signal,
        });
        copies.push(copy);
        await copy.first();
      }
      return copies;
    } catch (error) {
      await endAll(copies);
      throw error;
    }
  }

  /**
   * Stops the old versions, brings the copies up to date, lets the new ones migrate their data, and switches in one
   * transaction. If anything of it fails, the old versions run again.
   * @param tried told the watch over the new versions before they start
   */
  async switchOver(members: readonly MemberRow[], plan: UpdatePlan, candidates: ReadonlyMap<string, Candidate>, copies: readonly DataCopy[], tried: (watch: TrialWatch) => void): Promise<TrialWatch | undefined> {
    const { lifecycle, store, clock, rules, bootId } = this.#options;
    const names = members.map(({ app }) => app);
    let deadline: Deadline | undefined;
    lifecycle.hold(names);
    try {
      this.enter('switching');
      // Should berthd be killed while they end, the next one knows that they did not do so by themselves.
      store.book.note(this.id, { state: 'switching' });
      await lifecycle.halt(names);
      await Promise.all(copies.map(async (copy) => copy.last()));
      // From here on nobody but berthd works in the copies.
      await endAll(copies);
      for (const member of members) await this.#makeData(member, candidates.get(member.app)!);
      for (const name of plan.apps.filter(({ migrate }) => migrate !== undefined).map(({ app }) => app)) {
        await this.#migrate(members.find(({ app }) => app === name)!, candidates.get(name)!);
      }
      if (this.#closing.aborted) throw new BerthError('unavailable', 'berthd is ending');
      deadline = plan.deadlineMs === undefined ? undefined : newDeadline(bootId, clock.monotonic(), plan.deadlineMs);
      store.book.switchOver(this.id, clock.now(), deadline === undefined
        ? { end: this.#end('committed'), keep: rules.retain }
        : { note: { state: 'trial', trial: JSON.stringify(deadline), details: this.record.text() } });
    } catch (error) {
      await this.#dropNewData(members);
      await lifecycle.release(names);
      throw error;
    }
    // Before anything starts, so that it hears of everything.
    const watch = deadline === undefined ? undefined : this.watch(deadline);
    if (watch !== undefined) tried(watch);
    for (const { app, image } of members) {
      lifecycle.admit(app);
      const { version, authority } = candidates.get(app)!.image;
      const message = `${app} ${version} was installed${authority === undefined ? ', unsigned' : ''}`;
      lifecycle.announce({ type: 'app.installed', app, message, detail: { digest: image, update: this.id, ...(authority === undefined ? {} : { authority }) } });
    }
    this.enter('starting');
    await lifecycle.release(names);
    return watch;
  }

  /** Watches the trial of what has been switched. */
  watch(deadline: Deadline): TrialWatch {
    const { lifecycle, store, clock, bootId } = this.#options;
    const trials = store.book.members(this.id).flatMap(({ app, trial }) => (trial === null ? [] : [readTrial(app, trial, bootId)]));
    let saved = new Map(trials.map((trial) => [trial.app, writeTrial(trial, bootId)]));
    return new TrialWatch({
      lifecycle,
      clock,
      trials,
      deadline,
      changed: (trial) => {
        const text = writeTrial(trial, bootId);
        if (saved.get(trial.app) === text) return;
        saved = new Map(saved).set(trial.app, text);
        this.#keep(() => {
          store.book.noteMember(trial.app, text);
        });
      },
      note: (noted) => {
        this.#keep(() => {
          store.book.note(this.id, { trial: JSON.stringify(noted) });
        });
      },
    });
  }

  /** The new versions stay. */
  async commit(): Promise<void> {
    const { store, rules } = this.#options;
    await this.#insist('committed', async () => Promise.resolve(store.book.commit(this.id, { end: this.#end('committed'), keep: rules.retain })));
    this.tellCommitted();
  }

  tellCommitted(): void {
    const { lifecycle } = this.#options;
    lifecycle.announce({ type: 'update.committed', message: `update ${this.id} is committed: ${this.describe()}`, detail: { update: this.id } });
  }

  /** Puts the verdict on disk, if it takes it: whatever happens from here on, the next daemon goes on with the way back. */
  condemn(reason: string): void {
    this.#keep(() => {
      this.#options.store.book.note(this.id, { state: 'rolling-back', code: 'rolled_back', reason, details: this.record.text() });
    });
  }

  /** Brings the old versions and their data back, and does not give up. Resolves when they run. After {@link condemn}. */
  async rollBack(reason: string): Promise<void> {
    const { store, lifecycle } = this.#options;
    const members = store.book.members(this.id);
    const names = members.map(({ app }) => app);
    lifecycle.hold(names);
    this.enter('rolling-back');
    await this.#insist('rolled back', async () => {
      // Stopped first: what fills the disk must not keep its own end from being written.
      await lifecycle.halt(names);
      store.book.rollBack(this.id, { ...this.#end('rolled-back'), code: 'rolled_back', reason });
    });
    for (const { app, oldImage } of members) {
      if (oldImage === null) await this.#takeAway(app);
      else lifecycle.admit(app);
    }
    await this.#dropNewData(members);
    await lifecycle.release(names);
    lifecycle.announce({ type: 'update.rolled-back', message: `update ${this.id} was rolled back: ${reason}`, detail: { update: this.id, reason } });
  }

  /** It ends before the switch. */
  fail(outcome: Extract<UpdateOutcome, 'failed' | 'cancelled'>, error: BerthError): void {
    const { store, lifecycle } = this.#options;
    this.#keep(() => {
      store.book.end(this.id, { ...this.#end(outcome), code: error.code, reason: error.message });
    });
    lifecycle.announce({ type: 'update.failed', message: `update ${this.id} ${outcome === 'failed' ? 'failed' : 'was cancelled'}: ${error.message}`, detail: { update: this.id, code: error.code } });
  }

  describe(): string {
    return this.record.apps.map(({ app, from, to }) => (from === undefined ? `${app} ${to.version}` : `${app} ${from.version} → ${to.version}`)).join(', ');
  }

  #end(outcome: UpdateOutcome): UpdateEnd {
    return { outcome, endedAt: this.#options.clock.now(), details: this.record.text() };
  }

  /** One that was damaged on disk is replaced by the same, whole. */
  async #notThere(candidates: readonly Candidate[]): Promise<readonly Candidate[]> {
    const { store } = this.#options;
    const fresh: Candidate[] = [];
    for (const candidate of candidates) {
      const { digest } = candidate.image;
      const isThere = store.image(digest) !== undefined && (candidate.staged === undefined || (await verifyImage(store.imagePaths(digest).directory, { digest, idBase: store.idRange(candidate.image.package) })).length === 0);
      if (!isThere) fresh.push(candidate);
    }
    return fresh;
  }

  #member(planned: PlannedApp, { image, settings }: Candidate, choice: { readonly allowDowngrade: boolean; readonly wayBack: boolean }): MemberRow {
    const { store, bootId } = this.#options;
    const { app, start, snapshot, trial } = planned;
    const row = store.app(app);
    const oldGeneration = row?.dataGeneration ?? store.keptData(app) ?? null;
    const told: AppTrial | undefined = trial === undefined ? undefined
      : { app, wanted: trial, restart: settings.restart, confirmed: false, vouched: false, endedWell: false, healthy: false };
    return {
      app,
      update: this.id,
      image: image.digest,
      generation: oldGeneration === null || snapshot === 'copy' || (snapshot === 'none' && planned.trial !== undefined) ? store.newGeneration(app) : oldGeneration,
      desired: start ? 'running' : 'stopped',
      oldImage: row?.image ?? null,
      oldGeneration,
      oldInstalledAt: row?.installedAt ?? null,
      owner: choice.wayBack ? null : image.authority ?? null,
      floor: choice.wayBack ? null : floorAfter(image.version, store.book.floor(app), choice.allowDowngrade),
      trial: told === undefined ? null : writeTrial(told, bootId),
    };
  }

  async #makeData({ app, image, generation }: MemberRow, { settings }: Candidate): Promise<void> {
    const { store } = this.#options;
    await makeDataDirectories(store.dataPath(app, generation), store.idRange(app), settings.data, join(store.imagePaths(image).bundle, 'rootfs'));
  }

  /** The new version's own command, on the new generation of data, before anything is switched. */
  async #migrate(member: MemberRow, { settings, image }: Candidate): Promise<void> {
    const { lifecycle, store } = this.#options;
    const { app, generation, desired } = member;
    const before = store.app(app);
    const row: AppRow = {
      name: app, image: image.digest, desired, dataGeneration: generation, installedAt: before?.installedAt ?? 0,
      restarts: 0, failed: false, instance: null, lastExit: null,
    };
    const result = await lifecycle.runOnce(row, settings.migrate, { timeoutMs: settings.migrateTimeoutMs });
    if (result.exitCode === 0) {
      // What it wrote is on disk before the version that counts on it is the one that runs.
      await syncFileSystem(join(store.root, 'data'));
      return;
    }
    const how = result.timedOut ? `took longer than ${formatDuration(settings.migrateTimeoutMs)}` : result.signal === undefined ? `exited with ${result.exitCode}` : `was killed by ${result.signal}`;
    throw new BerthError('rolled_back', `${app} ${image.version}: its migration of the data ${how}; \`berth logs ${app}\` shows what it said`);
  }

  /** Before the old versions start: what the new ones wrote may be all the room there was. */
  async #dropNewData(members: readonly MemberRow[]): Promise<void> {
    for (const { app, generation, oldGeneration } of members) {
      if (generation === oldGeneration) continue;
      try {
        await removeTree(this.#options.store.dataPath(app, generation));
      } catch (error) {
        this.#warn(`could not delete yet what the new ${app} has written: ${asBerthError(error).message}`);
      }
    }
  }

  async #takeAway(app: string): Promise<void> {
    this.#options.lifecycle.withdraw(app);
    try {
      await clear(app, this.#options);
    } catch (error) {
      // The versions before are back all the same, and have to start.
      this.#warn(`is rolled back, but what ${app} left cannot be deleted: ${asBerthError(error).message}`);
    }
  }

  /** What must come about after the switch, and cannot now, is tried until it can or berthd ends. */
  async #insist(done: string, work: () => Promise<void>): Promise<void> {
    for (let waitMs = firstRetryMs; ; waitMs = Math.min(2 * waitMs, mostRetryMs)) {
      try {
        await work();
        return;
      } catch (error) {
        if (this.#closing.aborted) throw error;
        this.#warn(`cannot be ${done} yet, and is tried again: ${asBerthError(error).message}`);
        await this.#options.clock.sleep(waitMs, this.#closing);
      }
    }
  }

  /** What the disk does not take is told; the update goes on. */
  #keep(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#warn(`its record cannot be written: ${asBerthError(error).message}`);
    }
  }

  #warn(message: string): void {
    const news: Pick<BerthEvent, 'type' | 'message' | 'detail'> = { type: 'app.warning', message: `update ${this.id} ${message}`, detail: { update: this.id } };
    this.#options.lifecycle.announce(news);
  }
}

/** Names in an app's data, and directories inside one another, that are copied at most. */
const maxCopyEntries = 1_000_000;
const maxCopyDepth = 128;

/** Ends the children that copy. */
export async function endAll(copies: readonly DataCopy[]): Promise<void> {
  for (const copy of copies) await copy[Symbol.asyncDispose]();
}
