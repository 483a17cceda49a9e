import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../lib/handclock.ts';
import { maxCheckOutput } from './check.ts';
import { fakeSettings, stage } from './fakes.ts';
import { judgeCheck, nextCheckMs, type Pulse } from './health.ts';

const annotations = {
  'health.command': '["/bin/check"]',
  'health.interval': '10s',
  'health.timeout': '2s',
  'health.retries': '2',
  'health.start-period': '20s',
};
const check = fakeSettings(annotations).health!;

async function running(change: Readonly<Record<string, string>> = {}): Promise<ReturnType<typeof stage>> {
  const set = stage({ web: { annotations: { ...annotations, ...change } } });
  await set.supervisor.boot();
  return set;
}

test('until its first success an app has its start period and its retries to become healthy', () => {
  const starting: Pulse = { health: 'starting', failures: 7 };
  assert.equal(judgeCheck(starting, false, 39_999, check).health, 'starting');
  assert.equal(judgeCheck(starting, false, 40_000, check).health, 'unhealthy');
  assert.deepEqual(judgeCheck(starting, true, 1, check), { health: 'healthy', failures: 0 });
});

test('after that, failures in a row make it unhealthy', () => {
  const once = judgeCheck({ health: 'healthy', failures: 0 }, false, 1e9, check);
  assert.deepEqual(once, { health: 'healthy', failures: 1 });
  assert.equal(judgeCheck(once, false, 1e9, check).health, 'unhealthy');
  assert.deepEqual(judgeCheck(once, true, 1e9, check), { health: 'healthy', failures: 0 });
});

test('the first checks come soon, further ones each interval', () => {
  const waits = [0, 1, 2, 3, 4, 5].map((failures) => nextCheckMs({ health: 'starting', failures }, check));
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 10_000, 10_000]);
  assert.equal(nextCheckMs({ health: 'healthy', failures: 1 }, check), 10_000);
});

test('an app without a check has no health and no timer', async () => {
  const { supervisor, clock } = stage({ web: {} });
  await supervisor.boot();
  assert.equal(supervisor.show('web').health, 'none');
  assert.equal(clock.pending, 0);
});

test('a check that passes makes the app healthy, and is told once', async () => {
  const { supervisor, runtime, clock, events } = await running();
  assert.equal(supervisor.show('web').health, 'starting');
  await clock.advance(1000);
  assert.deepEqual(runtime.sessions[0]!.spec, { command: ['/bin/check'] });
  runtime.sessions[0]!.finish(0);
  await settle();
  assert.equal(supervisor.show('web').health, 'healthy');
  await clock.advance(10_000);
  runtime.sessions[1]!.finish(0);
  await settle();
  assert.equal(events.filter(({ type }) => type === 'app.health').length, 1);
});

test('an unhealthy app is stopped and started again, with its reason and what the check said', async () => {
  const { supervisor, runtime, clock, events, states } = await running();
  for (const [index, code] of [0, 1, 1].entries()) {
    await clock.advance(index === 0 ? 1000 : 10_000);
    runtime.sessions[index]!.finish(code, code === 0 ? '' : 'no answer on port 80');
    await settle();
  }
  const status = supervisor.show('web');
  assert.equal(status.state, 'running');
  assert.equal(status.restarts, 1);
  assert.equal(status.lastExit?.reason.code, 'unhealthy');
  assert.match(status.lastExit?.reason.message ?? '', /no answer on port 80/);
  assert.deepEqual(states('web').slice(-3), ['running→stopping', 'stopping→starting', 'starting→running']);
  assert.ok(runtime.log.includes('signal web SIGTERM'));
  const told = events.findLast(({ type, message }) => type === 'app.health' && message.includes('unhealthy'));
  assert.deepEqual(told?.detail, { health: 'unhealthy', output: 'no answer on port 80' });
});

