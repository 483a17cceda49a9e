import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { DeviceLender } from '../devices/index.ts';
import type { Clock } from '../lib/clock.ts';
import { asBerthError, BerthError } from '../lib/errors.ts';
import type { Journal } from '../lib/journal.ts';
import type { ExecSession, ExecSpec, LogLine, LogQuery, Runtime } from '../runtime/index.ts';
import type { AppRow, Store } from '../store/index.ts';
import { App } from './app.ts';
import { haltAll, startAll, stopAll } from './boot.ts';
import { DataWatch, type DataHolder, type DataWatchOptions } from './data-watch.ts';
import { EventLog, type News } from './events.ts';
import { Holds } from './holds.ts';
import { Errands } from './errands.ts';
import { type Order, Slots, startOrder } from './order.ts';
import type { Prepare } from './plan.ts';
import type { Tools } from './tools.ts';
import type { AppFigures, AppStatus, BerthEvent, RunOnceOptions, RunOnceResult, Supervisor } from './types.ts';

export interface SupervisorOptions {
  readonly store: Pick<Store, 'apps' | 'app' | 'image' | 'updateApp'>;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly prepare: Prepare;
  readonly devices: DeviceLender;
  /** Keeps data within its bounds; without, nobody does. */
  readonly data?: Pick<DataWatchOptions, 'room' | 'measure' | 'reserveBytes'>;
  /** Starts (and take-overs) under way at once at boot; default: twice the number of processors. */
  readonly parallelStarts?: number | undefined;
  /** Default: `/proc/sys/kernel/random/boot_id`, random(4). */
  readonly bootId?: string;
  /** Default: 32 random bytes in hexadecimal. */
  readonly newInstanceId?: () => string;
}

/** The supervisor of all apps of the store. Commands given before `boot` has taken over what runs wait for that. */
export function openSupervisor(options: SupervisorOptions): Supervisor {
  return new AppSupervisor(options);
}

class AppSupervisor implements Supervisor {
  readonly #options: SupervisorOptions;
  readonly #parallel: number;
  readonly #tools: Tools;
  readonly #events: EventLog;
  readonly #apps = new Map<string, App>();
  readonly #tookOver = Promise.withResolvers<void>();
  readonly #stopListening: readonly (() => void)[];
  readonly #holds = new Holds();
  readonly #errands: Errands;
  readonly #dataWatch: DataWatch | undefined;
  /** Aborts when no command is taken any more; its reason says why. */
  readonly #closing = new AbortController();

