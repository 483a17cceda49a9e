/** Stand-ins for what the API acts on, for tests: apps that only pretend to run. */
import { PassThrough } from 'node:stream';
import { systemClock } from '../lib/clock.ts';
import { Signal } from '../lib/emitter.ts';
import { BerthError } from '../lib/errors.ts';
import type { AppFigures, AppStatus, BerthEvent, Lifecycle, RunOnceResult } from '../lifecycle/index.ts';
import type { ExecSession, ExecSpec, LogLine, LogQuery } from '../runtime/index.ts';
import type { ImageRow } from '../store/index.ts';
import type { Api } from './api.ts';
import { FakeUpdates } from './fake-updates.ts';

const digest = `sha256:${'5a'.repeat(32)}` as const;
const startedAt = Date.UTC(2026, 0, 2, 3, 4, 5);

/** An app that runs, with what a test says otherwise. */
export function fakeApp(name: string, change: Partial<AppStatus> = {}): AppStatus {
  return {
    name,
    version: '1.0-1',
    digest,
    signed: false,
    description: `the app ${name}`,
    state: 'running',
    desired: 'running',
    health: 'none',
    instance: { id: 'ab'.repeat(32), pid: 4711, startedAt },
    restarts: 0,
    degraded: [],
    ...change,
  };
}

/** Apps by name; commands change their state and tell it as events. */
export class FakeLifecycle implements Lifecycle {
  readonly apps = new Map<string, AppStatus>();
  readonly events: BerthEvent[] = [];
  readonly #signal = new Signal<BerthEvent>();
  /** What `logs` gives first; with `follow` it then waits. */
  logLines: LogLine[] = [];
  /** `logs` with `follow` never runs dry. */
  endless = false;
  readonly sessions: { readonly spec: ExecSpec; killed: boolean }[] = [];
  followers = 0;

  list(): readonly AppStatus[] {
    return [...this.apps.values()];
  }

  show(name: string): AppStatus {
    const app = this.apps.get(name);
    if (app === undefined) throw new BerthError('not_found', `there is no app "${name}"; \`berth ps\` lists those there are`);
    return app;
  }

  start(name: string): Promise<AppStatus> {
    return this.#become(name, { state: 'running', desired: 'running' });
  }

  stop(name: string): Promise<AppStatus> {
    return this.#become(name, { state: 'stopped', desired: 'stopped' });
  }

  kill(name: string): Promise<AppStatus> {
    return this.#become(name, { state: 'stopped', desired: 'stopped' });
  }

  suspend(name: string): Promise<AppStatus> {
    return this.#become(name, { state: 'suspended' });
  }

  resume(name: string): Promise<AppStatus> {
    return this.#become(name, { state: 'running' });
  }

  restart(name: string): Promise<AppStatus> {
    return this.#become(name, { state: 'running', desired: 'running' });
  }

  /** `cat` copies its input; `exit N` ends with N; `sleep` waits for its end; `deaf` never reads; `flood` prints 4 MiB; `talk` prints and waits. */
  exec(name: string, spec: ExecSpec): Promise<ExecSession> {
    this.show(name);
    const [program, argument] = spec.command;
    const record = { spec, killed: false };
    this.sessions.push(record);
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const { promise: done, resolve } = Promise.withResolvers<number>();
    const finish = (code: number): void => {
      stdout.end();
      stderr.end();
      resolve(code);
    };
    if (program === 'cat') {
      stdin.pipe(stdout);
      stdin.on('end', () => {
        finish(0);
      });
    } else if (program === 'exit') {
      stderr.write('leaving\n');
      finish(Number(argument));
    } else if (program === 'flood') {
      stdout.write(Buffer.alloc(4 << 20, 'x'));
      finish(0);
    } else if (program === 'talk') {
      stdout.write('hello\n');
    } else if (program !== 'sleep' && program !== 'deaf') {
      return Promise.reject(new BerthError('runtime', `no such program: ${program}`));
    }
    const kill = (): void => {
      record.killed = true;
      finish(137);
    };
    return Promise.resolve({ stdin, stdout, stderr, done, kill });
  }

  async *logs(name: string, query: LogQuery): AsyncGenerator<LogLine, void, undefined> {
    this.show(name);
    this.followers += 1;
    try {
      const lines = query.sinceMs === undefined ? this.logLines : this.logLines.filter((line) => Date.parse(line.time) >= query.sinceMs!);
      yield* query.tail === undefined ? lines : lines.slice(Math.max(0, lines.length - query.tail));
      const { signal } = query;
      if (query.follow !== true || signal === undefined) return;
      while (this.endless && !signal.aborted) yield* this.logLines;
      if (signal.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => {
        resolve();
      });
      await promise;
    } finally {
      this.followers -= 1;
    }
  }

