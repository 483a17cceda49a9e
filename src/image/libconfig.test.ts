import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLibconfig, type Setting } from './libconfig.ts';

function plain(value: Setting): unknown {
  if (value instanceof Map) return Object.fromEntries([...(value as ReadonlyMap<string, Setting>)].map(([name, inner]) => [name, plain(inner)]));
  return Array.isArray(value) ? (value as readonly Setting[]).map(plain) : value;
}

test('settings of every kind are read', () => {
  const text = `
    # a comment, // and another
    /* over
       lines */ whole = 12; hex: 0x1F; big = 5000000000L
    negative = -3, real = 1.5e2;
    yes = TRUE; no = false;
    text = "a \\"quoted\\" \\\\ # no comment\\n" "and \\x41 more";
    empty = (); array = [ 1, 2, 3 ];
    list = ( "a", { deep: { er = ( [ ], ( true, ), ); } }, );
    name-with_all*1 = "";
  `;
  assert.deepEqual(plain(parseLibconfig(text, 'f')), {
    whole: 12,
    hex: 31,
    big: 5_000_000_000,
    negative: -3,
    real: 150,
    yes: true,
    no: false,
    text: 'a "quoted" \\ # no comment\nand A more',
    empty: [],
    array: [1, 2, 3],
    list: ['a', { deep: { er: [[], [true]] } }],
    'name-with_all*1': '',
  });
  assert.deepEqual(plain(parseLibconfig('', 'f')), {});
});

const refusals: readonly (readonly [text: string, message: RegExp])[] = [
  ['a', /^f, line 1: "=" is missing after a$/],
  ['a = ', /line 1: a value is expected, not the end/],
  ['\n\na = ;', /line 3: a value is expected, not ;/],
  ['a = maybe;', /a value is expected, not maybe/],
  ['a = 1; a = 2;', /a is there twice/],
  ['a = (1 2);', /"," or "\)" is expected, not 2/],
  ['a = [1);', /"," or "\]" is expected, not \)/],
  ['a = { b = 1;', /a name is expected, not the end/],
  ['a = 1; }', /a name is expected, not }/],
  ['a = "open', /line 1: "\\"open" is not understood/],
  ['a = 1 /* open', /"\/\* open" is not understood/],
  ['@include "x"', /"@include/],
  [`a = ${'['.repeat(20)}`, /nested more than 16 deep/],
];
for (const [text, message] of refusals) {
  test(`refused: ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.throws(() => parseLibconfig(text, 'f'), { code: 'bad_package', message });
  });
}

test('long and hostile text takes no more time than its length', () => {
  for (const part of ['"', '/*', '\\', '#', '//', '(', '"\\', 'a=1;', '-', '0x', ' ']) {
    const text = part.repeat(32_000);
    try {
      parseLibconfig(text, 'f');
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'bad_package', part);
    }
  }
});
