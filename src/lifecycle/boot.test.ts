import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { settle } from '../lib/handclock.ts';
import type { InstanceExit } from '../runtime/index.ts';
import { dependencyWaitMs, lastWaitMs } from './boot.ts';
import { type FakeApp, type Stage, stage } from './fakes.ts';

const health = { 'health.command': '["/bin/check"]' };

/** A stage whose apps have been started; then the daemon is gone, without a word. */
async function left(apps: Readonly<Record<string, FakeApp>>): Promise<Stage> {
  const set = stage(apps);
  await set.supervisor.boot();
  set.runtime.log.length = 0;
  return set;
}

function starts(set: Stage): string[] {
  return set.runtime.log.filter((line) => line.startsWith('start')).map((line) => line.slice('start '.length));
}

/** Makes an instance end while no daemon is there. */
function endUnseen(set: Stage, app: string, how: Partial<InstanceExit>): void {
  const [instance] = set.runtime.of(app);
  const { id } = instance!.record;
  set.runtime.running.delete(id);
  set.runtime.ended.set(id, { id, app, at: set.clock.now(), oom: false, cause: 'ended', ...how });
}

test('a new daemon takes over what runs without touching it, and what is suspended stays suspended', async () => {
  const before = await left({ web: {}, frozen: {} });
  await before.supervisor.suspend('frozen');
  const instances = [...before.runtime.running.keys()];
  before.runtime.log.length = 0;
  const { supervisor, runtime, store } = before.again();
  const writes = store.writes.length;
  await supervisor.boot();
  assert.deepEqual(supervisor.list().map(({ name, state }) => [name, state]), [['frozen', 'suspended'], ['web', 'running']]);
  assert.deepEqual([...runtime.running.keys()], instances);
  assert.deepEqual(runtime.log, ['adopt web', 'adopt frozen', 'sweep']);
  assert.equal(store.writes.length, writes);
  assert.equal((await supervisor.resume('frozen')).state, 'running');
});

test('what is taken over is supervised: its end is seen, its health is watched', async () => {
  const before = await left({ web: { annotations: health } });
  const { supervisor, runtime, clock } = before.again();
  await supervisor.boot();
  await clock.advance(1000);
  runtime.sessions.at(-1)!.finish(0);
  await settle();
  assert.equal(supervisor.show('web').health, 'healthy');
  runtime.exit('web', { exitCode: 9 });
  await settle();
  assert.deepEqual([supervisor.show('web').state, supervisor.show('web').restarts], ['running', 1]);
});

test('an end that nobody saw is judged as if it came now: crashed is started again, done is done', async () => {
  const before = await left({ crashed: {}, done: {} });
  endUnseen(before, 'crashed', { exitCode: 1 });
  endUnseen(before, 'done', { exitCode: 0 });
  const { supervisor, runtime, events } = before.again();
  await supervisor.boot();
  const [crashed, done] = [supervisor.show('crashed'), supervisor.show('done')];
  assert.deepEqual([crashed.state, crashed.restarts, crashed.lastExit?.exitCode], ['running', 1, 1]);
  assert.deepEqual([done.state, done.restarts, done.reason?.message], ['stopped', 0, 'exited with code 0']);
  assert.equal(events.filter(({ type }) => type === 'app.exit').length, 2);
  assert.ok(runtime.log.indexOf('start crashed') > runtime.log.indexOf('sweep'));
});

test('an app that has done its work is not started again by a new daemon, but by the next boot of the device', async () => {
  const before = await left({ job: {} });
  before.runtime.exit('job', { exitCode: 0 });
  await settle();
  const daemon = before.again();
  await daemon.supervisor.boot();
  assert.equal(daemon.supervisor.show('job').state, 'stopped');
  const device = before.again({ bootId: 'boot-2' });
  await device.supervisor.boot();
  assert.equal(device.supervisor.show('job').state, 'running');
});

test('after a reboot what ran runs again, which is no crash; what a person stopped stays stopped', async () => {
  const before = await left({ web: {}, off: {} });
  await before.supervisor.stop('off');
  before.runtime.running.clear();
  const { supervisor, runtime } = before.again({ bootId: 'boot-2' });
  runtime.log.length = 0;
  await supervisor.boot();
  const web = supervisor.show('web');
  assert.deepEqual([web.state, web.restarts, web.lastExit?.reason.code, web.lastExit?.reason.message], ['running', 0, 'lost', 'the machine restarted']);
  assert.equal(supervisor.show('off').state, 'stopped');
  assert.deepEqual(runtime.log, ['sweep', 'start web']);
});

test('what was suspended when the machine went down runs again', async () => {
  const before = await left({ web: {} });
  await before.supervisor.suspend('web');
  before.runtime.running.clear();
  const { supervisor } = before.again({ bootId: 'boot-2' });
  await supervisor.boot();
  assert.equal(supervisor.show('web').state, 'running');
});

