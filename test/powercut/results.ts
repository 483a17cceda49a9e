import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { partOf, withPart } from '../../bench/parts.ts';
import type { Outcome } from './campaign.ts';

/** Moments of one operation and one way of mounting. */
export interface Result {
  readonly operation: string;
  readonly mount: string;
  readonly moments: number;
  readonly survived: number;
  /** Of the recordings. */
  readonly seeds: readonly number[];
  /** Day, as ISO 8601 has it. */
  readonly date: string;
}

export function resultsOf(outcomes: readonly Outcome[], date: string): readonly Result[] {
  const results = new Map<string, Result>();
  for (const { operation, mount, tried, survived, seed } of outcomes) {
    const before = results.get(keyOf({ operation, mount })) ?? { operation, mount, moments: 0, survived: 0, seeds: [], date };
    results.set(keyOf(before), { ...before, moments: before.moments + tried, survived: before.survived + survived, seeds: [...before.seeds, seed] });
  }
  return [...results.values()];
}

const headings = ['operation', 'mounted with', 'moments', 'survived', 'seeds', 'on'] as const;
const total = 'all';

/** Results as a Markdown table, which {@link readTable} reads. */
export function table(results: readonly Result[]): string {
  const sum = (value: (result: Result) => number): string => String(results.reduce((all, result) => all + value(result), 0));
  const rows = results.map(({ operation, mount, moments, survived, seeds, date }) => [operation, mount, `${moments}`, `${survived}`, seeds.join(' '), date]);
  const all = [[...headings], ...rows, [total, '', sum(({ moments }) => moments), sum(({ survived }) => survived), '', '']];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const print = (row: readonly string[]): string => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [print(all[0]!), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...all.slice(1).map(print)].join('\n');
}

export function readTable(text: string): readonly Result[] {
  const rows = text.split('\n').filter((line) => line.startsWith('| ')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
  return rows.filter(([operation]) => operation !== headings[0] && operation !== total).map(([operation = '', mount = '', moments, survived, seeds = '', date = '']) => ({
    operation, mount, moments: Number(moments), survived: Number(survived), seeds: seeds.split(' ').map(Number), date,
  }));
}

const heading = '# Power cuts';

/** Puts results into the file; those of other operations that are there stay. */
export function saveResults(path: string, results: readonly Result[], about: readonly string[]): void {
  const document = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const fresh = new Set(results.map(keyOf));
  const kept = readTable(partOf(document, heading)).filter((result) => !fresh.has(keyOf(result)));
  const rows = [...kept, ...results].toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  writeFileSync(path, withPart(document, [heading, '', ...about, '', table(rows), ''].join('\n')));
}

function keyOf({ operation, mount }: Pick<Result, 'operation' | 'mount'>): string {
  return `${operation}, ${mount}`;
}
