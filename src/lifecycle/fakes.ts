/** Stand-ins for what the supervisor works on, for tests: a store in memory and containers that only pretend to run. */
import { PassThrough } from 'node:stream';
import { parseSettings, type LaunchSettings } from '../image/index.ts';
import { Signal } from '../lib/emitter.ts';
import { BerthError } from '../lib/errors.ts';
import { HandClock, settle } from '../lib/handclock.ts';
import type { ExecSession, ExecSpec, InstanceExit, InstanceFigures, InstanceRecord, InstanceSpec, LogLine, Runtime } from '../runtime/index.ts';
import type { AppRow, AppState, ImageRow, Store } from '../store/index.ts';
import { FakeLender } from './fake-lender.ts';
import { openSupervisor, type SupervisorOptions } from './supervisor.ts';
import type { LaunchPlan } from './plan.ts';
import type { BerthEvent, Supervisor } from './types.ts';

export const fakeBootId = 'boot-1';
const digest = `sha256:${'5a'.repeat(32)}` as const;
export const otherImage = `sha256:${'77'.repeat(32)}` as const;

export function fakeRow(name: string, change: Partial<AppRow> = {}): AppRow {
  return { name, image: digest, desired: 'running', dataGeneration: 1, installedAt: 0, restarts: 0, failed: false, instance: null, lastExit: null, ...change };
}

export class FakeStore implements Pick<Store, 'apps' | 'app' | 'image' | 'updateApp'> {
  readonly rows = new Map<string, AppRow>();
  /** Every write, in order. */
  readonly writes: { readonly name: string; readonly change: Partial<AppState> }[] = [];
  /** Set to make every write fail. */
  fault: Error | undefined;

  constructor(rows: readonly AppRow[]) {
    for (const row of rows) this.rows.set(row.name, row);
  }

  apps(): readonly AppRow[] {
    return [...this.rows.values()];
  }

  app(name: string): AppRow | undefined {
    return this.rows.get(name);
  }

  image(): ImageRow {
    return { digest, package: 'x', version: '1.0', architecture: 'all', depends: '', description: 'an app', bytes: 0, entries: 0, signed: true, signers: [], addedAt: 0 };
  }

  updateApp(name: string, change: Partial<AppState>): void {
    if (this.fault !== undefined) throw this.fault;
    this.writes.push({ name, change });
    this.rows.set(name, { ...this.rows.get(name)!, ...change });
  }
}

interface FakeInstance {
  readonly record: InstanceRecord;
  paused: boolean;
  readonly signals: string[];
}

/** A command in an instance that a test answers. */
export interface FakeSession {
  readonly spec: ExecSpec;
  killed: boolean;
  finish(code: number, output?: string): void;
}

/** Apps start at once, obey SIGTERM at once, and die of SIGKILL, unless a test says otherwise. */
export class FakeRuntime implements Runtime {
  readonly name = 'fake';
  readonly #clock: HandClock;
  #exits = new Signal<InstanceExit>();
  /** What runs, by id. */
  readonly running = new Map<string, FakeInstance>();
  /** What was asked to start, in order. */
  readonly specs: InstanceSpec[] = [];
  /** What was done, in order: `start web`, `signal web SIGTERM`, `remove web`, … */
  readonly log: string[] = [];
  readonly removed = new Set<string>();
  readonly sessions: FakeSession[] = [];
  /** The highest number of instances of one app at a time. */
  mostOfOneApp = 0;
  /** The highest number of starts under way at a time. */
  mostStarts = 0;
  #starts = 0;
  #ids = 0;
  /** Called within `start`, `pause`, `resume`, `signal`, `remove`, `adopt` and `sweep`; may wait, or throw. */
  before: (what: string) => Promise<void> | void = () => undefined;
  /** Apps that do not end on their stop signal. */
  readonly deaf = new Set<string>();
  /** Apps that do not even end on SIGKILL. */
  readonly undying = new Set<string>();
  /** What `adopt` says of an instance that is not running. */
  ended = new Map<string, InstanceExit>();

  constructor(clock: HandClock) {
    this.#clock = clock;
  }

  newId(): string {
    this.#ids += 1;
    return `instance-${this.#ids}`;
  }

  cgroupPath(app: string): string {
    return `/berth/${app}`;
  }