test('an app that had failed stays failed, with its reason', async () => {
  const before = await left({ web: { annotations: { 'restart-limit': '1' } } });
  for (let turn = 0; turn < 2; turn += 1) {
    before.runtime.exit('web', { exitCode: 1 });
    await settle();
  }
  assert.equal(before.supervisor.show('web').state, 'failed');
  for (const bootId of ['boot-1', 'boot-2']) {
    const { supervisor } = before.again({ bootId });
    await supervisor.boot();
    const { state, reason } = supervisor.show('web');
    assert.deepEqual([state, reason?.code], ['failed', 'restart-limit']);
    assert.equal(before.runtime.running.size, 0);
  }
});

test('a stop that was under way is finished by the next daemon', async () => {
  const before = await left({ web: {}, gone: {} });
  before.runtime.deaf.add('web').add('gone');
  for (const app of ['web', 'gone']) before.supervisor.stop(app).catch(() => undefined);
  await settle();
  before.runtime.deaf.clear();
  endUnseen(before, 'gone', { exitCode: 143 });
  const { supervisor } = before.again();
  await supervisor.boot();
  await settle();
  for (const app of ['web', 'gone']) {
    const { state, reason } = supervisor.show(app);
    assert.deepEqual([state, reason?.code], ['stopped', 'stopped'], app);
  }
});

test('an instance that a dead daemon had not yet recorded is swept away, and there is never a second one', async () => {
  const before = stage({ web: {} });
  before.store.fault = new Error('the daemon is dead');
  await before.supervisor.boot();
  assert.equal(before.runtime.of('web').length, 1);
  before.store.fault = undefined;
  const { supervisor, runtime } = before.again();
  await supervisor.boot();
  assert.equal(supervisor.show('web').state, 'running');
  assert.deepEqual([runtime.of('web').length, runtime.mostOfOneApp], [1, 1]);
});

test('an instance that cannot be taken over is swept away and replaced', async () => {
  const before = await left({ web: {} });
  before.runtime.before = (what) => {
    if (what === 'adopt web') throw new BerthError('runtime', 'no state');
  };
  const { supervisor, runtime, events } = before.again();
  await supervisor.boot();
  assert.equal(supervisor.show('web').state, 'running');
  assert.equal(runtime.mostOfOneApp, 1);
  assert.match(events.find(({ type }) => type === 'app.warning')?.message ?? '', /cannot be taken over.*no state/);
});

test('a command that comes before everything was taken over waits for that', async () => {
  const before = await left({ web: {} });
  const { supervisor, runtime } = before.again();
  const restarted = supervisor.restart('web');
  await supervisor.boot();
  assert.equal((await restarted).state, 'running');
  assert.equal(runtime.log[0], 'adopt web');
  assert.equal(runtime.mostOfOneApp, 1);
});

test('apps start in dependency order, and one broken app holds nobody up', async () => {
  const broken = { broken: new BerthError('bad_package', 'no config.json') };
  const set = stage({ client: { dependsOn: ['broker'] }, broker: {}, late: { annotations: { 'start-after': 'client,broken' } }, broken });
  await set.supervisor.boot();
  assert.deepEqual(starts(set), ['broker', 'client', 'late']);
  assert.equal(set.supervisor.show('broken').state, 'failed');
});

test('an app waits until the one before it is healthy', async () => {
  const set = stage({ client: { dependsOn: ['broker'] }, broker: { annotations: health } });
  const booted = set.supervisor.boot();
  await set.clock.advance(1000);
  assert.deepEqual(starts(set), ['broker']);
  set.runtime.sessions[0]!.finish(0);
  await booted;
  assert.deepEqual(starts(set), ['broker', 'client']);
});

test('an app does not wait longer than its time, and it is told', async () => {
  const set = stage({ client: { dependsOn: ['broker'] }, broker: { annotations: { ...health, 'health.retries': '100' } } });
  const booted = set.supervisor.boot();
  await set.clock.advance(dependencyWaitMs - 1);
  assert.deepEqual(starts(set), ['broker']);
  await set.clock.advance(1);
  await booted;
  assert.deepEqual(starts(set), ['broker', 'client']);
  assert.equal(set.events.find(({ type }) => type === 'app.warning')?.message, 'client starts although broker is not ready after 30s');
});

test('an app does not wait for one that has ended once', async () => {
  const set = stage({ client: { dependsOn: ['broker'] }, broker: { annotations: health } });
  const booted = set.supervisor.boot();
  await settle();
  set.runtime.exit('broker', { exitCode: 1 });
  await booted;
  assert.ok(starts(set).includes('client'));
});

test('a start that hangs holds up only those that depend on it, and those not for ever', async () => {
  const set = stage({ hung: {}, client: { dependsOn: ['hung'] }, a: {}, b: {} }, { parallelStarts: 2 });
  set.runtime.before = async (what) => (what === 'start hung' ? new Promise(() => undefined) : undefined);
  const booted = set.supervisor.boot();
  await settle();
  assert.deepEqual(starts(set).toSorted(), ['a', 'b', 'hung']);
  await set.clock.advance(dependencyWaitMs);
  await booted;
  assert.equal(set.supervisor.show('client').state, 'running');
});

