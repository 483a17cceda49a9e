import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { closeness, isNamedBy } from './names.ts';

test('patterns of names', () => {
  for (const [pattern, names, others] of [
    ['web', ['web'], ['', 'webs', 'aweb']],
    ['*', ['', 'web'], []],
    ['acme-*', ['acme-', 'acme-web'], ['acme', 'xacme-web']],
    ['*-web', ['-web', 'acme-web'], ['web', 'acme-webs']],
    ['a*b*c', ['abc', 'axbxc', 'abbcc'], ['ab', 'acb', 'xabc']],
    ['ab*ba', ['abba', 'abxba'], ['aba']],
    ['a**b', ['ab', 'axb'], ['a']],
  ] as const) {
    for (const name of names) assert.equal(isNamedBy(pattern, name), true, `${pattern} ${name}`);
    for (const name of others) assert.equal(isNamedBy(pattern, name), false, `${pattern} ${name}`);
  }
});

test('patterns mean what a regular expression would', () => {
  const short = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 });
  fc.assert(
    fc.property(short, short, (pattern, name) => {
      const expression = new RegExp(`^${pattern.split('*').map((part) => RegExp.escape(part)).join('.*')}$`);
      assert.equal(isNamedBy(pattern, name), expression.test(name));
    }),
  );
});

test('a name is closer than a pattern, more characters than fewer', () => {
  assert.deepEqual([['*'], ['w*'], ['we*', '*'], ['web'], ['x'], []].map((patterns) => closeness(patterns, 'web')), [0, 1, 2, 4, -1, -1]);
});
