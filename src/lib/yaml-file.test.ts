import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { parseYamlFile } from './yaml-file.ts';

const schema = v.strictObject({ apps: v.array(v.string()), strict: v.optional(v.boolean()), rights: v.optional(v.strictObject({ pids: v.optional(v.number()) })), kind: v.optional(v.pipe(v.string(), v.regex(/^a$/, 'not an a'))) });

test('what is wrong with a key is said in words for people', async () => {
  const cases: readonly (readonly [text: string, message: string])[] = [
    ['apps: web', 'f.yaml: apps: "web" is not a list'],
    ['strict: true', 'f.yaml: apps: is missing'],
    ['apps: [1]', 'f.yaml: apps.0: 1 is not text'],
    ['apps: []\nstrict: "no"', 'f.yaml: strict: "no" is not true or false'],
    ['apps: []\nrights: {pids: many}', 'f.yaml: rights.pids: "many" is not a number'],
    ['apps: []\nrights: 5', 'f.yaml: rights: 5 is not a map of keys'],
    ['apps: []\nrihgts: {}', 'f.yaml: rihgts: not a key that Berth knows'],
    ['apps: []\nkind: b', 'f.yaml: kind: not an a'],
  ];
  for (const [text, message] of cases) await assert.rejects(parseYamlFile(schema, text, 'f.yaml'), { code: 'usage', message });
});
