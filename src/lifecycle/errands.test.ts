import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { settle } from '../lib/handclock.ts';
import { fakeRow, type Stage, stage } from './fakes.ts';
import { killTimeoutMs } from './kill.ts';
import type { RunOnceOptions, RunOnceResult } from './types.ts';

const command = ['/bin/migrate', '--all'];

/** One app `web`, held and halted. */
async function halted(): Promise<Stage> {
  const set = stage({ web: {} });
  await set.supervisor.boot();
  set.supervisor.hold(['web', 'new']);
  await set.supervisor.halt(['web']);
  set.runtime.log.length = 0;
  return set;
}

async function run(set: Stage, options: Partial<RunOnceOptions> = {}, app = 'web'): Promise<RunOnceResult> {
  return set.supervisor.runOnce(fakeRow(app), command, { timeoutMs: 1000, ...options });
}

function assertNothingLeft(set: Stage): void {
  assert.equal(set.runtime.running.size, 0);
  assert.equal(set.runtime.log.at(-1), 'remove');
  assert.equal(set.clock.pending, 0);
}

test('a command runs in place of the app with its other settings, its exit is told, and nothing is left', async () => {
  const set = await halted();
  const writes = set.store.writes.length;
  const controller = new AbortController();
  const ran = run(set, { signal: controller.signal });
  await settle();
  const { id, app, config } = set.runtime.specs.at(-1)!;
  assert.deepEqual({ app, config }, { app: 'web', config: { process: { args: command, cwd: '/' } } });
  set.runtime.exit('web', { exitCode: 3 });
  assert.deepEqual(await ran, { exitCode: 3, timedOut: false });
  assert.deepEqual(set.runtime.log, ['start web', 'remove']);
  assert.ok(set.runtime.removed.has(id));
  controller.abort();
  assertNothingLeft(set);
  assert.equal(set.store.writes.length, writes, 'the database never hears of it');
  assert.equal(set.supervisor.show('web').lastExit?.reason.code, 'updating', 'its end is not one of the app');
});

test('the app need not be known', async () => {
  const set = await halted();
  const ran = run(set, {}, 'new');
  await settle();
  set.runtime.exit('new', { signal: 'SIGSEGV' });
  assert.deepEqual(await ran, { signal: 'SIGSEGV', timedOut: false });
  assertNothingLeft(set);
});

test('a command that takes too long is killed, which is told', async () => {
  const set = await halted();
  const ran = run(set);
  await set.clock.advance(999);
  assert.equal(set.runtime.running.size, 1);
  await set.clock.advance(1);
  assert.deepEqual(await ran, { signal: 'SIGKILL', timedOut: true });
  assertNothingLeft(set);
});

for (const moment of ['before', 'while it starts', 'while it runs'] as const) {
  test(`a command is broken off ${moment}`, async () => {
    const set = await halted();
    const controller = new AbortController();
    const start = Promise.withResolvers<void>();
    if (moment === 'before') controller.abort();
    if (moment === 'while it starts') set.runtime.before = (what) => (what === 'start web' ? start.promise : undefined);
    const ran = assert.rejects(run(set, { signal: controller.signal }), { code: 'cancelled', message: /web: \/bin\/migrate was broken off/ });
    await settle();
    controller.abort();
    start.resolve();
    await ran;
    assert.equal(set.runtime.running.size, 0);
    assert.equal(set.clock.pending, 0);
    assert.equal(set.runtime.log.includes('start web'), moment !== 'before');
    assert.equal(set.runtime.log.includes('remove'), moment !== 'before');
  });
}

test('a start that fails is told, and what it made is taken away', async () => {
  const set = await halted();
  set.runtime.before = (what) => {
    if (what === 'start web') throw new BerthError('runtime', 'exec: "/bin/migrate": no such file');
  };
  await assert.rejects(run(set), { code: 'runtime', message: /no such file/ });
  assertNothingLeft(set);
});

test('a command that outlives SIGKILL is given up, and what cannot be taken away is a warning', async () => {
  const set = await halted();
  set.runtime.undying.add('web');
  set.runtime.before = (what) => {
    if (what === 'remove') throw new BerthError('runtime', 'container is still running');
  };
  const ran = assert.rejects(run(set), { code: 'timeout', message: /migrate did not end within 10s of SIGKILL/ });
  await set.clock.advance(1000 + killTimeoutMs);
  await ran;
  assert.equal(set.clock.pending, 0);
  assert.match(set.events.at(-1)!.message, /container is still running/);
});

test('it does not run beside the app, nor in place of one that may be started', async () => {
  const set = stage({ web: {} });
  await set.supervisor.boot();
  set.supervisor.hold(['web']);
  await assert.rejects(run(set), { code: 'conflict', message: /web is running/ });
  await set.supervisor.stop('web');
  void set.supervisor.release(['web']);
  await settle();
  await assert.rejects(run(set), { code: 'internal', message: /while it is held/ });
  assert.deepEqual(set.runtime.log.filter((line) => line === 'start web'), ['start web']);
});

for (const way of ['detach', 'shutdown'] as const) {
  test(`a ${way} kills it and waits until it is gone`, async () => {
    const set = await halted();
    const ran = assert.rejects(run(set), { code: 'cancelled' });
    await settle();
    await (way === 'detach' ? set.supervisor.detach() : set.supervisor.shutdown({ deadlineMs: 1000 }));
    assertNothingLeft(set);
    await ran;
    await assert.rejects(run(set), { code: 'unavailable' });
  });
}

test('what a dead daemon left of it is swept away by the next one', async () => {
  const set = await halted();
  void run(set).catch(() => undefined);
  await settle();
  assert.equal(set.runtime.running.size, 1);
  const { supervisor, runtime } = set.again();
  supervisor.hold(['web']);
  await supervisor.boot();
  assert.equal(runtime.running.size, 0);
});
