import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Outcome } from './campaign.ts';
import { readTable, resultsOf, saveResults, table } from './results.ts';

const outcome = (operation: string, seed: number, tried: number): Outcome => ({ operation, mount: 'data=ordered', points: tried, seed, tried, survived: tried - 1, failures: [] });

test('recordings of one operation and one way of mounting are one row', () => {
  const [first, ...others] = resultsOf([outcome('update', 7, 100), outcome('update', 8, 50)], '2000-01-01');
  assert.deepEqual(first, { operation: 'update', mount: 'data=ordered', moments: 150, survived: 148, seeds: [7, 8], date: '2000-01-01' });
  assert.deepEqual(others, []);
});

test('a table is read as it was written', () => {
  const results = resultsOf([outcome('update', 7, 100), outcome('removal', 8, 50)], '2000-01-01');
  assert.deepEqual(readTable(table(results)), results);
});

test('results of other operations and other parts of the file stay', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-results-'));
  t.after(() => { rmSync(directory, { recursive: true }); });
  const path = join(directory, 'RESULTS.md');
  writeFileSync(path, '# Figures\n\nfast\n');
  saveResults(path, resultsOf([outcome('update', 7, 100), outcome('removal', 8, 50)], '2000-01-01'), ['About.']);
  saveResults(path, resultsOf([outcome('update', 9, 30)], '2000-01-02'), ['About.']);
  const text = readFileSync(path, 'utf8');
  assert.match(text, /^# Figures\n\nfast\n\n# Power cuts\n\nAbout\.\n\n/);
  assert.deepEqual(readTable(text).map(({ operation, seeds, date }) => [operation, seeds, date]), [['removal', [8], '2000-01-01'], ['update', [9], '2000-01-02']]);
});
