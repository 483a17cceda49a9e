import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDepends } from '../image/index.ts';
import type { BerthError } from '../lib/errors.ts';
import { missingDependencies, requireDependencies } from './dependencies.ts';

const provided = [{ name: 'broker', version: '2.0.11-1' }, { name: 'gps' }];

for (const [depends, wanted] of [
  ['', []],
  ['broker', []],
  ['broker (>= 2.0)', []],
  ['broker (<< 2.0)', ['broker (<< 2.0)']],
  ['broker (= 2.0.11-1)', []],
  ['gps', []],
  ['gps (>= 1)', ['gps (>= 1)']],
  ['mqtt | broker (>= 1), gps', []],
  ['mqtt | nats, modem, gps', ['mqtt | nats', 'modem']],
] as const) {
  test(`Depends "${depends}" lacks ${wanted.length === 0 ? 'nothing' : wanted.join(' and ')}`, () => {
    assert.deepEqual(missingDependencies(parseDepends(depends), provided).map((missing) => missing.wanted), wanted);
  });
}

test('the refusal lists all that is missing, with the versions that are there', () => {
  assert.throws(
    () => { requireDependencies('app', parseDepends('modem, broker (>= 3), gps'), provided); },
    (error: BerthError) => error.code === 'dependency' && error.message.includes('modem; broker (>= 3) (there is broker 2.0.11-1)'),
  );
});
