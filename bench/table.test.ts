import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMet, type Figure, type Measurement } from './figure.ts';
import { format, inMs, notes, table } from './table.ts';

const figure: Figure = { name: 'start', title: 'a start', limit: 1.25, unit: 'times', measure: () => Promise.reject(new Error('not measured here')) };
const measurement = (value: number, more: Partial<Measurement> = {}): Measurement => ({ value, notes: [], series: {}, ...more });

test('a figure is met at its limit, and only with its conditions', () => {
  assert.equal(isMet(figure, measurement(1.25)), true);
  assert.equal(isMet(figure, measurement(1.26)), false);
  assert.equal(isMet(figure, measurement(1, { conditions: [{ what: 'flat', met: false }] })), false);
});

test('the table names the figure, the limit, what was measured and whether that is met', () => {
  const lines = table([{ figure, measurement: measurement(1.3, { min: 1.2, max: 1.4 }) }]).split('\n');
  assert.deepEqual(lines.map((line) => line.length), [lines[0]!.length, lines[0]!.length, lines[0]!.length]);
  assert.deepEqual(lines[2]!.split('|').map((cell) => cell.trim()), ['', 'start', 'a start', '1.25 ×', '1.30 ×', '1.20 – 1.40', 'NO', '']);
});

test('conditions come first in the notes', () => {
  assert.deepEqual(notes({ figure, measurement: measurement(1, { conditions: [{ what: 'flat', met: true }], notes: ['more'] }) }), ['- flat: yes', '- more']);
});

test('numbers have about three digits', () => {
  assert.deepEqual([0, 0.123, 1.234, 12.34, 123.4].map(format), ['0', '0.12', '1.23', '12.3', '123']);
  assert.equal(inMs('start', [1, 2, 3]), 'start: 2.00 ms (1.00 – 3.00, 3 rounds)');
});
