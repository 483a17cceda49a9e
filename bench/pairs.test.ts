import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alternate, ratios, spread } from './pairs.ts';

test('contenders take turns, and warm-ups do not count', async () => {
  const calls: string[] = [];
  const contender = (name: string, base: number) => async (round: number) => {
    calls.push(`${name}${round}`);
    return base + round;
  };
  const series = await alternate({ a: contender('a', 10), b: contender('b', 20) }, { rounds: 2, warmUps: 1 });
  assert.deepEqual(calls, ['a-1', 'b-1', 'a0', 'b0', 'a1', 'b1']);
  assert.deepEqual(series, { a: [10, 11], b: [20, 21] });
});

test('the median is the middle value, or the mean of the two in the middle', () => {
  assert.deepEqual(spread([9, 1, 5]), { median: 5, min: 1, max: 9 });
  assert.deepEqual(spread([10, 2, 4, 1]), { median: 3, min: 1, max: 10 });
  assert.deepEqual(spread([7]), { median: 7, min: 7, max: 7 });
  assert.throws(() => spread([]), RangeError);
});

test('ratios are taken round by round', () => {
  assert.deepEqual(ratios([2, 9], [1, 3]), [2, 3]);
  assert.throws(() => ratios([1], [1, 2]), RangeError);
});
