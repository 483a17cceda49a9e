import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandClock } from '../lib/handclock.ts';
import { fakeImage } from './fixtures.ts';
import { noDetails, UpdateRecord } from './record.ts';
import { Roster } from './roster.ts';
import type { UpdatePhase } from './types.ts';
import type { UpdateRun } from './update-run.ts';

/** A roster with updates of these apps, numbered from 1. */
function roster(...updates: readonly (readonly [apps: readonly string[], phase: UpdatePhase])[]): Roster {
  const all = new Roster();
  for (const [index, [apps, phase]] of updates.entries()) {
    const record = new UpdateRecord(index + 1, noDetails, new HandClock(), () => undefined);
    record.concerns(apps.map((app) => ({ app, to: { version: '2.0', digest: fakeImage(app).digest } })));
    record.enter(phase);
    const run: Pick<UpdateRun, 'id' | 'record'> = { id: index + 1, record };
    all.add({ run: run as UpdateRun, over: Promise.resolve() });
  }
  return all;
}

test('the successor of an update is a newer one with an app of it that waits for its turn', () => {
  assert.equal(roster([['a', 'b'], 'switching'], [['b'], 'queued']).successor(1, ['a', 'b']), 2);
});

test('an update has no successor in what is older, is about other apps, or is not ready', () => {
  const all = roster([['a'], 'queued'], [['a'], 'switching'], [['c'], 'queued'], [['a'], 'receiving'], [['a'], 'waiting']);
  assert.equal(all.successor(2, ['a']), undefined);
});
