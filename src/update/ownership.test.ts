import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BerthError } from '../lib/errors.ts';
import { fakeImage } from './fixtures.ts';
import { requireOneAuthority, requireOwner, type Ownership } from './ownership.ts';
import { trustedTime, earliestPossible } from './time.ts';

const by = (authority: string | undefined, name = 'web'): ReturnType<typeof fakeImage> => fakeImage(name, '2.0', authority === undefined ? {} : { signed: true, authority });
const ownership: Ownership = { owners: new Map([['web', 'acme'], ['old', 'gone']]), authorities: [{ name: 'acme', successors: ['globex'] }, { name: 'globex', successors: [] }] };

function refused(message: RegExp, act: () => void): void {
  assert.throws(act, (error: BerthError) => error.code === 'untrusted' && message.test(error.message));
}

test('an app takes versions of its authority and of successors, and none of others or of nobody', () => {
  requireOwner(by('acme'), ownership);
  requireOwner(by('globex'), ownership);
  refused(/web belongs to authority acme, and web 2\.0 is signed by evil.*hand-over web evil/, () => { requireOwner(by('evil'), ownership); });
  refused(/is not signed.*hand-over web --unsigned/, () => { requireOwner(by(undefined), ownership); });
});

test('what belongs to nobody takes whatever came in; what belongs to an authority that is gone takes nothing else', () => {
  requireOwner(by('evil', 'new'), ownership);
  requireOwner(by(undefined, 'new'), ownership);
  requireOwner(by('gone', 'old'), ownership);
  refused(/does not know \(any more\)/, () => { requireOwner(by('acme', 'old'), ownership); });
});

test('a successor is not a successor of its successor', () => {
  const chain: Ownership = { owners: new Map([['web', 'a']]), authorities: [{ name: 'a', successors: ['b'] }, { name: 'b', successors: ['c'] }] };
  refused(/belongs to authority a/, () => { requireOwner(by('c'), chain); });
});

test('a payload comes from one authority, and nobody counts as one', () => {
  requireOneAuthority([by('acme'), by('acme', 'other')]);
  requireOneAuthority([by(undefined), by(undefined, 'other')]);
  refused(/web of acme; other of globex/, () => { requireOneAuthority([by('acme'), by('globex', 'other')]); });
  refused(/web of acme; other of nobody/, () => { requireOneAuthority([by('acme'), by(undefined, 'other')]); });
});

test('the time never runs backwards, and is not known while the clock is behind', () => {
  const later = earliestPossible + 1000;
  assert.deepEqual(trustedTime(later, undefined), { now: later, isKnown: true });
  assert.deepEqual(trustedTime(0, undefined), { now: earliestPossible, isKnown: false });
  assert.deepEqual(trustedTime(earliestPossible, later), { now: later, isKnown: false });
  assert.deepEqual(trustedTime(later + 1, later), { now: later + 1, isKnown: true });
});
