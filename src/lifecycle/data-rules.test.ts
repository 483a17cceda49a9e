import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultReserve, graceMs, greediest, isDue, isRoomy, isShort, judgeData, measureAgainMs, slackBytes, writtenBetween, type DataState, type Measurement } from './data-rules.ts';

const MiB = 1024 ** 2;

function found(usedMiB: number, changes: Partial<Measurement> = {}): Measurement {
  return { instance: 'i', limitBytes: 64 * MiB, usedBytes: usedMiB * MiB, tooDeep: false, at: 1000, costMs: 10, writtenBytes: 0, roomy: true, ...changes };
}

const within = judgeData(undefined, found(10)).state;

test('data within its limit goes on, data beyond it does not, and why is said in words', () => {
  assert.deepEqual(judgeData(undefined, found(64)), { state: judgeData(undefined, found(64)).state });
  assert.equal(judgeData(within, found(70)).over, 'its data takes 70.0 MiB of 64.0 MiB');
  assert.equal(judgeData(within, found(1000, { limitBytes: undefined as never })).over, undefined);
});

test('what lies too deep to be seen is beyond any limit', () => {
  assert.match(judgeData(within, found(1, { tooDeep: true })).over!, /so deep/);
});

test('an app that starts with too much has a while to make room, in which it must not grow', () => {
  const first = judgeData(undefined, found(70));
  assert.equal(first.over, undefined);
  assert.equal(first.news, 'its data takes 70.0 MiB of 64.0 MiB; it has 5m 0s to make room, and must not grow');
  assert.equal(judgeData(first.state, found(70)).over, undefined);
  assert.equal(judgeData(first.state, found(71)).over, 'its data takes 71.0 MiB of 64.0 MiB');
  assert.equal(judgeData(first.state, found(66, { at: 1000 + graceMs + 1 })).over, 'its data takes 66.0 MiB of 64.0 MiB');
  const made = judgeData(first.state, found(60, { at: 2000 }));
  assert.equal(made.state.grace, undefined);
  assert.equal(judgeData(made.state, found(65)).over, 'its data takes 65.0 MiB of 64.0 MiB');
});

test('an app that had room when it started has no while, however soon it is looked at', () => {
  const before = judgeData(undefined, found(1, { instance: '' })).state;
  assert.equal(judgeData(before, found(70)).over, 'its data takes 70.0 MiB of 64.0 MiB');
  const full = judgeData(undefined, found(70, { instance: '' })).state;
  assert.equal(judgeData(full, found(70)).over, undefined);
  assert.equal(judgeData(full, found(71)).over, 'its data takes 71.0 MiB of 64.0 MiB');
});

test('inodes that are taken count as what was written', () => {
  const room = { freeBytes: 100, freeInodes: 50, totalBytes: 1000, totalInodes: 100 };
  assert.equal(writtenBetween(room, { ...room, freeBytes: 90, freeInodes: 48 }, 4096), 10 + 2 * 4096);
  assert.equal(writtenBetween(room, { ...room, freeBytes: 110, freeInodes: 60 }, 4096), 0);
  assert.equal(writtenBetween({ ...room, freeInodes: Infinity }, { ...room, freeInodes: Infinity }, 4096), 0);
});

test('an app that is started again and again gains nothing by it', () => {
  const ended = judgeData(within, found(70)).state;
  const again = judgeData(ended, found(70, { instance: 'j' }));
  assert.equal(again.over, undefined);
  assert.equal(again.state.grace!.bytes, 70 * MiB + slackBytes);
  assert.equal(judgeData(again.state, found(71, { instance: 'k' })).over, 'its data takes 71.0 MiB of 64.0 MiB');
});

test('an app is measured when it starts, when enough was written to fill half of what it has left, and now and then', () => {
  const state: DataState = { ...within, at: 0, costMs: 10 };
  const due = (now: number, writtenMiB: number, instance = 'i', limitBytes = 64 * MiB): boolean => isDue(state, now, { instance, limitBytes, writtenBytes: writtenMiB * MiB });
  assert.equal(isDue(undefined, 0, { instance: 'i', writtenBytes: 0 }), true);
  assert.equal(due(0, 0, 'j'), true);
  assert.equal(due(1000, 26), false);
  assert.equal(due(1000, 27), true);
  assert.equal(due(measureAgainMs, 0), true);
  assert.equal(due(1000, 0, 'i', 32 * MiB), true, 'the policy has changed');
});

test('measuring takes a tenth of the time at most', () => {
  const slow: DataState = { ...within, at: 0, costMs: 1000 };
  assert.equal(isDue(slow, 8999, { instance: 'i', limitBytes: 64 * MiB, writtenBytes: 1e9 }), false);
  assert.equal(isDue(slow, 9000, { instance: 'i', limitBytes: 64 * MiB, writtenBytes: 1e9 }), true);
  const unlimited = { instance: 'i', writtenBytes: 0 };
  assert.deepEqual([isDue(slow, 8999, unlimited, true), isDue(slow, 9000, unlimited, true), isDue(slow, 9000, unlimited)], [false, true, false]);
});

test('of a full disk the app is to blame whose data has grown most since there was room, unless none has', () => {
  const grown = (from: number, to: number): DataState => judgeData(judgeData(undefined, found(from)).state, found(to, { roomy: false, limitBytes: 1e12 })).state;
  assert.deepEqual(greediest(new Map([['old', grown(500, 501)], ['new', grown(1, 30)]])), { app: 'new', grownBytes: 29 * MiB });
  assert.equal(greediest(new Map([['old', grown(500, 500.5)]])), undefined);
  assert.equal(greediest(new Map()), undefined);
});

test('the reserve is a sixteenth of the disk, 16 MiB at most', () => {
  const room = { freeBytes: 20 * MiB, freeInodes: 300, totalBytes: 1e12, totalInodes: 1e6 };
  const reserve = defaultReserve(room);
  assert.deepEqual(reserve, { bytes: 16 * MiB, inodes: 256 });
  assert.deepEqual([isShort(room, reserve), isRoomy(room, reserve)], [false, false]);
  assert.equal(isShort({ ...room, freeInodes: 255 }, reserve), true);
  assert.deepEqual(defaultReserve({ ...room, totalBytes: 16 * MiB, totalInodes: Infinity }), { bytes: MiB, inodes: 0 });
});