  async #do(what: string): Promise<void> {
    this.log.push(what);
    await this.before(what);
  }

  async start(spec: InstanceSpec): Promise<InstanceRecord> {
    const { id, app } = spec;
    this.specs.push(spec);
    this.#starts += 1;
    this.mostStarts = Math.max(this.mostStarts, this.#starts);
    try {
      await this.#do(`start ${app}`);
    } finally {
      this.#starts -= 1;
    }
    return this.run(app, id);
  }

  /** An instance that runs without having been started by the supervisor under test. */
  run(app: string, id: string, options: { readonly bootId?: string; readonly paused?: boolean } = {}): InstanceRecord {
    const process = { pid: 100 + this.running.size, startTime: 1 };
    const record: InstanceRecord = { id, app, bootId: options.bootId ?? fakeBootId, init: process, monitor: process, startedAt: this.#clock.now() };
    this.running.set(id, { record, paused: options.paused ?? false, signals: [] });
    this.mostOfOneApp = Math.max(this.mostOfOneApp, this.of(app).length);
    return record;
  }

  of(app: string): readonly FakeInstance[] {
    return [...this.running.values()].filter(({ record }) => record.app === app);
  }

  /** Makes the instance of an app end. */
  exit(app: string, how: Partial<InstanceExit> = { exitCode: 0 }): void {
    const [instance] = this.of(app);
    if (instance === undefined) throw new Error(`nothing of ${app} runs`);
    this.running.delete(instance.record.id);
    this.#exits.emit({ id: instance.record.id, app, at: this.#clock.now(), oom: false, cause: 'ended', ...how });
  }

  async adopt(record: InstanceRecord): Promise<'running' | 'paused' | InstanceExit> {
    await this.#do(`adopt ${record.app}`);
    const instance = this.running.get(record.id);
    if (instance !== undefined) return instance.paused ? 'paused' : 'running';
    return this.ended.get(record.id) ?? { id: record.id, app: record.app, at: this.#clock.now(), oom: false, cause: 'lost' };
  }

  async signal(id: string, signal: string): Promise<void> {
    const instance = this.running.get(id);
    const app = instance?.record.app ?? 'nothing';
    await this.#do(`signal ${app} ${signal}`);
    if (instance === undefined) return;
    instance.signals.push(signal);
    if (signal === 'SIGKILL') instance.paused = false;
    this.#obey(instance);
  }

  async pause(id: string): Promise<void> {
    const instance = this.#found(id);
    await this.#do(`pause ${instance.record.app}`);
    instance.paused = true;
  }

  async resume(id: string): Promise<void> {
    const instance = this.#found(id);
    await this.#do(`resume ${instance.record.app}`);
    instance.paused = false;
    this.#obey(instance);
  }

  /** What is frozen sees its signals when it is thawed. */
  #obey(instance: FakeInstance): void {
    const { app } = instance.record;
    if (instance.paused || !this.running.has(instance.record.id)) return;
    if (instance.signals.includes('SIGKILL') && !this.undying.has(app)) this.exit(app, { signal: 'SIGKILL' });
    else if (instance.signals.length > 0 && !this.deaf.has(app) && !this.undying.has(app)) this.exit(app, { exitCode: 0 });
  }

  #found(id: string): FakeInstance {
    const instance = this.running.get(id);
    if (instance === undefined) throw new BerthError('runtime', 'container not running');
    return instance;
  }

  async remove(id: string): Promise<void> {
    this.removed.add(id);
    await this.#do('remove');
  }

  async sweep(known: ReadonlySet<string>): Promise<readonly string[]> {
    await this.#do('sweep');
    const unknown = [...this.running.keys()].filter((id) => !known.has(id));
    for (const id of unknown) this.running.delete(id);
    return unknown;
  }

  async exec(id: string, spec: ExecSpec): Promise<ExecSession> {
    await this.#do(`exec ${this.#found(id).record.app}`);
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const { promise: done, resolve } = Promise.withResolvers<number>();
    const session: FakeSession = {
      spec,
      killed: false,
      finish: (code, output = '') => {
        stdout.end(output);
        stderr.end();
        stdout.on('close', () => {
          resolve(code);
        });
      },
    };
    this.sessions.push(session);
    const kill = (): void => {
      session.killed = true;
    };
    return { stdin, stdout, stderr, done, kill };
  }

  figures(id: string): InstanceFigures | undefined {
    return this.running.has(id) ? { cpuNs: 1, memoryBytes: 2, processes: 3 } : undefined;
  }

  deletedFiles(): readonly never[] {
    return [];
  }

  addresses(): readonly string[] {
    return [];
  }

  /** Nobody listens any more, as when the daemon is gone. */
  silence(): void {
    this.#exits = new Signal();
  }

  onExit(listener: (exit: InstanceExit) => void): () => void {
    return this.#exits.on(listener);
  }

  async *logs(): AsyncIterable<LogLine> {
    await Promise.resolve();
    yield { time: '', stream: 'stdout', text: 'hello', partial: false };
  }

  async forget(): Promise<void> {
    await this.#do('forget');
  }

  async close(): Promise<void> {
    await this.#do('close');
  }
}

