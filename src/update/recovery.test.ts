import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemberRow, UpdateBook, UpdateEnd, UpdateNote, UpdateRow } from '../store/index.ts';
import { newDeadline, type Deadline } from './deadline.ts';
import { fakeImage, fakeTrial } from './fixtures.ts';
import { judgeLeftover, recoverUpdates } from './recovery.ts';
import { writeTrial } from './trial.ts';

const minute = 60_000;

function row(state: UpdateRow['state'], deadline?: Deadline, change: Partial<UpdateRow> = {}): UpdateRow {
  return {
    id: 1, source: 'command-line', origin: null, state, outcome: null, code: null, reason: null, startedAt: 0, endedAt: null, details: '{}',
    trial: deadline === undefined ? null : JSON.stringify(deadline), ...change,
  };
}

const tried = newDeadline('a', 0, minute);

test('an update that had not switched is undone', () => {
  assert.deepEqual(judgeLeftover(row('open'), [], 'a', 0), { kind: 'undo' });
});

test('a trial goes on in the same boot with the time that is left', () => {
  assert.deepEqual(judgeLeftover(row('trial', tried), [], 'a', 20_000), { kind: 'resume', deadline: { bootId: 'a', at: minute, leftMs: 40_000, boots: 0 } });
});

test('a trial whose time ran out while no daemon was there is rolled back', () => {
  assert.deepEqual(judgeLeftover(row('trial', tried), [], 'a', 2 * minute), { kind: 'roll-back', reason: 'not proved in time' });
});

test('a trial goes on after a reboot, counted', () => {
  assert.deepEqual(judgeLeftover(row('trial', tried), [], 'b', 500), { kind: 'resume', deadline: { bootId: 'b', at: minute + 500, leftMs: minute, boots: 1 } });
});

test('at the third reboot it is rolled back', () => {
  assert.deepEqual(judgeLeftover(row('trial', { ...tried, boots: 2 }), [], 'b', 500), { kind: 'roll-back', reason: 'not proved within 2 reboots of the device' });
});

test('a reboot with no time left rolls it back', () => {
  assert.deepEqual(judgeLeftover(row('trial', { ...tried, leftMs: 0 }), [], 'b', 500), { kind: 'roll-back', reason: 'not proved in time' });
});

test('a trial of which nothing can be read is rolled back', () => {
  const leftover = judgeLeftover({ ...row('trial'), trial: '{' }, [], 'a', 0);
  assert.equal(leftover.kind === 'roll-back' && leftover.reason, 'what the database says of its trial cannot be read');
});

test('a rollback that was interrupted goes on for its own reason, whatever time is left', () => {
  for (const boot of ['a', 'b']) assert.deepEqual(judgeLeftover(row('rolling-back', tried, { reason: 'a: exited with code 3' }), [], boot, 0), { kind: 'roll-back', reason: 'a: exited with code 3' });
});

test('a trial of which a member cannot be read, since another version of Berth wrote it, is rolled back', () => {
  const other = { trial: '{"wanted":{"patience":3}}' };
  assert.equal(judgeLeftover(row('trial', tried), [{ trial: null }, other], 'a', 0).kind, 'roll-back');
  assert.equal(judgeLeftover(row('trial', tried), [{ trial: null }, { trial: writeTrial(fakeTrial('a'), 'a') }], 'a', 0).kind, 'resume');
});

/** Writes down what is done to a book with these rows. */
function book(rows: readonly UpdateRow[], members: readonly Partial<MemberRow>[] = []): { readonly book: UpdateBook; readonly done: string[] } {
  const done: string[] = [];
  const calls: Pick<UpdateBook, 'underWay' | 'members' | 'end' | 'note'> = {
    underWay: () => rows,
    members: () => members as readonly MemberRow[],
    end: (id: number, { outcome }: UpdateEnd) => { done.push(`end ${id} ${outcome}`); },
    note: (id: number, { trial }: UpdateNote) => { done.push(`note ${id} ${trial}`); },
  };
  return { book: calls as UpdateBook, done };
}

test('recovery undoes what had not switched, counts the boot before anything starts, and says all of it', () => {
  const third = { ...tried, boots: 2 };
  const { book: asked, done } = book([row('open'), row('trial', third, { id: 2 }), row('trial', tried, { id: 3 })]);
  const told: string[] = [];
  const left = recoverUpdates({ book: asked }, { bootId: 'b', now: 0, monotonic: 0, journal: (_, message) => told.push(message) });
  const resumed = { bootId: 'b', at: minute, leftMs: minute, boots: 1 };
  assert.deepEqual(left, [
    { id: 2, leftover: { kind: 'roll-back', reason: 'not proved within 2 reboots of the device' } },
    { id: 3, leftover: { kind: 'resume', deadline: resumed } },
  ]);
  assert.deepEqual(done, ['end 1 undone', `note 3 ${JSON.stringify(resumed)}`]);
  assert.deepEqual(told.map((message) => message.slice(0, 25)), ['update 1 was undone: bert', 'update 2 is rolled back: ', 'update 3 is still tried, ']);
});

test('an update that was stopping apps is not over before they have been taken care of', () => {
  const oldImage = fakeImage('a').digest;
  const { book: asked, done } = book([row('switching')], [{ app: 'a', oldImage }, { app: 'new', oldImage: null }]);
  assert.deepEqual(recoverUpdates({ book: asked }, { bootId: 'a', now: 0, monotonic: 0, journal: () => undefined }), [{ id: 1, stopped: ['a'] }]);
  assert.deepEqual(done, []);
});

test('a disk that takes nothing is told, and keeps no trial and no app from going on', () => {
  const full = (): never => {
    throw new Error('full');
  };
  const calls: Pick<UpdateBook, 'underWay' | 'members' | 'end' | 'note'> = { underWay: () => [row('open'), row('trial', tried, { id: 2 })], members: () => [], end: full, note: full };
  const told: string[] = [];
  const left = recoverUpdates({ book: calls as UpdateBook }, { bootId: 'b', now: 0, monotonic: 0, journal: (level, message) => told.push(`${level} ${message}`) });
  assert.deepEqual(left.map((one) => 'leftover' in one && one.leftover.kind), ['resume']);
  assert.deepEqual(told.filter((message) => message.startsWith('error')), ['error what became of update 1 cannot be written: full', 'error what became of update 2 cannot be written: full']);
});
