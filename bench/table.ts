import { isMet, type Figure, type Measurement } from './figure.ts';
import { spread } from './pairs.ts';

export interface Row {
  readonly figure: Figure;
  readonly measurement: Measurement;
}

const units: Readonly<Record<Figure['unit'], string>> = { times: ' ×', MB: ' MB', processes: '', things: '' };

/** The table of figures as Markdown, which is also how it is printed. */
export function table(rows: readonly Row[]): string {
  const lines = rows.map(({ figure, measurement }) => {
    const show = (value: number): string => `${format(value)}${units[figure.unit]}`;
    const { min, max } = measurement;
    const range = min === undefined || max === undefined ? '' : `${format(min)} – ${format(max)}`;
    return [figure.name, figure.title, `${figure.limit}${units[figure.unit]}`, show(measurement.value), range, isMet(figure, measurement) ? 'yes' : 'NO'];
  });
  const all = [['name', 'figure', 'at most', 'measured', 'from – to', 'met'], ...lines];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((cells) => cells[column]!.length)));
  const print = (cells: readonly string[]): string => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [print(all[0]!), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...lines.map(print)].join('\n');
}

/** What was measured besides, as lines of Markdown. */
export function notes({ measurement }: Row): readonly string[] {
  const conditions = (measurement.conditions ?? []).map(({ what, met }) => `${what}: ${met ? 'yes' : 'NO'}`);
  return [...conditions, ...measurement.notes].map((line) => `- ${line}`);
}

/** Median and range of a series of milliseconds, for people. */
export function inMs(name: string, values: readonly number[]): string {
  const { median, min, max } = spread(values);
  return `${name}: ${format(median)} ms (${format(min)} – ${format(max)}, ${values.length} rounds)`;
}

/** Three digits that say something. */
export function format(value: number): string {
  if (value === 0) return '0';
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}