test('apps that wait for each other all start, with a warning', async () => {
  const set = stage({ a: { dependsOn: ['b'] }, b: { dependsOn: ['a'] } });
  await set.supervisor.boot();
  assert.deepEqual(starts(set), ['b', 'a']);
  assert.match(set.events.find(({ type }) => type === 'app.warning')?.message ?? '', /wait for each other/);
});

test('no more starts are under way at a time than allowed', async () => {
  const set = stage(Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`app-${index}`, {}])), { parallelStarts: 3 });
  set.runtime.before = async (what) => (what.startsWith('start') ? settle() : undefined);
  await set.supervisor.boot();
  assert.equal(set.runtime.mostStarts, 3);
  assert.equal(set.runtime.running.size, 20);
});

test('an app that a person stops while it waits for its turn is not started', async () => {
  const set = stage({ client: { dependsOn: ['broker'] }, broker: { annotations: health } });
  const booted = set.supervisor.boot();
  await settle();
  await set.supervisor.stop('client');
  await set.clock.advance(1000);
  set.runtime.sessions[0]!.finish(0);
  await booted;
  assert.equal(set.supervisor.show('client').state, 'stopped');
});

test('shutdown stops in reverse order and leaves what is desired', async () => {
  const set = await left({ client: { dependsOn: ['broker'] }, broker: {}, off: { row: { desired: 'stopped' } } });
  await set.supervisor.shutdown({ deadlineMs: 60_000 });
  const signals = set.runtime.log.filter((line) => line.startsWith('signal'));
  assert.deepEqual(signals, ['signal client SIGTERM', 'signal broker SIGTERM']);
  assert.deepEqual([set.store.app('client')!.desired, set.supervisor.show('client').reason?.code], ['running', 'shutdown']);
  assert.equal(set.clock.pending, 0);
  await assert.rejects(set.supervisor.start('client'), /shutting down/);
  const { supervisor } = set.again({ bootId: 'boot-2' });
  await supervisor.boot();
  assert.deepEqual(supervisor.list().map(({ state }) => state), ['running', 'running', 'stopped']);
  assert.equal(supervisor.show('client').restarts, 0);
});

test('at the deadline of the shutdown everything is killed, also what was not yet asked', async () => {
  const set = await left({ client: { dependsOn: ['broker'] }, broker: {} });
  set.runtime.deaf.add('client').add('broker');
  const done = set.supervisor.shutdown({ deadlineMs: 2000 });
  await set.clock.advance(2000);
  await done;
  assert.equal(set.runtime.running.size, 0);
  assert.equal(set.supervisor.show('broker').lastExit?.reason.code, 'shutdown');
});

test('a shutdown ends although an app outlives SIGKILL', async () => {
  const set = await left({ web: {}, other: {} });
  set.runtime.undying.add('web');
  const done = set.supervisor.shutdown({ deadlineMs: 2000 });
  await set.clock.advance(2000 + lastWaitMs);
  await done;
  assert.equal(set.supervisor.show('other').state, 'stopped');
  assert.match(set.events.at(-1)!.message, /web did not end/);
});

test('a shutdown during the boot starts nothing more', async () => {
  const set = stage({ client: { dependsOn: ['broker'] }, broker: { annotations: health } });
  const booted = set.supervisor.boot();
  await settle();
  await set.supervisor.shutdown({ deadlineMs: 1000 });
  await booted;
  assert.equal(set.runtime.running.size, 0);
  assert.deepEqual(starts(set), ['broker']);
});

test('detach lets everything run, finishes and records what is being started, and keeps no timer', async () => {
  const set = stage({ web: { annotations: health }, slow: { row: { desired: 'stopped' } }, crashed: {} });
  await set.supervisor.boot();
  for (let turn = 0; turn < 2; turn += 1) {
    set.runtime.exit('crashed', { exitCode: 1 });
    await settle();
  }
  assert.equal(set.supervisor.show('crashed').state, 'backoff');
  const { promise, resolve } = Promise.withResolvers<void>();
  set.runtime.before = (what) => (what === 'start slow' ? promise : undefined);
  const started = assert.rejects(set.supervisor.start('slow'), /berthd is ending/);
  await settle();
  const detached = set.supervisor.detach();
  await started;
  resolve();
  await detached;
  assert.equal(set.clock.pending, 0);
  assert.notEqual(set.store.app('slow')!.instance, null);
  await assert.rejects(set.supervisor.stop('web'), /berthd is ending/);
  const { supervisor, runtime } = set.again();
  await supervisor.boot();
  assert.deepEqual(supervisor.list().map(({ state }) => state), ['running', 'running', 'running']);
  assert.equal(runtime.mostOfOneApp, 1);
});

test('detach does not begin a start that was still to come', async () => {
  const set = await left({ web: {} });
  const { promise, resolve } = Promise.withResolvers<void>();
  set.runtime.before = (what) => (what === 'remove' ? promise : undefined);
  set.runtime.exit('web', { exitCode: 1 });
  const detached = set.supervisor.detach();
  resolve();
  await detached;
  assert.deepEqual(set.runtime.log, ['remove']);
  const { supervisor } = set.again();
  await supervisor.boot();
  assert.equal(supervisor.show('web').state, 'running');
});
