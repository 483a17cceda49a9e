import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceGrant } from '../policy/index.ts';
import { due, noLeases, release, request, withdraw, type LeaseAnswer, type LeaseBook, type Terms } from './leases.ts';

const terms: Readonly<Record<string, Terms>> = {
  gps: { sharing: 'exclusive', busy: 'wait' },
  relay: { sharing: 'exclusive', busy: 'wait' },
  modem: { sharing: 'exclusive', busy: 'fail' },
  clock: { sharing: 'shared', busy: 'wait' },
  adapters: { sharing: 'exclusive', busy: 'wait' },
};
const termsOf = (device: string): Terms => terms[device]!;

function want(...names: string[]): readonly DeviceGrant[] {
  return names.map((name) => {
    const [device = '', node] = name.split('/');
    return { device, ...(node === undefined ? {} : { node }), path: `/dev/${node ?? device}`, access: 'rw' };
  });
}

/** Asks for one app after the other; gives the book and what each was told. */
function after(...asked: readonly (readonly [app: string, ...devices: string[]])[]): { readonly book: LeaseBook; readonly answers: readonly LeaseAnswer[] } {
  let book = noLeases;
  const answers = asked.map(([app, ...devices]) => {
    const result = request(book, app, want(...devices), termsOf);
    book = result.book;
    return result.answer;
  });
  return { book, answers };
}

const kinds = (answers: readonly LeaseAnswer[]): readonly string[] => answers.map(({ kind }) => kind);

test('an exclusive device goes to one app, and the second one waits or fails as the device says', () => {
  assert.deepEqual(after(['a', 'gps'], ['b', 'gps']).answers, [{ kind: 'held' }, { kind: 'queued', device: 'gps', holder: 'a' }]);
  const { book, answers } = after(['a', 'modem'], ['b', 'modem']);
  assert.deepEqual(answers[1], { kind: 'refused', device: 'modem', holder: 'a' });
  assert.deepEqual(book.queue, []);
});

test('a shared device goes to all', () => {
  assert.deepEqual(kinds(after(['a', 'clock'], ['b', 'clock'], ['c', 'clock']).answers), ['held', 'held', 'held']);
});

test('what is released goes to the one that waits longest', () => {
  const { book } = after(['a', 'gps'], ['b', 'gps'], ['c', 'gps']);
  const free = release(book, 'a');
  assert.deepEqual(due(free, termsOf), ['b']);
  assert.equal(request(free, 'c', want('gps'), termsOf).answer.kind, 'queued');
  assert.equal(request(free, 'a', want('gps'), termsOf).answer.kind, 'queued');
  const next = request(free, 'b', want('gps'), termsOf);
  assert.equal(next.answer.kind, 'held');
  assert.deepEqual(next.book.queue.map(({ app }) => app), ['c']);
});

test('an app has all its devices or none, so that two never wait for each other', () => {
  const { book, answers } = after(['a', 'gps'], ['b', 'relay', 'gps'], ['c', 'clock']);
  assert.deepEqual(kinds(answers), ['held', 'queued', 'held']);
  assert.deepEqual([...book.held.keys()], ['a', 'c']);
  // Nor does anybody else overtake: else one that wants much would wait for ever.
  assert.equal(request(book, 'd', want('relay'), termsOf).answer.kind, 'queued');
});

test('one that no longer waits is passed by', () => {
  const { book } = after(['a', 'gps'], ['b', 'gps'], ['c', 'gps']);
  assert.deepEqual(due(release(withdraw(book, 'b'), 'a'), termsOf), ['c']);
});

test('an app that asks anew keeps its place', () => {
  const { book } = after(['a', 'gps'], ['b', 'gps'], ['c', 'gps']);
  assert.deepEqual(request(book, 'b', want('gps'), termsOf).book.queue.map(({ app }) => app), ['b', 'c']);
});

test('an app that waits has nothing, whatever it had before', () => {
  const { book, answers } = after(['a', 'gps'], ['b', 'relay'], ['a', 'gps', 'relay']);
  assert.deepEqual([kinds(answers), [...book.held.keys()]], [['held', 'held', 'queued'], ['b']]);
});

test('an app that asks for nothing any more has nothing', () => {
  const { book } = after(['a', 'gps'], ['a']);
  assert.deepEqual([book.held.size, book.queue.length], [0, 0]);
});

test('two devices of a class go to two apps, the whole class to nobody else', () => {
  assert.deepEqual(kinds(after(['a', 'adapters/ttyUSB0'], ['b', 'adapters/ttyUSB1'], ['c', 'adapters/ttyUSB0'], ['d', 'adapters']).answers), ['held', 'held', 'queued', 'queued']);
  assert.deepEqual(kinds(after(['a', 'adapters'], ['b', 'adapters/ttyUSB1']).answers), ['held', 'queued']);
});
