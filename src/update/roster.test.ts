import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandClock } from '../lib/handclock.ts';
import { fakeImage } from './fixtures.ts';
import { noDetails, UpdateRecord } from './record.ts';
import { Roster } from './roster.ts';
import type { UpdatePhase } from './types.ts';
import type { UpdateRun } from './update-run.ts';

/** A roster with updates of these apps, numbered from 1. */
function roster(...updates: readonly (readonly [apps: readonly string[], phase: UpdatePhase, version?: string])[]): Roster {
  const all = new Roster();
  for (const [index, [apps, phase, version = String(index)]] of updates.entries()) {
    const record = new UpdateRecord(index + 1, noDetails, new HandClock(), () => undefined);
    record.concerns(apps.map((app) => ({ app, to: { version, digest: fakeImage(app, version).digest } })));
    record.enter(phase);
    const run: Pick<UpdateRun, 'id' | 'record'> = { id: index + 1, record };
    all.add({ run: run as UpdateRun, over: Promise.resolve() });
  }
  return all;
}

test('the successor of an update is a newer one with an app of it that waits for its turn', () => {
  const all = roster([['a', 'b'], 'switching'], [['b'], 'queued']);
  assert.equal(all.successor(all.get(1).run), 2);
});

test('an update has no successor in what is older, is about other apps, or is not ready', () => {
  const all = roster([['a'], 'queued'], [['a'], 'switching'], [['c'], 'queued'], [['a'], 'receiving'], [['a'], 'waiting']);
  assert.equal(all.successor(all.get(2).run), undefined);
});

test('the same payload once more is no successor, so that one who sends it again and again ends no trial of it', () => {
  const all = roster([['a'], 'switching', '2.0'], [['a'], 'queued', '2.0']);
  assert.equal(all.successor(all.get(1).run), undefined);
});
