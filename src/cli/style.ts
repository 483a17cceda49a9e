import { escapeForTerminal } from '../lib/terminal.ts';

/** Looks a piece of text may have: SGR parameters (ECMA-48 section 8.3.117). */
const sgr = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33', cyan: '36' } as const;

export type Style = keyof typeof sgr;

/** Text for a terminal; what comes from packages and apps may stand in it as it is: it is escaped when rendered. */
export interface Span {
  readonly text: string;
  readonly style?: Style;
}

export function span(text: string, style?: Style): Span {
  return style === undefined ? { text } : { text, style };
}

/** Escaped, and coloured if `colour`. */
export function render({ text, style }: Span, colour: boolean): string {
  const safe = escapeForTerminal(text);
  return style === undefined || !colour || safe === '' ? safe : `\x1b[${sgr[style]}m${safe}\x1b[0m`;
}

const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const combining = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** Columns that a character takes on a terminal. */
function widthOf(character: string): number {
  if (combining.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}

/** Columns that a text takes on a terminal, once escaped. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of escapeForTerminal(text)) width += widthOf(character);
  return width;
}

/** At most `width` columns of the text, escaped; what is cut off shows as `…`. */
export function truncate(text: string, width: number): string {
  const safe = escapeForTerminal(text);
  if (displayWidth(safe) <= width) return safe;
  let taken = '';
  let used = 0;
  for (const character of safe) {
    used += widthOf(character);
    if (used > width - 1) break;
    taken += character;
  }
  return width < 1 ? '' : `${taken}…`;
}
