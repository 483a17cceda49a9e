import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeness } from './names.ts';

test('a name is closer than a pattern, more characters than fewer', () => {
  assert.deepEqual([['*'], ['w*'], ['we*', '*'], ['web'], ['x'], []].map((patterns) => closeness(patterns, 'web')), [0, 1, 2, 4, -1, -1]);
});
