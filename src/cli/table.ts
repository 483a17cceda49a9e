import { displayWidth, render, truncate, type Span } from './style.ts';

export interface Column {
  readonly title: string;
  readonly right?: true;
  /** May be cut down to this many columns where the terminal is narrow. */
  readonly least?: number;
}

export interface Surface {
  /** Columns to fit in; undefined: as wide as it takes. */
  readonly width: number | undefined;
  readonly colour: boolean;
}

const gap = 2;

/** Rows under titles, in aligned columns; a narrow terminal cuts the widest of those that may be cut. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly Span[])[], surface: Surface): string {
  const natural = columns.map((column, index) => Math.max(column.title.length, ...rows.map((row) => displayWidth(row[index]!.text))));
  const widths = fit(columns, natural, surface.width);
  const titles = columns.map(({ title }): Span => ({ text: title, style: 'dim' }));
  return [titles, ...rows].map((row) => `${renderRow(columns, widths, row, surface.colour)}\n`).join('');
}

/** Names and values, one a line. */
export function renderFields(fields: readonly (readonly [string, Span])[], surface: Surface): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${render({ text: name.padEnd(width), style: 'dim' }, surface.colour)}  ${render(value, surface.colour)}\n`).join('');
}

function fit(columns: readonly Column[], natural: readonly number[], available: number | undefined): readonly number[] {
  const widths = [...natural];
  if (available === undefined) return widths;
  let excess = widths.reduce((sum, width) => sum + width, 0) + gap * (columns.length - 1) - available;
  while (excess > 0) {
    const shrinkable = [...columns.keys()].filter((index) => widths[index]! > (columns[index]!.least ?? Infinity));
    if (shrinkable.length === 0) break;
    const widest = shrinkable.reduce((a, b) => (widths[b]! > widths[a]! ? b : a));
    widths[widest]! -= 1;
    excess -= 1;
  }
  return widths;
}

function renderRow(columns: readonly Column[], widths: readonly number[], row: readonly Span[], colour: boolean): string {
  const cells = row.map((cell, index) => {
    const text = truncate(cell.text, widths[index]!);
    const space = ' '.repeat(widths[index]! - displayWidth(text));
    const painted = render({ ...cell, text }, colour);
    if (columns[index]!.right === true) return space + painted;
    return index === columns.length - 1 ? painted : painted + space;
  });
  return cells.join(' '.repeat(gap)).trimEnd();
}
