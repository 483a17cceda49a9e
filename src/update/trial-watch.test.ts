import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Signal } from '../lib/emitter.ts';
import { asBerthError } from '../lib/errors.ts';
import { HandClock, settle } from '../lib/handclock.ts';
import type { AppStatus, BerthEvent, LastExit, Reason } from '../lifecycle/index.ts';
import { newDeadline, type Deadline } from './deadline.ts';
import { fakeImage, fakeTrial } from './fixtures.ts';
import type { AppTrial } from './trial.ts';
import { TrialWatch } from './trial-watch.ts';

type Told = Partial<Pick<AppStatus, 'state' | 'health' | 'instance' | 'lastExit'>>;

/** Apps that do as a test says, and a watch on their trial with a minute until the deadline. */
class Bench {
  readonly clock = new HandClock();
  readonly notes: Deadline[] = [];
  readonly changes: AppTrial[] = [];
  readonly watch: TrialWatch;
  /** What has come of it so far. */
  outcome = 'open';
  readonly #events = new Signal<BerthEvent>();
  readonly #apps = new Map<string, AppStatus>();

  constructor(...trials: readonly AppTrial[]) {
    for (const { app } of trials) this.#tell(app, { state: 'running' });
    this.watch = new TrialWatch({
      lifecycle: { show: (app) => this.#apps.get(app)!, onEvent: (listener) => this.#events.on(listener) },
      clock: this.clock,
      trials,
      deadline: newDeadline('boot', 0, 60_000),
      changed: (trial) => this.changes.push(trial),
      note: (deadline) => this.notes.push(deadline),
    });
    void this.#await();
  }

  async #await(): Promise<void> {
    try {
      await this.watch.verdict;
      this.outcome = 'passed';
    } catch (error) {
      const { code, message } = asBerthError(error);
      this.outcome = `${code}: ${message}`;
    }
  }

  #tell(app: string, told: Told): void {
    const image = fakeImage(app);
    const before = this.#apps.get(app);
    this.#apps.set(app, { name: app, version: image.version, digest: image.digest, signed: false, description: '', state: 'stopped', desired: 'running', health: 'none', restarts: 0, degraded: [], ...before, ...told });
  }

  async becomes(app: string, told: Told): Promise<void> {
    this.#tell(app, told);
    this.#emit('app.state', app);
    await settle();
  }

  async ends(app: string, code: Reason['code'], exitCode?: number): Promise<void> {
    this.#emit('app.exit', app, exitOf(app, code, exitCode));
    await settle();
  }

  #emit(type: BerthEvent['type'], app: string, detail?: unknown): void {
    this.#events.emit({ seq: 0, at: 0, type, app, message: '', detail });
  }
}

function exitOf(app: string, code: Reason['code'], exitCode?: number): LastExit {
  const reason = { code, message: `${code} ${exitCode ?? ''}`.trim(), at: 0 };
  return { id: 'i', app, at: 0, oom: false, cause: 'ended', reason, ...(exitCode === undefined ? {} : { exitCode }) };
}

test('a trial passes when all of its apps have stayed up, and leaves no timer behind', async () => {
  const bench = new Bench(fakeTrial('a'), fakeTrial('b', { wanted: { uptimeMs: 20_000 } }));
  bench.watch.begin();
  await bench.clock.advance(19_999);
  assert.equal(bench.outcome, 'open');
  assert.deepEqual([...bench.watch.waiting()], [['a', []], ['b', ['running for 20s']]]);
  await bench.clock.advance(1);
  assert.equal(bench.outcome, 'passed');
  assert.equal(bench.clock.pending, 0);
});

test('one crash fails it for all', async () => {
  const bench = new Bench(fakeTrial('a'), fakeTrial('b'));
  bench.watch.begin();
  await bench.ends('b', 'exited', 3);
  assert.equal(bench.outcome, 'rolled_back: b: exited 3');
  assert.equal(bench.clock.pending, 0);
});

test('a crash before it began, while the apps were being started, fails it too', async () => {
  const bench = new Bench(fakeTrial('a'));
  await bench.ends('a', 'signalled');
  assert.equal(bench.outcome, 'rolled_back: a: signalled');
});

test('a crash while no daemon was there to see it fails it', async () => {
  const bench = new Bench(fakeTrial('a'));
  await bench.becomes('a', { state: 'backoff', lastExit: exitOf('a', 'exited', 1) });
  bench.watch.begin();
  await settle();
  assert.equal(bench.outcome, 'rolled_back: a: exited 1');
});