  constructor(options: SupervisorOptions) {
    const { store, runtime, clock, journal, prepare, devices } = options;
    this.#options = options;
    this.#parallel = options.parallelStarts ?? 2 * availableParallelism();
    this.#events = new EventLog(clock, journal);
    this.#tools = {
      store,
      runtime,
      clock,
      prepare,
      devices,
      bootId: options.bootId ?? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      isHeld: (name) => this.#holds.has(name),
      newInstanceId: options.newInstanceId ?? (() => randomBytes(32).toString('hex')),
      primeData: async (name, limitBytes) => this.#dataWatch?.prime(name, limitBytes),
      dataUse: (name) => this.#dataWatch?.use(name),
      tell: (news) => {
        this.#events.add(news);
      },
    };
    this.#errands = new Errands(this.#tools);
    for (const row of store.apps()) this.#apps.set(row.name, new App(this.#tools, row));
    this.#dataWatch = options.data === undefined ? undefined : new DataWatch({
      ...options.data,
      holders: () => this.#dataHolders(),
      end: (name, why) => { this.#endOverfull(name, why); },
      warn: (name, message) => { this.#events.add({ type: 'app.warning', ...(name === undefined ? {} : { app: name }), message: name === undefined ? message : `${name}: ${message}` }); },
      clock,
    });
    this.#stopListening = [runtime.onExit((exit) => this.#apps.get(exit.app)?.exited(exit)), devices.onDue((app) => { this.#deviceDue(app); })];
  }

  get tookOver(): Promise<void> {
    return this.#tookOver.promise;
  }

  list(): readonly AppStatus[] {
    return [...this.#apps.values()].map((app) => app.status()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  show(name: string): AppStatus {
    return this.#app(name).status();
  }

  async start(name: string): Promise<AppStatus> {
    return this.#startCommand(name, async (app) => app.start());
  }

  async stop(name: string, { timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<AppStatus> {
    return this.#stopCommand(name, async (app) => app.stop(timeoutMs));
  }

  async kill(name: string): Promise<AppStatus> {
    return this.#stopCommand(name, async (app) => app.kill());
  }

  async suspend(name: string): Promise<AppStatus> {
    return this.#command(name, async (app) => app.suspend());
  }

  async resume(name: string): Promise<AppStatus> {
    return this.#command(name, async (app) => app.resume());
  }

  async restart(name: string, { timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<AppStatus> {
    return this.#startCommand(name, async (app) => app.restart(timeoutMs));
  }

  async exec(name: string, spec: ExecSpec): Promise<ExecSession> {
    return this.#app(name).exec(spec);
  }

  logs(name: string, query: LogQuery): AsyncIterable<LogLine> {
    return this.#options.runtime.logs(this.#app(name).name, query);
  }

  figures(name?: string): readonly AppFigures[] {
    const apps = name === undefined ? [...this.#apps.values()] : [this.#app(name)];
    return apps.map((app) => app.figures()).filter((figures) => figures !== undefined);
  }

  eventsSince(seq: number): readonly BerthEvent[] {
    return this.#events.since(seq);
  }

  onEvent(listener: (event: BerthEvent) => void): () => void {
    return this.#events.on(listener);
  }

  hold(names: readonly string[]): void {
    this.#holds.begin(names);
  }

  async halt(names: readonly string[]): Promise<void> {
    await this.#tookOver.promise;
    await haltAll(this.#apps, this.#order(), names, (name) => {
      this.#requireOpen(name);
    });
  }

  async release(names: readonly string[]): Promise<void> {
    await this.#tookOver.promise;
    const found = this.#holds.find(names);
    await this.#startAll(
      (name) => this.#holds.isReleased(name, found),
      async (app) => {
        this.#holds.end(app.name);
        try {
          await app.rejoin();
        } finally {
          await this.#giveBack(app);
        }
      },
    );
    if (this.#closing.signal.aborted) return;
    // What is not (or no longer) an app.
    for (const name of found.keys()) if (this.#holds.isReleased(name, found)) this.#holds.end(name);
  }

  async runOnce(row: AppRow, command: readonly string[], options: RunOnceOptions): Promise<RunOnceResult> {
    await this.#tookOver.promise;
    this.#requireOpen(row.name);
    const app = this.#apps.get(row.name);
    if (app !== undefined) this.#requireGone(app);
    if (!this.#holds.has(row.name)) throw new BerthError('internal', `app ${row.name}: a command can be run in its place only while it is held`);
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    return this.#errands.run(row, command, { ...options, signal });
  }

  feedWatchdog(name: string): void {
    this.#app(name).feedWatchdog();
  }

  admit(name: string): void {
    const row = this.#options.store.app(name);
    if (row === undefined) throw new BerthError('internal', `app ${name} cannot be supervised: the database has no row of it`);
    const before = this.#apps.get(name);
    if (before !== undefined) this.#requireGone(before);
    this.#apps.set(name, new App(this.#tools, row, before));
  }

  withdraw(name: string): void {
    const app = this.#app(name);
    this.#requireGone(app);
    this.#apps.delete(name);
    void this.#giveBack(app);
    this.#dataWatch?.forget(name);
  }

  announce(news: News): void {
    this.#events.add(news);
  }

  async boot(): Promise<void> {
    const begin = await this.#takeOver();
    this.#tookOver.resolve();
    const order = this.#order();
    for (const { app, message } of order.warnings) this.#warn(app, message);
    await this.#startAll(
      (name) => begin.has(name) && !this.#holds.has(name),
      async (app) => app.autostart(),
      order,
    );
  }

  async shutdown({ deadlineMs }: { readonly deadlineMs: number }): Promise<void> {
    await this.#tookOver.promise;
    this.#close('the device is shutting down');
    await Promise.all([stopAll(this.#apps, this.#order(), { clock: this.#options.clock, deadlineMs }), this.#errands.settled()]);
    for (const { name, state } of this.list()) {
      if (state === 'stopping') this.#warn(name, `${name} did not end; it is left behind`);
    }
  }

  async detach(): Promise<void> {
    this.#close('berthd is ending');
    await Promise.all([...this.#apps.values()].map(async (app) => app.detach()));
    await this.#errands.settled();
    for (const stop of this.#stopListening) stop();
  }

  /** Gives the names of the apps that are to be started. */
  async #takeOver(): Promise<ReadonlySet<string>> {
    const begin = new Set<string>();
    const slots = new Slots(this.#parallel);
    const takeOver = async (app: App): Promise<void> => {
      if (await app.takeOver()) begin.add(app.name);
    };
    await Promise.all([...this.#apps.values()].map(async (app) => slots.use(async () => takeOver(app))));
    const known = new Set([...this.#apps.values()].map((app) => app.instanceId).filter((id) => id !== undefined));
    const swept = await this.#options.runtime.sweep(known).catch(asBerthError);
    if (swept instanceof BerthError) this.#options.journal('error', `leftovers of earlier instances cannot be taken away: ${swept.message}`);
    await this.#options.devices.sweep();
    return begin;
  }

  async #startAll(isDue: (name: string) => boolean, start: (app: App) => Promise<void>, order = this.#order()): Promise<void> {
    await startAll(order, {
      clock: this.#options.clock,
      parallel: this.#parallel,
      find: (name) => (isDue(name) && !this.#closing.signal.aborted ? this.#apps.get(name) : undefined),
      start,
      tell: this.#tools.tell,
    });
  }

  /** What may start an app waits while the app is held. */
  async #startCommand(name: string, command: (app: App) => Promise<void>): Promise<AppStatus> {
    this.#app(name);
    await this.#tookOver.promise;
    this.#requireOpen(name);
    await this.#holds.over(name);
    return this.#command(name, command);
  }

  /** What stops an app takes back what waits to start it. */
  async #stopCommand(name: string, command: (app: App) => Promise<void>): Promise<AppStatus> {
    this.#holds.giveUp(name, new BerthError('cancelled', `app ${name}: it was stopped before an update let it start`));
    return this.#command(name, command);
  }

  async #command(name: string, command: (app: App) => Promise<void>): Promise<AppStatus> {
    this.#app(name);
    await this.#tookOver.promise;
    this.#requireOpen(name);
    const app = this.#app(name);
    await command(app);
    return app.status();
  }

  /** Apps that can write data now, and those that do not run while others can write to their volumes. */
  #dataHolders(): readonly DataHolder[] {
    const apps = [...this.#apps.values()];
    const running = apps.flatMap((app) => app.dataHolder ?? []);
    const owners = new Set(apps.flatMap((app) => app.writesTo));
    const absent = apps.filter(({ name }) => owners.has(name) && !running.some((holder) => holder.app === name));
    return [...running, ...absent.map((app) => app.absentHolder), ...this.#errands.holders()];
  }

  /** An app whose data takes too much, and whoever can add to it. */
  #endOverfull(name: string, why: string): void {
    this.#errands.overfull(name, why);
    for (const app of this.#apps.values()) {
      if (app.name === name) app.overfull(why);
      else if (app.writesTo.includes(name)) app.overfull(`it writes to volumes of ${name}: ${why}`);
    }
  }

  /** At a shutdown, what an app gives back goes to nobody. */
  #deviceDue(name: string): void {
    if (!this.#closing.signal.aborted) this.#apps.get(name)?.deviceDue();
  }

  /** An app that does not run after an update, or is gone: what was reserved for it is anybody's. */
  async #giveBack(app: App): Promise<void> {
    if (app.instanceId === undefined) await this.#options.devices.release(app.name);
  }

  #close(why: string): void {
    this.#dataWatch?.close();
    this.#closing.abort(why);
    this.#holds.giveUpAll(why);
  }

  #requireOpen(name: string): void {
    const { aborted, reason } = this.#closing.signal;
    if (aborted) throw new BerthError('unavailable', `app ${name}: no command is taken any more, ${String(reason)}`);
  }

  #order(): Order {
    return startOrder([...this.#apps.values()]);
  }

  #app(name: string): App {
    const app = this.#apps.get(name);
    if (app === undefined) throw new BerthError('not_found', `no app is named "${name}"; \`berth ps\` shows what is installed`);
    return app;
  }

  #requireGone(app: App): void {
    if (app.instanceId === undefined) return;
    throw new BerthError('conflict', `app ${app.name} is ${app.status().state}; stop it first: berth stop ${app.name}`);
  }

  #warn(app: string, message: string): void {
    this.#tools.tell({ type: 'app.warning', app, message });
  }
}
