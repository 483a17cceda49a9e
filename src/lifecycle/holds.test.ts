import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../lib/handclock.ts';
import { booted, isOver, replaceImage, type Stage } from './fakes.ts';
import { killTimeoutMs } from './kill.ts';
import type { AppStateName } from './types.ts';

const health = { 'health.command': '["/bin/check"]' };

function state(set: Stage, app = 'web'): AppStateName {
  return set.supervisor.show(app).state;
}

async function crash(set: Stage, app = 'web'): Promise<void> {
  set.runtime.exit(app, { exitCode: 1 });
  await settle();
}

test('what an update halts and releases runs again, and what is desired never changes', async () => {
  const set = await booted();
  set.supervisor.hold(['web']);
  assert.equal(state(set), 'running', 'a hold alone stops nothing');
  await set.supervisor.halt(['web']);
  const halted = set.supervisor.show('web');
  assert.deepEqual([halted.state, halted.desired, halted.reason?.code, halted.lastExit?.reason.code], ['stopped', 'running', 'updating', 'updating']);
  assert.equal(halted.lastExit?.reason.message, 'stopped for an update (exited with code 0)');
  await set.supervisor.release(['web']);
  const { state: after, desired, restarts } = set.supervisor.show('web');
  assert.deepEqual([after, desired, restarts], ['running', 'running', 0]);
  assert.deepEqual(set.runtime.log, ['signal web SIGTERM', 'remove', 'start web']);
  assert.deepEqual(set.states('web').slice(-4), ['running→stopping', 'stopping→stopped', 'stopped→starting', 'starting→running']);
  assert.ok(set.store.writes.every(({ change }) => !('desired' in change)));
  assert.equal(set.clock.pending, 0);
});

test('apps are halted in the reverse order of start and released in order, and others are left alone', async () => {
  const set = await booted({ client: { dependsOn: ['middle'] }, middle: { dependsOn: ['broker'] }, broker: { annotations: health }, other: {} });
  const names = ['broker', 'client'];
  set.supervisor.hold(names);
  await set.supervisor.halt(names);
  assert.deepEqual(set.runtime.log.filter((line) => line.startsWith('signal')), ['signal client SIGTERM', 'signal broker SIGTERM']);
  set.runtime.log.length = 0;
  const released = set.supervisor.release(names);
  const byHand = set.supervisor.start('client');
  await settle();
  assert.deepEqual(set.runtime.log, ['start broker'], 'also what a person starts waits for its turn');
  await set.clock.advance(1000);
  set.runtime.sessions.at(-1)!.finish(0);
  await Promise.all([released, byHand]);
  assert.deepEqual(set.runtime.log.filter((line) => line.startsWith('start')), ['start broker', 'start client']);
  assert.deepEqual([state(set, 'middle'), state(set, 'other')], ['running', 'running']);
});

test('independent apps are halted side by side', async () => {
  const set = await booted({ slow: { annotations: { 'stop-timeout': '5s' } }, quick: {} });
  set.runtime.deaf.add('slow');
  const halted = set.supervisor.halt(['slow', 'quick']);
  await settle();
  assert.deepEqual([state(set, 'slow'), state(set, 'quick')], ['stopping', 'stopped']);
  await set.clock.advance(5000);
  await halted;
  assert.equal(set.supervisor.show('slow').lastExit?.reason.code, 'stop-timeout');
});

for (const command of ['stop', 'kill'] as const) {
  for (const moment of ['before it is halted', 'while it is halted', 'after'] as const) {
    test(`an app that a person ${command}s ${moment} stays stopped`, async () => {
      const set = await booted();
      set.supervisor.hold(['web']);
      if (moment === 'before it is halted') await set.supervisor[command]('web');
      if (moment === 'while it is halted') set.runtime.deaf.add('web');
      const halted = set.supervisor.halt(['web']);
      await settle();
      const stopped = set.supervisor[command]('web');
      await set.clock.advance(10_000);
      await Promise.all([halted, stopped]);
      await set.supervisor.release(['web']);
      assert.deepEqual([state(set), set.store.app('web')!.desired], ['stopped', 'stopped']);
      assert.ok(!set.runtime.log.includes('start web'));
    });
  }
}

