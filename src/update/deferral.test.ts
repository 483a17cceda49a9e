import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delayOf, type Deferral } from './deferral.ts';
import { parseWindow } from './window.ts';

const hour = 3_600_000;
const noon = { readySince: 0, now: 0, wall: new Date(2026, 0, 5, 12) };

function deferral(app: string, until: number, mostMs = hour): Deferral {
  return { app, until, mostMs };
}

test('nothing delays an update that nobody has put off', () => {
  assert.equal(delayOf(['a'], { deferrals: [], windows: [] }, noon), undefined);
});

test('an app delays updates of itself only, and is named', () => {
  const deferrals = [deferral('a', 60_000)];
  assert.deepEqual(delayOf(['b', 'a'], { deferrals, windows: [] }, noon), { why: 'a has put it off for 1m 0s', ms: 60_000 });
  assert.equal(delayOf(['b'], { deferrals, windows: [] }, noon), undefined);
});

test('of two apps the one that wants to wait longer counts', () => {
  const deferrals = [deferral('a', 20_000), deferral('b', 50_000)];
  assert.equal(delayOf(['a', 'b'], { deferrals, windows: [] }, noon)?.ms, 50_000);
});

test('a wish is over at its time', () => {
  assert.equal(delayOf(['a'], { deferrals: [deferral('a', 20_000)], windows: [] }, { ...noon, now: 20_000 }), undefined);
});

test('however often it asks, an app delays an update no longer than it may in all', () => {
  const deferrals = [deferral('a', 100_000, 30_000)];
  assert.equal(delayOf(['a'], { deferrals, windows: [] }, { ...noon, readySince: 10_000, now: 15_000 })?.ms, 25_000);
  assert.equal(delayOf(['a'], { deferrals, windows: [] }, { ...noon, readySince: 10_000, now: 40_000 }), undefined);
});

test('a closed window delays every update, and the reason says when it opens', () => {
  const windows = [parseWindow('02:00-04:00'), parseWindow('sat 10:00-11:00')];
  const delay = delayOf(['a'], { deferrals: [deferral('a', 60_000)], windows }, noon);
  assert.equal(delay?.ms, 14 * hour);
  assert.match(delay.why, /02:00-04:00; sat 10:00-11:00.*14h 0m/);
});