  figures(name?: string): readonly AppFigures[] {
    const apps = name === undefined ? this.list() : [this.show(name)];
    return apps
      .filter((app) => app.state === 'running')
      .map((app) => ({ name: app.name, at: Date.now(), cpuNs: 5_000_000_000, memoryBytes: 3 << 20, memoryLimitBytes: 64 << 20, processes: 2, restarts: app.restarts }));
  }

  eventsSince(seq: number): readonly BerthEvent[] {
    return this.events.filter((event) => event.seq > seq);
  }

  hold(): void {
    throw new Error('nothing behind the API holds apps here');
  }

  async halt(): Promise<void> {
    throw new Error('nothing behind the API halts apps here');
  }

  async release(): Promise<void> {
    throw new Error('nothing behind the API releases apps here');
  }

  async runOnce(): Promise<RunOnceResult> {
    throw new Error('nothing behind the API runs commands here');
  }

  feedWatchdog(): void {
    throw new Error('nothing behind the API feeds watchdogs here');
  }

  onEvent(listener: (event: BerthEvent) => void): () => void {
    this.followers += 1;
    const off = this.#signal.on(listener);
    return () => {
      this.followers -= 1;
      off();
    };
  }

  async shutdown(): Promise<void> {
    for (const name of this.apps.keys()) await this.stop(name);
  }

  admit(): void {}

  withdraw(name: string): void {
    this.apps.delete(name);
  }

  announce(event: Pick<BerthEvent, 'type' | 'app' | 'message' | 'detail'>): void {
    const full = { ...event, seq: this.events.length + 1, at: startedAt };
    this.events.push(full);
    this.#signal.emit(full);
  }

  #become(name: string, change: Partial<AppStatus>): Promise<AppStatus> {
    const before = this.apps.get(name);
    if (before === undefined) return Promise.reject(new BerthError('not_found', `there is no app "${name}"; \`berth ps\` lists those there are`));
    const app = { ...before, ...change };
    this.apps.set(name, app);
    this.announce({ type: 'app.state', app: name, message: `${name} is ${app.state}`, detail: { from: before.state, to: app.state } });
    return Promise.resolve(app);
  }
}

/** All of it together. */
export function fakeApi(): Api & { readonly lifecycle: FakeLifecycle; readonly updates: FakeUpdates } {
  const lifecycle = new FakeLifecycle();
  const image: ImageRow = {
    digest, package: 'web', version: '1.0-1', architecture: 'amd64', depends: 'broker', description: 'a web site', bytes: 12_345_678, entries: 42, signed: true, authority: 'acme', signers: [], addedAt: startedAt,
  };
  return {
    lifecycle,
    updates: new FakeUpdates(lifecycle.apps, (name, change) => fakeApp(name, change)),
    store: {
      apps: () => lifecycle.list().map((app) => ({
        name: app.name, image: app.digest, desired: app.desired, dataGeneration: 1, installedAt: startedAt, restarts: app.restarts, failed: false, instance: null, lastExit: null,
      })),
      images: () => [image],
    },
    devices: () => Promise.resolve([
      {
        name: 'gps', description: 'the receiver on the roof', place: '/dev/serial/by-id/usb-gps', sharing: 'exclusive', busy: 'wait', platform: false,
        nodes: [{ name: 'ttyACM0', number: 'c 166:0' }], holders: [{ app: 'web', path: '/dev/gps', access: 'rw' }], waiting: ['broker'],
      },
    ]),
    policy: {
      ofApp: (app) => ({ app, origin: '10-apps.yaml', decisions: [{ path: 'process.capabilities.bounding[0]', asked: 'CAP_KILL', granted: 'CAP_KILL', verdict: 'granted' }], refused: 0 }),
      ofRequest: ({ app }) => ({ app, origin: '10-apps.yaml', decisions: [{ path: 'hooks.prestart', asked: [], verdict: 'refused', why: 'a hook would run on the host as root' }], refused: 1 }),
    },
    doctor: () => Promise.resolve({
      checks: [
        { name: 'kernel', outcome: 'ok', found: 'Linux 6.18' },
        { name: 'clock', outcome: 'warning', found: 'not synchronised', advice: 'enable systemd-timesyncd' },
      ],
    }),
    authorities: {
      list: async () => Promise.resolve([{ name: 'acme', patterns: ['web*'], expiresAt: startedAt, successors: ['globex'], apps: ['web'], recallList: 3 }]),
      handOver: async () => Promise.resolve(),
      takeRecalls: async () => Promise.resolve({ authority: 'acme', sequence: 3, recalls: 1, foreign: [], isNew: true }),
      forgetTime: async () => Promise.resolve({ now: startedAt, isKnown: true }),
    },
    version: { version: '0.1.0', runtime: 'runc', node: 'v26.10.0', kernel: '6.18.0', architecture: 'amd64' },
    clock: systemClock,
  };
}
