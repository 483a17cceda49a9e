import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseRecipe } from '../src/image/recipe.ts';
import { withTables } from './docs.ts';

const text = readFileSync(join(import.meta.dirname, '..', 'docs', 'package.md'), 'utf8');

void test('the tables of docs/package.md are those of the source', () => {
  assert.equal(withTables(text), text, 'run: node scripts/docs.ts');
});

void test('the recipe in docs/package.md is a good one', () => {
  const [, source] = /```yaml\n([^]*?)```/.exec(text)!;
  assert.equal(parseRecipe(source!).name, 'myapp');
});
