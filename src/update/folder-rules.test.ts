import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../lib/digest.ts';
import { isPassing, judgeOffer, lastAttempt, newestOnly, type Known, type Verdict } from './folder-rules.ts';
import type { UpdateStatus } from './types.ts';

const digest = digestOf('web 2.0');
const other = digestOf('another');

/** What is known of an app, and the verdict on version 2.0 of it. */
const table: readonly (readonly [name: string, known: Known, verdict: Verdict])[] = [
  ['a new app', {}, 'apply'],
  ['an older one is installed', { installed: '1.0' }, 'apply'],
  ['an older one came from there', { installed: '1.0', had: '1.0' }, 'apply'],
  ['it is installed, from elsewhere', { installed: '2.0' }, 'current'],
  ['it is installed, from there', { installed: '2.0', had: '2.0' }, 'current'],
  ['the same version with another spelling is installed', { installed: '0:2.0' }, 'current'],
  ['a newer one is installed', { installed: '2.0.1' }, 'older'],
  ['a newer one is installed, and came from there', { installed: '3.0', had: '3.0' }, 'older'],
  ['a person removed it', { had: '2.0' }, 'had'],
  ['a person removed a newer one', { had: '2.1' }, 'had'],
  ['a person removed an older one', { had: '1.9' }, 'apply'],
  ['a person went back from it', { installed: '1.0', had: '2.0' }, 'had'],
  ['it was rolled back', { installed: '1.0', had: '1.0', refused: digest }, 'refused'],
  ['it was refused, and never there', { refused: digest }, 'refused'],
  ['another image was refused', { installed: '1.0', refused: other }, 'apply'],
  ['it was refused, and a person installed it all the same', { installed: '2.0', refused: digest }, 'current'],
  ['its trial goes on', { installed: '2.0', underWay: true }, 'under-way'],
];

for (const [name, known, verdict] of table) {
  test(`a folder brings 2.0: ${name}: ${verdict}`, () => {
    assert.equal(judgeOffer({ app: 'web', version: '2.0', digest }, known), verdict);
  });
}

test('of several versions of one app the newest counts, and the first of the same', () => {
  const offers = [['web', '1.9'], ['web', '1.10'], ['broker', '1.0'], ['web', '1.2'], ['web', '1.10']].map(([app, version], index) => ({ app: app!, version: version!, digest: digestOf(String(index)) }));
  assert.deepEqual(newestOnly(offers), [offers[1], offers[2]]);
});

test('what is not the fault of the package is tried again, what is is not', () => {
  for (const code of ['no_space', 'cancelled', 'unavailable', 'dependency', 'io'] as const) assert.equal(isPassing(code), true, code);
  for (const code of ['bad_package', 'rolled_back', 'architecture', 'downgrade', 'untrusted', 'too_large', 'unsupported'] as const) assert.equal(isPassing(code), false, code);
});

test('how an update ended that nobody could note is read from the history', () => {
  const update = (source: UpdateStatus['source'], image: typeof digest, outcome?: UpdateStatus['outcome'], code?: NonNullable<UpdateStatus['reason']>['code']): UpdateStatus => ({
    id: 1, source, phase: 'trial', startedAt: 0, phases: [], bytes: 0,
    apps: [{ app: 'web', to: { version: '2.0', digest: image } }],
    ...(outcome === undefined ? {} : { outcome }),
    ...(code === undefined ? {} : { reason: { code, message: '' } }),
  });
  const last = (...history: UpdateStatus[]): unknown => lastAttempt(history, 'factory', digest);
  assert.equal(last(), undefined);
  assert.equal(last(update('factory', digest)), 'under-way');
  assert.equal(last(update('factory', digest, 'committed')), 'had');
  assert.equal(last(update('factory', digest, 'rolled-back', 'rolled_back')), 'refused');
  assert.equal(last(update('factory', digest, 'failed', 'bad_package')), 'refused');
  assert.equal(last(update('factory', digest, 'failed', 'no_space')), undefined);
  assert.equal(last(update('factory', digest, 'undone', 'cancelled')), undefined);
  assert.equal(last(update('factory', digest, 'cancelled', 'cancelled')), undefined);
  assert.equal(last(update('media', digest, 'rolled-back'), update('factory', other, 'rolled-back')), undefined);
  assert.equal(last(update('factory', digest, 'committed'), update('factory', digest, 'undone')), 'had', 'the newest counts');
});