for (const command of ['start', 'restart'] as const) {
  test(`a ${command} by a person waits for the release, and is one start only`, async () => {
    const set = await booted();
    set.supervisor.hold(['web']);
    await set.supervisor.halt(['web']);
    const started = set.supervisor[command]('web');
    assert.equal(await isOver(started), false);
    await set.supervisor.release(['web']);
    assert.equal((await started).state, 'running');
    assert.deepEqual(set.runtime.log, ['signal web SIGTERM', 'remove', 'start web']);
  });

  test(`a ${command} of a stopped app that is held happens after the release`, async () => {
    const set = await booted({ web: { row: { desired: 'stopped' } } });
    set.supervisor.hold(['web']);
    await set.supervisor.halt(['web']);
    const started = set.supervisor[command]('web');
    await settle();
    assert.equal(set.store.app('web')!.desired, 'stopped', 'nothing has been done yet');
    await set.supervisor.release(['web']);
    assert.deepEqual([(await started).state, set.store.app('web')!.desired], ['running', 'running']);
  });

  test(`a stop takes a ${command} back that waits for the release`, async () => {
    const set = await booted();
    set.supervisor.hold(['web']);
    await set.supervisor.halt(['web']);
    const started = assert.rejects(set.supervisor[command]('web'), { code: 'cancelled', message: /web: it was stopped before/ });
    await settle();
    await set.supervisor.stop('web');
    await started;
    const again = set.supervisor.start('web');
    assert.equal(await isOver(again), false, 'a start after that waits anew');
    await set.supervisor.stop('web');
    await assert.rejects(again, { code: 'cancelled' });
    await set.supervisor.release(['web']);
    assert.equal(state(set), 'stopped');
  });
}

test('a restart of an app that was held but not halted happens after the release', async () => {
  const set = await booted();
  const before = set.supervisor.show('web').instance?.id;
  set.supervisor.hold(['web']);
  const restarted = set.supervisor.restart('web');
  assert.equal(await isOver(restarted), false);
  await set.supervisor.release(['web']);
  assert.notEqual((await restarted).instance?.id, before);
});

test('a held app that crashes is not restarted before it is halted, nor after; only by the release', async () => {
  const set = await booted();
  set.supervisor.hold(['web']);
  await crash(set);
  assert.deepEqual([state(set), set.supervisor.show('web').reason?.code], ['stopped', 'updating']);
  await set.supervisor.halt(['web']);
  await set.clock.advance(3_600_000);
  assert.equal(set.runtime.running.size, 0);
  await set.supervisor.release(['web']);
  assert.equal(state(set), 'running');
});

test('a held app is not restarted when the wait before its restart is over; only by the release', async () => {
  const set = await booted();
  await crash(set);
  await crash(set);
  assert.equal(state(set), 'backoff');
  set.supervisor.hold(['web']);
  await set.clock.advance(1000);
  assert.equal(state(set), 'stopped');
  await set.supervisor.release(['web']);
  assert.equal(state(set), 'running');
});

test('an app in backoff is halted at once, and starts with the release', async () => {
  const set = await booted();
  await crash(set);
  await crash(set);
  set.supervisor.hold(['web']);
  await set.supervisor.halt(['web']);
  assert.deepEqual([state(set), set.clock.pending], ['stopped', 0]);
  await set.supervisor.release(['web']);
  assert.equal(state(set), 'running');
});

test('what had failed or done its work stays so, unless its image is another one now', async () => {
  const set = await booted({ bad: { annotations: { 'restart-limit': '1' } }, job: {} });
  await crash(set, 'bad');
  await crash(set, 'bad');
  set.runtime.exit('job', { exitCode: 0 });
  const names = ['bad', 'job'];
  const states = (): AppStateName[] => names.map((name) => state(set, name));
  set.supervisor.hold(names);
  await set.supervisor.halt(names);
  await set.supervisor.release(names);
  assert.deepEqual(states(), ['failed', 'stopped']);
  set.supervisor.hold(names);
  for (const name of names) replaceImage(set, name);
  await set.supervisor.release(names);
  assert.deepEqual(states(), ['running', 'running']);
  await settle();
  assert.equal(set.store.app('bad')!.failed, false);
});

test('a start that a person gave to an app that had done its work is not lost when a hold comes in between', async () => {
  const set = await booted();
  set.runtime.exit('web', { exitCode: 0 });
  const started = assert.rejects(set.supervisor.start('web'), { code: 'cancelled' });
  // The start is under way, but nothing has been made yet.
  await Promise.resolve();
  set.supervisor.hold(['web']);
  await started;
  await set.supervisor.release(['web']);
  assert.equal(state(set), 'running');
});