test('an unhealthy app that is deaf to its stop signal is killed; the reason is still its health', async () => {
  const { supervisor, runtime, clock } = await running({ 'health.retries': '1', 'health.start-period': '0s', restart: 'never', 'stop-timeout': '5s' });
  runtime.deaf.add('web');
  await clock.advance(1000);
  runtime.sessions[0]!.finish(0);
  await clock.advance(10_000);
  runtime.sessions[1]!.finish(1);
  await settle();
  assert.equal(supervisor.show('web').state, 'stopping');
  assert.equal(supervisor.show('web').health, 'unhealthy');
  await clock.advance(5000);
  const { state, lastExit } = supervisor.show('web');
  assert.deepEqual([state, lastExit?.reason.code, lastExit?.signal], ['stopped', 'unhealthy', 'SIGKILL']);
});

test('what a check prints is read to its end but kept only in part', async () => {
  const { runtime, clock, events } = await running({ 'health.retries': '1', 'health.start-period': '0s', 'health.interval': '1s' });
  await clock.advance(1000);
  runtime.sessions[0]!.finish(1, 'x'.repeat(1_000_000));
  await new Promise(setImmediate);
  await settle();
  const told = events.find(({ type }) => type === 'app.health');
  assert.equal((told!.detail as { output: string }).output.length, maxCheckOutput);
});

test('a check that takes too long is killed and counts as failed; the next does not begin beside it', async () => {
  const { supervisor, runtime, clock, events } = await running();
  await clock.advance(1000);
  runtime.sessions[0]!.finish(0);
  await clock.advance(10_000);
  assert.equal(runtime.sessions[1]!.killed, false);
  await clock.advance(2000);
  assert.equal(runtime.sessions[1]!.killed, true);
  await clock.advance(9999);
  assert.equal(supervisor.show('web').health, 'healthy');
  await clock.advance(1);
  assert.equal(runtime.sessions.length, 2, 'no third check beside one that does not end');
  assert.match(JSON.stringify(events.findLast(({ type }) => type === 'app.health')?.detail), /still not ended/);
  assert.equal(supervisor.show('web').lastExit?.reason.code, 'unhealthy');
});

test('a check whose command cannot be run has failed', async () => {
  const { supervisor, runtime, clock } = await running({ 'health.retries': '1', 'health.start-period': '0s', 'health.interval': '1s' });
  runtime.before = (what) => {
    if (what === 'exec web') throw new Error('no such file: /bin/check');
  };
  await clock.advance(1000);
  assert.match(supervisor.show('web').lastExit?.reason.message ?? '', /no such file/);
});

test('while an app is suspended nothing is checked and no time passes', async () => {
  const { supervisor, runtime, clock } = await running({ 'health.start-period': '0s' });
  await clock.advance(1000);
  await supervisor.suspend('web');
  assert.equal(runtime.sessions[0]!.killed, true, 'the check under way is ended');
  assert.equal(clock.pending, 0);
  runtime.sessions[0]!.finish(137);
  await clock.advance(1_000_000);
  await supervisor.resume('web');
  await clock.advance(1000);
  assert.equal(runtime.sessions.length, 2);
  runtime.sessions[1]!.finish(1);
  await settle();
  assert.equal(supervisor.show('web').health, 'starting');
});

test('when the instance ends, its check ends with it', async () => {
  const { supervisor, runtime, clock } = await running();
  await clock.advance(1000);
  await supervisor.stop('web');
  assert.equal(runtime.sessions[0]!.killed, true);
  assert.equal(clock.pending, 0);
  assert.equal(supervisor.show('web').health, 'none');
});

test('a check that is only just being started when the instance ends is killed as soon as it is there', async () => {
  const { supervisor, runtime, clock } = await running();
  const { promise, resolve } = Promise.withResolvers<void>();
  runtime.before = (what) => (what === 'exec web' ? promise : undefined);
  await clock.advance(1000);
  // It comes to life although the instance is about to end.
  const stopping = supervisor.suspend('web');
  resolve();
  await stopping;
  await settle();
  assert.equal(runtime.sessions[0]!.killed, true);
});
