import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BerthError } from '../lib/errors.ts';
import { floorAfter, requireFloor } from './floors.ts';

for (const [version, floor] of [['1.0', undefined], ['1.0', '1.0'], ['1.10', '1.9'], ['1:0.5', '2.0'], ['2.0', '2.0~rc1']] as const) {
  test(`version ${version} is taken above floor ${floor}`, () => {
    requireFloor('app', version, floor);
  });
}

for (const [version, floor] of [['1.9', '1.10'], ['2.0~rc1', '2.0'], ['2.0', '1:0.5']] as const) {
  test(`version ${version} is refused below floor ${floor}, with the words to take it all the same`, () => {
    assert.throws(
      () => { requireFloor('app', version, floor); },
      (error: BerthError) => error.code === 'downgrade' && [`app ${version}`, floor, '--allow-downgrade'].every((word) => error.message.includes(word)),
    );
  });
}

test('a floor rises with what was committed, and falls only where the operator allowed it', () => {
  assert.equal(floorAfter('1.0', undefined, false), '1.0');
  assert.equal(floorAfter('2.0', '1.0', false), '2.0');
  assert.equal(floorAfter('1.0', '2.0', false), '2.0');
  assert.equal(floorAfter('1.0', '2.0', true), '1.0');
});
