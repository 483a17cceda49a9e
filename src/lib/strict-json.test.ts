import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStrictJson } from './strict-json.ts';

test('what means one thing only is read as JSON.parse reads it', () => {
  for (const text of ['null', '5', '"a"', '[]', '{}', '[{"a":[1,{"b":"c,}]:{"}]},{"a":2}]', String.raw`{"a":{"a":"\"\\\u0061"},"b":["a","a"]}`, ' { "a" : [ ] } ']) {
    assert.deepEqual(parseStrictJson(text, 'x'), JSON.parse(text), text);
  }
});

for (const [what, text, message] of [
  ['no JSON', '{"a":', /^x: not JSON: /],
  ['a name twice', '{"a":1,"b":{},"a":2}', 'x: the document holds "a" twice'],
  ['a name twice within', '{"a":[0,{"b":{"c":1,"c":1}}]}', 'x: a[1].b holds "c" twice'],
  ['a name twice, once by an escape', String.raw`{"a":1,"\u0061":2}`, 'x: the document holds "a" twice'],
  ['half a surrogate pair', String.raw`{"a":["\ud83d\ude00","\ud83d"]}`, 'x: a[1] is not Unicode text: it holds half of a surrogate pair'],
  ['deep nesting', '['.repeat(100_000) + ']'.repeat(100_000), /nested deeper than 64$/],
] as const) {
  test(`a text with ${what} is refused`, () => {
    assert.throws(() => parseStrictJson(text, 'x'), { code: 'bad_package', message });
  });
}
