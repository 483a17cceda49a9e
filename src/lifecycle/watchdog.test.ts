import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../lib/handclock.ts';
import { type Stage, stage } from './fakes.ts';

/** One app `web` that runs and must be fed every 10 s. */
async function watched(annotations: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const set = stage({ web: { annotations: { watchdog: '10s', ...annotations } } });
  await set.supervisor.boot();
  return set;
}

const restarts = (set: Stage): number => set.supervisor.show('web').restarts;

test('an app whose watchdog is not fed is stopped and restarted as the restart policy says, with the reason', async () => {
  const set = await watched();
  assert.equal(set.supervisor.show('web').watchdogMs, 10_000);
  await set.clock.advance(9999);
  assert.equal(restarts(set), 0);
  await set.clock.advance(1);
  const { state, lastExit } = set.supervisor.show('web');
  assert.deepEqual([state, restarts(set)], ['running', 1]);
  assert.deepEqual([lastExit?.reason.code, lastExit?.reason.message], ['watchdog', 'its watchdog was not fed for 10s']);
  assert.deepEqual(set.runtime.log.slice(1), ['start web', 'signal web SIGTERM', 'remove', 'start web']);
  await set.clock.advance(10_000);
  assert.equal(set.supervisor.show('web').state, 'backoff', 'the new instance has a watchdog too');
  assert.equal(set.clock.pending, 1, 'only the wait');
});

test('an app that hangs altogether is killed, and it is still its watchdog that the reason tells', async () => {
  const set = await watched({ 'stop-timeout': '2s' });
  set.runtime.deaf.add('web');
  await set.clock.advance(12_000);
  const { lastExit } = set.supervisor.show('web');
  assert.deepEqual([lastExit?.signal, lastExit?.reason.code], ['SIGKILL', 'watchdog']);
});

test('an app that never restarts is stopped by its watchdog all the same', async () => {
  const set = await watched({ restart: 'never' });
  await set.clock.advance(10_000);
  const { state, reason } = set.supervisor.show('web');
  assert.deepEqual([state, reason?.code], ['stopped', 'watchdog']);
  set.supervisor.feedWatchdog('web');
  assert.equal(set.clock.pending, 0);
});

test('each feeding begins the time anew', async () => {
  const set = await watched();
  for (let turn = 0; turn < 5; turn += 1) {
    await set.clock.advance(9999);
    set.supervisor.feedWatchdog('web');
  }
  assert.equal(restarts(set), 0);
  await set.clock.advance(10_000);
  assert.equal(restarts(set), 1);
});

test('the time stands still while the app is suspended', async () => {
  const set = await watched();
  await set.clock.advance(6000);
  await set.supervisor.suspend('web');
  assert.equal(set.clock.pending, 0);
  await set.clock.advance(3_600_000);
  await set.supervisor.resume('web');
  await set.clock.advance(3999);
  assert.equal(restarts(set), 0);
  await set.clock.advance(1);
  assert.equal(restarts(set), 1);
});

test('what was fed before the suspension but came late counts', async () => {
  const set = await watched();
  await set.clock.advance(6000);
  await set.supervisor.suspend('web');
  set.supervisor.feedWatchdog('web');
  await set.supervisor.resume('web');
  await set.clock.advance(9999);
  assert.equal(restarts(set), 0);
});

test('a stopped app has no watchdog that bites, and one that is stopping is not fed back to life', async () => {
  const set = await watched();
  set.runtime.deaf.add('web');
  void set.supervisor.stop('web');
  await settle();
  set.supervisor.feedWatchdog('web');
  await set.clock.advance(60_000);
  assert.equal(set.supervisor.show('web').state, 'stopped');
  assert.equal(restarts(set), 0);
  assert.equal(set.clock.pending, 0);
});

test('an app that a new daemon has taken over has its whole time', async () => {
  const before = await watched();
  await before.clock.advance(9000);
  const set = before.again();
  await set.supervisor.boot();
  await set.clock.advance(9999);
  assert.equal(restarts(set), 0);
  await set.clock.advance(1);
  assert.equal(restarts(set), 1);
});

test('an app with health check and watchdog is watched for both', async () => {
  const set = await watched({ 'health.command': '["/bin/check"]', 'health.interval': '1h' });
  await set.clock.advance(1000);
  set.runtime.sessions[0]!.finish(0);
  await settle();
  assert.equal(set.supervisor.show('web').health, 'healthy');
  await set.clock.advance(9000);
  assert.equal(set.supervisor.show('web').lastExit?.reason.code, 'watchdog');
});

test('only what declares a watchdog can be fed', async () => {
  const set = stage({ web: {} });
  await set.supervisor.boot();
  assert.throws(() => { set.supervisor.feedWatchdog('web'); }, { code: 'conflict', message: /web.*org\.berth\.watchdog/ });
  assert.throws(() => { set.supervisor.feedWatchdog('nope'); }, { code: 'not_found', message: /nope/ });
  assert.equal('watchdogMs' in set.supervisor.show('web'), false);
});