/** What an app is like in a test. */
export interface FakeApp {
  readonly row?: Partial<AppRow>;
  /** Without the prefix `org.berth.`. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly dependsOn?: readonly string[];
  /** Most bytes of its data. */
  readonly dataBytes?: number;
  /** Names of devices that it needs. */
  readonly devices?: readonly string[];
  /** Thrown by `prepare`. */
  readonly broken?: Error;
}

/** A supervisor on fakes, and all that it works on. */
export interface Stage {
  readonly clock: HandClock;
  readonly store: FakeStore;
  readonly runtime: FakeRuntime;
  readonly devices: FakeLender;
  readonly supervisor: Supervisor;
  readonly events: BerthEvent[];
  /** A new `berthd` on the same store and runtime, after a restart of the daemon or of the machine. */
  again(options?: { readonly bootId?: string }): Stage;
  /** `from→to` of every change of an app's state. */
  states(app: string): readonly string[];
}

export type StageOptions = Pick<SupervisorOptions, 'parallelStarts' | 'data'>;

export function stage(apps: Readonly<Record<string, FakeApp>>, options: StageOptions = {}): Stage {
  const clock = new HandClock();
  const rows = Object.entries(apps).map(([name, { row }]) => fakeRow(name, row));
  return build(apps, clock, new FakeStore(rows), new FakeRuntime(clock), fakeBootId, options);
}

function build(
  apps: Readonly<Record<string, FakeApp>>,
  clock: HandClock,
  store: FakeStore,
  runtime: FakeRuntime,
  bootId: string,
  options: StageOptions,
): Stage {
  const devices = new FakeLender(runtime.log);
  const supervisor = openSupervisor({
    store,
    runtime,
    clock,
    journal: () => undefined,
    bootId,
    devices,
    newInstanceId: () => runtime.newId(),
    prepare: ({ name }) => fakePlan(name, apps[name] ?? {}),
    ...options,
  });
  const events: BerthEvent[] = [];
  supervisor.onEvent((event) => events.push(event));
  return {
    clock,
    store,
    runtime,
    devices,
    supervisor,
    events,
    again: (change = {}) => {
      runtime.silence();
      clock.clear();
      return build(apps, clock, store, runtime, change.bootId ?? bootId, options);
    },
    states: (app) =>
      events
        .filter((event) => event.type === 'app.state' && event.app === app)
        .map((event) => event.detail as { readonly from: string; readonly to: string })
        .map(({ from, to }) => `${from}→${to}`),
  };
}

function fakePlan(name: string, { annotations = {}, dependsOn = [], devices = [], dataBytes, broken }: FakeApp): LaunchPlan {
  if (broken !== undefined) throw broken;
  return { settings: fakeSettings(annotations), degraded: [], dependsOn, ...(dataBytes === undefined ? {} : { dataBytes }), devices: devices.map((device) => ({ device, path: `/dev/${device}`, access: 'rw' as const })), spec: async (id) => Promise.resolve({ id, app: name, config: { process: { args: ['/app'], cwd: '/' } } }) };
}

/** Settings from annotations without their prefix. */
export function fakeSettings(annotations: Readonly<Record<string, string>> = {}): LaunchSettings {
  return parseSettings(Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`org.berth.${key}`, value])));
}

/** Apps that have been started, each healthy; what was done until then is left out of the log. */
export async function booted(apps: Readonly<Record<string, FakeApp>> = { web: {} }): Promise<Stage> {
  const set = stage(apps);
  const booting = set.supervisor.boot();
  while (!(await isOver(booting))) {
    await set.clock.advance(1000);
    set.runtime.sessions.at(-1)?.finish(0);
  }
  set.runtime.log.length = 0;
  return set;
}

/** Tells whether a promise has settled by now. */
export async function isOver(work: Promise<unknown>): Promise<boolean> {
  const notYet = Symbol('not yet');
  const first = await Promise.race([work.catch(() => undefined), settle().then(() => notYet)]);
  return first !== notYet;
}

/** The app has another image and is supervised anew, as after the switch of an update. */
export function replaceImage(set: Stage, app: string): void {
  set.store.rows.set(app, { ...set.store.app(app)!, image: otherImage });
  set.supervisor.admit(app);
}
