import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LastExit, Reason } from '../lifecycle/index.ts';
import { fakeTrial } from './fixtures.ts';
import { dueAt, judgeEnd, readTrial, seen, unproved, writeTrial } from './trial.ts';

const up = { state: 'running', health: 'none' } as const;

test('an app has proved itself once it has run long enough without a break', () => {
  const trial = seen(fakeTrial('a'), up, 5000);
  assert.deepEqual(unproved(trial, 14_999), ['running for 10s']);
  assert.deepEqual(unproved(trial, 15_000), []);
  assert.equal(dueAt(trial), 15_000);
});

test('that it still runs does not begin its time anew; that it ran again does', () => {
  const still = seen(seen(fakeTrial('a'), up, 5000), up, 9000);
  assert.equal(dueAt(still), 15_000);
  const down = seen(still, { state: 'backoff', health: 'none' }, 10_000);
  assert.equal(dueAt(down), undefined);
  assert.deepEqual(unproved(down, 99_000), ['running for 10s']);
  assert.equal(dueAt(seen(down, up, 11_000)), 21_000);
});

for (const state of ['stopped', 'starting', 'suspended', 'stopping', 'backoff', 'failed'] as const) {
  test(`an app that is ${state} is not up`, () => {
    assert.equal(dueAt(seen(fakeTrial('a'), { state, health: 'none' }, 0)), undefined);
  });
}

test('where there is a health check, it must pass', () => {
  const trial = seen(fakeTrial('a', { wanted: { health: true } }), { state: 'running', health: 'starting' }, 0);
  assert.deepEqual(unproved(trial, 10_000), ['its health check']);
  const healthy = seen(trial, { state: 'running', health: 'healthy' }, 9000);
  assert.deepEqual(unproved(healthy, 10_000), []);
  assert.deepEqual(unproved(seen(healthy, { state: 'running', health: 'unhealthy' }, 9500), 10_000), ['its health check']);
});

test('where it asks for that, the app itself must confirm, even after it ended well', () => {
  const trial = fakeTrial('a', { wanted: { confirm: true }, endedWell: true });
  assert.deepEqual(unproved(trial, 0), ['its own confirmation']);
  assert.deepEqual(unproved({ ...trial, confirmed: true }, 0), []);
});

test('its own confirmation stands for nothing else', () => {
  const trial = fakeTrial('a', { wanted: { confirm: true, health: true }, confirmed: true });
  assert.deepEqual(unproved(trial, 0), ['running for 10s', 'its health check']);
});

test('a person\'s word stands for everything', () => {
  assert.deepEqual(unproved(fakeTrial('a', { wanted: { confirm: true, health: true }, vouched: true }), 0), []);
});

const codes: Readonly<Record<Reason['code'], 'nothing' | 'failure' | 'by its exit code'>> = {
  'exited': 'by its exit code',
  'signalled': 'failure', 'out-of-memory': 'failure', 'unhealthy': 'failure', 'watchdog': 'failure', 'data-full': 'failure', 'start-failed': 'failure',
  'monitor-lost': 'failure', 'restart-limit': 'failure', 'recalled': 'failure',
  'lost': 'nothing', 'stopped': 'nothing', 'killed': 'nothing', 'stop-timeout': 'nothing', 'shutdown': 'nothing', 'updating': 'nothing', 'device-busy': 'nothing',
};

function exit(code: Reason['code'], exitCode?: number): LastExit {
  return { id: 'i', app: 'a', at: 0, oom: false, cause: 'ended', reason: { code, message: 'why', at: 0 }, ...(exitCode === undefined ? {} : { exitCode }) };
}

for (const [code, expected] of Object.entries(codes)) {
  if (expected === 'by its exit code') continue;
  test(`an end by ${code} says ${expected === 'failure' ? 'that the new version is bad' : 'nothing of the new version'}`, () => {
    assert.deepEqual(judgeEnd({ restart: 'always' }, exit(code as Reason['code'])), expected === 'failure' ? { failure: 'why' } : 'nothing');
  });
}

for (const [restart, exitCode, expected] of [
  ['never', 0, 'well'], ['on-failure', 0, 'well'], ['always', 0, { failure: 'why' }],
  ['never', 1, { failure: 'why' }], ['on-failure', 1, { failure: 'why' }], ['always', 1, { failure: 'why' }],
] as const) {
  test(`exit ${exitCode} with restart policy ${restart} is ${expected === 'well' ? 'well' : 'a failure'}`, () => {
    assert.deepEqual(judgeEnd({ restart }, exit('exited', exitCode)), expected);
  });
}

test('what an app has proved is known after a restart of the daemon, and in the same boot how long it has run', () => {
  const trial = { ...fakeTrial('a'), confirmed: true, endedWell: true, healthy: true, runningSince: 500 };
  const text = writeTrial(trial, 'boot');
  assert.deepEqual(readTrial('a', text, 'boot'), { ...trial, healthy: false });
  const { runningSince: _, ...afterReboot } = trial;
  assert.deepEqual(readTrial('a', text, 'another'), { ...afterReboot, healthy: false });
  assert.throws(() => readTrial('a', '{}', 'boot'));
});