test('a suspended app is thawed to be halted, and runs after the release; without a halt it stays suspended', async () => {
  const set = await booted();
  await set.supervisor.suspend('web');
  set.supervisor.hold(['web']);
  await set.supervisor.release(['web']);
  assert.equal(state(set), 'suspended');
  set.supervisor.hold(['web']);
  await set.supervisor.halt(['web']);
  assert.deepEqual(set.runtime.log.slice(1), ['signal web SIGTERM', 'resume web', 'remove']);
  await set.supervisor.release(['web']);
  assert.equal(state(set), 'running');
});

test('an app that is being started is halted when it is there, and started by the release', async () => {
  const set = await booted({ web: { row: { desired: 'stopped' } } });
  const { promise, resolve } = Promise.withResolvers<void>();
  set.runtime.before = (what) => (what === 'start web' ? promise : undefined);
  const started = assert.rejects(set.supervisor.start('web'), { code: 'cancelled' });
  await settle();
  set.supervisor.hold(['web']);
  const halted = set.supervisor.halt(['web']);
  assert.equal(await isOver(halted), false);
  resolve();
  await Promise.all([started, halted]);
  assert.equal(set.runtime.running.size, 0);
  await set.supervisor.release(['web']);
  assert.equal(state(set), 'running');
});

test('whoever halts an app that outlives SIGKILL is told, after the others were halted; released, it starts when it has ended', async () => {
  const set = await booted({ web: { dependsOn: ['broker'] }, broker: {} });
  set.runtime.undying.add('web');
  const names = ['web', 'broker'];
  set.supervisor.hold(names);
  const halted = assert.rejects(set.supervisor.halt(names), { code: 'timeout', message: /app web did not end within 10s of SIGKILL/ });
  await set.clock.advance(10_000 + killTimeoutMs);
  await halted;
  assert.deepEqual([state(set), state(set, 'broker')], ['stopping', 'stopped']);
  await set.supervisor.release(names);
  assert.equal(state(set, 'broker'), 'running');
  set.runtime.exit('web', { signal: 'SIGKILL' });
  await settle();
  assert.equal(state(set), 'running');
});

test('an app that outlives SIGKILL and that a person killed stays stopped when it ends after the release', async () => {
  const set = await booted();
  set.runtime.undying.add('web');
  set.supervisor.hold(['web']);
  const halted = assert.rejects(set.supervisor.halt(['web']), { code: 'timeout' });
  const killed = assert.rejects(set.supervisor.kill('web'), { code: 'timeout' });
  await set.clock.advance(killTimeoutMs);
  await Promise.all([halted, killed]);
  await set.supervisor.release(['web']);
  set.runtime.exit('web', { signal: 'SIGKILL' });
  await settle();
  assert.equal(state(set), 'stopped');
});

test('what is held anew while it is being released stays held', async () => {
  const set = await booted({ client: { dependsOn: ['broker'] }, broker: { annotations: health } });
  const names = ['client', 'broker'];
  set.supervisor.hold(names);
  await set.supervisor.halt(names);
  const first = set.supervisor.release(names);
  await settle();
  assert.equal(state(set, 'broker'), 'running');
  set.supervisor.hold(names);
  await set.supervisor.halt(names);
  await first;
  const started = set.supervisor.start('client');
  assert.equal(await isOver(started), false);
  assert.equal(set.runtime.running.size, 0);
  const second = set.supervisor.release(names);
  await set.clock.advance(1000);
  set.runtime.sessions.at(-1)!.finish(0);
  await Promise.all([second, started]);
  assert.equal(set.runtime.mostOfOneApp, 1);
});

test('an app whose start fails after an update does not hold up the release', async () => {
  const set = await booted({ web: {}, other: { dependsOn: ['web'] } });
  const names = ['web', 'other'];
  set.supervisor.hold(names);
  await set.supervisor.halt(names);
  set.runtime.before = (what) => {
    if (what === 'start web') throw new Error('no such file');
  };
  await set.supervisor.release(names);
  assert.deepEqual([state(set), state(set, 'other')], ['backoff', 'running']);
});
