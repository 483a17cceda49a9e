import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandClock } from '../lib/handclock.ts';
import type { UpdateRow } from '../store/index.ts';
import { noDetails, readDetails, statusOf, UpdateRecord } from './record.ts';
import type { UpdateProgress } from './types.ts';

const row: UpdateRow = {
  id: 7, source: 'command-line', origin: null, state: 'open', outcome: null, code: null, reason: null,
  startedAt: 1000, endedAt: null, details: '', trial: null,
};
const to = { version: '2.0', digest: `sha256:${'a'.repeat(64)}` } as const;
const from = { version: '1.0', digest: `sha256:${'b'.repeat(64)}` } as const;

function open(): { readonly clock: HandClock; readonly record: UpdateRecord; readonly told: UpdateProgress[] } {
  const clock = new HandClock(0);
  const told: UpdateProgress[] = [];
  return { clock, told, record: new UpdateRecord(7, noDetails, clock, (progress) => told.push(progress)) };
}

test('a record tells each phase once, with its time and the bytes so far', async () => {
  const { clock, record, told } = open();
  record.enter('receiving');
  record.received(500);
  await clock.advance(20);
  record.enter('storing');
  record.enter('storing');
  assert.deepEqual(told, [
    { update: 7, phase: 'receiving', bytes: 0 },
    { update: 7, phase: 'receiving', bytes: 500 },
    { update: 7, phase: 'storing', bytes: 500 },
  ]);
  assert.deepEqual(record.details.phases, [{ phase: 'receiving', at: 0 }, { phase: 'storing', at: 20 }]);
  assert.equal(record.phase, 'storing');
});

test('what an update waits for is forgotten with the phase in which it waited', () => {
  const { record } = open();
  record.enter('waiting');
  record.waitingFor = 'a window';
  record.enter('waiting');
  assert.equal(record.waitingFor, 'a window');
  record.enter('switching');
  assert.equal(record.waitingFor, undefined);
});

test('details are read as they were written', () => {
  const { record } = open();
  record.enter('receiving');
  record.received(3);
  record.concerns([{ app: 'a', from, to }, { app: 'b', to }]);
  assert.deepEqual(readDetails(record.text()), record.details);
});

for (const text of ['', 'null', '{}', '{"phases":[{"phase":"resting","at":0}],"bytes":0,"apps":[]}']) {
  test(`details "${text}" count as none`, () => {
    assert.deepEqual(readDetails(text), noDetails);
  });
}

test('of an update under way its row and what is known only now are shown', () => {
  const details = { phases: [{ phase: 'trial' as const, at: 5 }], bytes: 9, apps: [{ app: 'a', from, to }, { app: 'b', to }] };
  const trials = new Map([['a', { passed: false, waitingFor: ['its health check'] }]]);
  assert.deepEqual(statusOf({ ...row, origin: 'x.ipk' }, details, { trials, leftMs: 400 }), {
    id: 7, source: 'command-line', origin: 'x.ipk', phase: 'trial', startedAt: 1000, phases: details.phases, bytes: 9, leftMs: 400,
    apps: [{ app: 'a', from, to, trial: { passed: false, waitingFor: ['its health check'] } }, { app: 'b', to }],
  });
});

test('of an update that is over its outcome and reason are shown', () => {
  const over: UpdateRow = { ...row, state: 'over', outcome: 'failed', code: 'no_space', reason: 'the disk is full', endedAt: 2000 };
  const { outcome, reason, endedAt, phase } = statusOf(over, noDetails);
  assert.deepEqual({ outcome, reason, endedAt, phase }, { outcome: 'failed', reason: { code: 'no_space', message: 'the disk is full' }, endedAt: 2000, phase: 'receiving' });
});