test('an end of the instance before does not count against one that runs', async () => {
  const bench = new Bench(fakeTrial('a'));
  await bench.becomes('a', { instance: { id: 'i', pid: 1, startedAt: 0 }, lastExit: exitOf('a', 'exited', 1) });
  bench.watch.begin();
  await bench.clock.advance(10_000);
  assert.equal(bench.outcome, 'passed');
});

test('ends that a person or an update brought about do not count, but the time up begins anew', async () => {
  const bench = new Bench(fakeTrial('a'));
  bench.watch.begin();
  await bench.clock.advance(9000);
  await bench.ends('a', 'stopped', 143);
  await bench.becomes('a', { state: 'stopped' });
  await bench.becomes('a', { state: 'running' });
  await bench.clock.advance(9999);
  assert.equal(bench.outcome, 'open');
  await bench.clock.advance(1);
  assert.equal(bench.outcome, 'passed');
});

test('exit 0 is as good as staying up, unless the app is always to run', async () => {
  const once = new Bench(fakeTrial('a'));
  once.watch.begin();
  await once.ends('a', 'exited', 0);
  assert.equal(once.outcome, 'passed');
  const always = new Bench(fakeTrial('a', { restart: 'always' }));
  always.watch.begin();
  await always.ends('a', 'exited', 0);
  assert.equal(always.outcome, 'rolled_back: a: exited 0');
});

test('what is not proved at the deadline is told app by app', async () => {
  const bench = new Bench(fakeTrial('a', { wanted: { confirm: true } }), fakeTrial('b', { wanted: { health: true } }), fakeTrial('c'));
  bench.watch.begin();
  await bench.clock.advance(59_999);
  assert.equal(bench.outcome, 'open');
  assert.equal(bench.watch.leftMs, 1);
  await bench.clock.advance(1);
  assert.equal(bench.outcome, 'rolled_back: not proved in time: a still waited for its own confirmation; b still waited for its health check');
});

test('a health check that passes counts at once', async () => {
  const bench = new Bench(fakeTrial('a', { wanted: { health: true } }));
  bench.watch.begin();
  await bench.clock.advance(20_000);
  assert.equal(bench.outcome, 'open');
  await bench.becomes('a', { health: 'healthy' });
  assert.equal(bench.outcome, 'passed');
});

test('the app\'s own confirmation counts for itself, a person\'s for everything', async () => {
  const bench = new Bench(fakeTrial('a', { wanted: { confirm: true } }), fakeTrial('b', { wanted: { health: true } }));
  bench.watch.begin();
  bench.watch.confirm('a', 'app');
  await bench.clock.advance(10_000);
  assert.equal(bench.outcome, 'open');
  bench.watch.confirm('b', 'operator');
  await settle();
  assert.equal(bench.outcome, 'passed');
  assert.deepEqual(bench.changes.filter(({ confirmed }) => confirmed).map(({ app }) => app), ['a']);
});

test('a confirmation for an app that is not tried, or after the verdict, is a conflict', async () => {
  const bench = new Bench(fakeTrial('a'));
  bench.watch.begin();
  assert.throws(() => { bench.watch.confirm('b', 'operator'); }, { code: 'conflict' });
  bench.watch.fail('no more');
  await settle();
  assert.equal(bench.outcome, 'rolled_back: no more');
  assert.throws(() => { bench.watch.confirm('a', 'operator'); }, { code: 'conflict' });
});

test('the first verdict stands', async () => {
  const bench = new Bench(fakeTrial('a'));
  bench.watch.begin();
  await bench.clock.advance(10_000);
  bench.watch.fail('too late');
  await bench.ends('a', 'exited', 1);
  assert.equal(bench.outcome, 'passed');
});

test('the time left is written down now and then, and once more when the daemon ends', async () => {
  const bench = new Bench(fakeTrial('a', { wanted: { confirm: true } }));
  bench.watch.begin();
  await bench.clock.advance(25_000);
  assert.deepEqual(bench.notes.map(({ leftMs }) => leftMs), [50_000, 40_000]);
  bench.watch.leave();
  await settle();
  assert.deepEqual(bench.notes.at(-1), { bootId: 'boot', at: 60_000, leftMs: 35_000, boots: 0 });
  assert.match(bench.outcome, /^unavailable/);
  assert.equal(bench.clock.pending, 0);
});
