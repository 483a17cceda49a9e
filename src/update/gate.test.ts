import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandClock, settle } from '../lib/handclock.ts';
import { Gate } from './gate.ts';
import { parseWindow } from './window.ts';

const minute = 60_000;

/** An update of `app` at a gate, and what becomes of it. */
function arrive(windows: readonly string[] = [], clock = new HandClock()) {
  const gate = new Gate({ clock, rules: { windows: windows.map(parseWindow) } });
  const cancel = new AbortController();
  const told: string[] = [];
  const update = { passed: false };
  const pass = async (begun?: boolean): Promise<void> => {
    await gate.pass({ apps: ['app'], since: clock.monotonic(), windows: begun !== true, signal: cancel.signal, waiting: (why) => told.push(why) });
    update.passed = true;
  };
  const come = (begun?: boolean): void => {
    void pass(begun);
  };
  return { gate, clock, cancel, told, update, come };
}

test('with nothing in its way an update passes at once', async () => {
  const { clock, told, update, come } = arrive();
  come();
  await settle();
  assert.deepEqual([update.passed, told, clock.pending], [true, [], 0]);
});

test('an update waits for an app that has put it off, and says so', async () => {
  const { gate, clock, told, update, come } = arrive();
  assert.equal(gate.defer('app', 5 * minute, { mostMs: 10 * minute, readySince: undefined }), 5 * minute);
  come();
  await clock.advance(4 * minute);
  assert.equal(update.passed, false);
  assert.match(told[0]!, /app has put it off for 5m/);
  await clock.advance(minute);
  assert.deepEqual([update.passed, clock.pending], [true, 0]);
});

test('what other apps put off holds it up in nothing', async () => {
  const { gate, update, come } = arrive();
  gate.defer('other', minute, { mostMs: minute, readySince: undefined });
  come();
  await settle();
  assert.equal(update.passed, true);
});

test('an app cannot put an update off for longer than it may in all, however often it asks', async () => {
  const { gate, clock, update, come } = arrive();
  gate.defer('app', minute, { mostMs: 3 * minute, readySince: undefined });
  come();
  await settle();
  for (const at of [0, 1, 2]) {
    assert.equal(update.passed, false);
    assert.equal(gate.defer('app', 10 * minute, { mostMs: 3 * minute, readySince: 0 }), (3 - at) * minute);
    await clock.advance(minute);
  }
  assert.equal(update.passed, true);
});

test('an app that takes its wish back lets the update through at once', async () => {
  const { gate, update, come } = arrive();
  gate.defer('app', minute, { mostMs: minute, readySince: undefined });
  come();
  await settle();
  gate.defer('app', 0, { mostMs: minute, readySince: 0 });
  await settle();
  assert.equal(update.passed, true);
});

test('an update passes when a window opens', async () => {
  // Three o'clock in the morning, wherever this runs.
  const clock = new HandClock(new Date(2026, 0, 5, 3, 0).getTime());
  const { told, update, come } = arrive(['04:00-05:00'], clock);
  come();
  await clock.advance(59 * minute);
  assert.equal(update.passed, false);
  assert.match(told[0]!, /no window is open \(04:00-05:00\); the next one opens in 1h 0m/);
  await clock.advance(2 * minute);
  assert.equal(update.passed, true);
});

test('an update that is cancelled waits no longer', async () => {
  const { gate, clock, cancel, update, come } = arrive();
  gate.defer('app', minute, { mostMs: minute, readySince: undefined });
  come();
  await settle();
  cancel.abort();
  await settle();
  assert.deepEqual([update.passed, clock.pending], [true, 0]);
});

test('an update that has begun does not wait for the next window', async () => {
  const { update, come } = arrive(['04:00-05:00'], new HandClock(new Date(2026, 0, 5, 3, 0).getTime()));
  come(true);
  await settle();
  assert.equal(update.passed, true);
});
