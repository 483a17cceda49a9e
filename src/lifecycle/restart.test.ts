import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fakeSettings } from './fakes.ts';
import { decideRestart, type Ending, noRestarts, type RestartMemory, type Verdict } from './restart.ts';

const crash: Ending = { code: 'exited', exitCode: 1, wellMs: 0 };
const success: Ending = { code: 'exited', exitCode: 0, wellMs: 0 };
const settings = fakeSettings();

/** Verdicts on one ending again and again, each at the moment the wait before is over. */
function verdicts(ending: Ending, count: number, change: Parameters<typeof fakeSettings>[0] = {}): string[] {
  const settings = fakeSettings(change);
  let memory: RestartMemory = noRestarts;
  let now = 0;
  return Array.from({ length: count }, () => {
    const verdict = decideRestart(ending, settings, memory, now);
    memory = verdict.memory;
    if (verdict.kind === 'wait') now += verdict.afterMs;
    return show(verdict);
  });
}

function show(verdict: Verdict): string {
  return verdict.kind === 'wait' ? String(verdict.afterMs) : verdict.kind;
}

test('each policy restarts what it says', () => {
  const table: readonly [string, Ending, string][] = [
    ['never', success, 'done'],
    ['never', crash, 'done'],
    ['never', { code: 'unhealthy', wellMs: 0 }, 'done'],
    ['never', { code: 'start-failed', wellMs: 0 }, 'failed'],
    ['on-failure', success, 'done'],
    ['on-failure', crash, 'restart'],
    ['on-failure', { code: 'signalled', wellMs: 0 }, 'restart'],
    ['on-failure', { code: 'out-of-memory', wellMs: 0 }, 'restart'],
    ['on-failure', { code: 'unhealthy', exitCode: 0, wellMs: 0 }, 'restart'],
    ['on-failure', { code: 'monitor-lost', wellMs: 0 }, 'restart'],
    ['on-failure', { code: 'lost', wellMs: 0 }, 'restart'],
    ['always', success, 'restart'],
    ['always', crash, 'restart'],
  ];
  for (const [restart, ending, expected] of table) {
    assert.equal(show(decideRestart(ending, fakeSettings({ restart }), noRestarts, 0)), expected, `${restart}: ${JSON.stringify(ending)}`);
  }
});

test('the first restart is at once, then the waits double up to the longest', () => {
  assert.deepEqual(verdicts(crash, 6, { 'restart-delay-max': '5s' }), ['restart', '1000', '2000', '4000', '5000', '5000']);
});

test('a failed start is never tried again at once', () => {
  assert.deepEqual(verdicts({ code: 'start-failed', wellMs: 0 }, 4), ['1000', '1000', '2000', '4000']);
});

test('a healthy stretch makes the waits begin anew', () => {
  const memory: RestartMemory = { times: [], inARow: 5 };
  assert.equal(show(decideRestart({ ...crash, wellMs: 59_999 }, settings, memory, 0)), '16000');
  assert.equal(show(decideRestart({ ...crash, wellMs: 60_000 }, settings, memory, 0)), 'restart');
});

test('after the limit of restarts within the window it has failed; older restarts do not count', () => {
  assert.deepEqual(verdicts(crash, 11).at(-1), 'failed');
  assert.deepEqual(verdicts(crash, 4, { 'restart-limit': '2' }), ['restart', '1000', 'failed', 'failed']);
  const old: RestartMemory = { times: [0, 1], inARow: 2 };
  assert.equal(decideRestart(crash, fakeSettings({ 'restart-limit': '2' }), old, 600_001).kind, 'wait');
});

test('a healthy stretch does not lift the limit', () => {
  const settings = fakeSettings({ 'restart-limit': '2', 'restart-window': '1h' });
  assert.deepEqual(decideRestart({ ...crash, wellMs: 120_000 }, settings, { times: [0, 1], inARow: 0 }, 240_000), {
    kind: 'failed',
    limit: true,
    memory: { times: [0, 1], inARow: 0 },
  });
});

test('never more restarts within a window than the limit, and never a wait beyond the longest', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat({ max: 200_000 }), { maxLength: 100 }), (limit, gaps) => {
      const settings = fakeSettings({ restart: 'always', 'restart-limit': String(limit), 'restart-delay-max': '30s' });
      let memory: RestartMemory = noRestarts;
      let now = 0;
      const times: number[] = [];
      for (const gap of gaps) {
        const verdict = decideRestart({ ...crash, wellMs: gap }, settings, memory, now);
        memory = verdict.memory;
        if (verdict.kind === 'wait') assert.ok(verdict.afterMs <= 30_000);
        if (verdict.kind !== 'failed') times.push(now);
        assert.ok(times.filter((time) => now - time < settings.restartWindowMs).length <= limit);
        assert.ok(memory.times.length <= limit);
        now += gap;
      }
    }),
  );
});
