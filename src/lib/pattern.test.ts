import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matches } from './pattern.ts';

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
    for (const name of names) assert.equal(matches(pattern, name), true, `${pattern} ${name}`);
    for (const name of others) assert.equal(matches(pattern, name), false, `${pattern} ${name}`);
  }
});

test('patterns mean what a regular expression would', () => {
  const short = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 });
  fc.assert(
    fc.property(short, short, (pattern, name) => {
      const expression = new RegExp(`^${pattern.split('*').map((part) => RegExp.escape(part)).join('.*')}$`);
      assert.equal(matches(pattern, name), expression.test(name));
    }),
  );
});
