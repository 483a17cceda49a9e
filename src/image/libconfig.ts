import { BerthError } from '../lib/errors.ts';

/** A value in libconfig's language (libconfig manual, "Configuration Files"): a group, a list or array, a scalar. */
export type Setting = ReadonlyMap<string, Setting> | readonly Setting[] | string | number | boolean;

const maxDepth = 16;

/** In the order in which they are tried. `space` is comments too. */
const tokens = /(?<space>(?:\s|#[^\n]*|\/\/[^\n]*|\/\*[^]*?\*\/)+)|(?<string>"(?:[^"\\]|\\[^])*")|(?<name>[A-Za-z*][-A-Za-z0-9_*]*)|(?<number>[-+]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)L{0,2})|(?<mark>[=:;,{}()[\]])/y;

type TokenKind = 'string' | 'name' | 'number' | 'mark' | 'end';

interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
}

const ends: Readonly<Record<string, string>> = { '(': ')', '[': ']' };
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f' };

/** @throws BerthError `bad_package` with the line in `file`. Files that others include are not read. */
export function parseLibconfig(text: string, file: string): ReadonlyMap<string, Setting> {
  const reader = new Reader(text, file);
  const settings = reader.group('end', 0);
  return settings;
}

class Reader {
  readonly #text: string;
  readonly #file: string;
  #at = 0;
  #line = 1;
  #token: Token;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
    this.#token = this.#next();
  }

  /** Settings up to the mark or the end of the text, which is taken too. */
  group(end: '}' | 'end', depth: number): ReadonlyMap<string, Setting> {
    const settings = new Map<string, Setting>();
    while (!this.#takeEnd(end)) {
      const name = this.#take('name');
      if (settings.has(name)) throw this.#bad(`${name} is there twice`);
      if (!this.#takeMark('=') && !this.#takeMark(':')) throw this.#bad(`"=" is missing after ${name}`);
      settings.set(name, this.#value(depth + 1));
      if (!this.#takeMark(';')) this.#takeMark(',');
    }
    return settings;
  }

  #value(depth: number): Setting {
    if (depth > maxDepth) throw this.#bad(`it is nested more than ${maxDepth} deep`);
    const { kind, text } = this.#token;
    if (this.#takeMark('{')) return this.group('}', depth);
    const end = kind === 'mark' ? ends[text] : undefined;
    if (end !== undefined) {
      this.#advance();
      return this.#list(end, depth);
    }
    if (kind === 'string') return this.#strings();
    if (kind === 'number') return Number(this.#take('number').replace(/L+$/, ''));
    if (kind === 'name' && /^(?:true|false)$/i.test(text)) return this.#take('name').toLowerCase() === 'true';
    throw this.#unexpected('a value');
  }

  #list(end: string, depth: number): readonly Setting[] {
    const values: Setting[] = [];
    while (!this.#takeMark(end)) {
      values.push(this.#value(depth + 1));
      if (this.#takeMark(end)) break;
      if (!this.#takeMark(',')) throw this.#unexpected(`"," or "${end}"`);
    }
    return values;
  }

  /** Strings that stand side by side are one. */
  #strings(): string {
    let whole = '';
    while (this.#token.kind === 'string') {
      whole += this.#take('string').slice(1, -1).replaceAll(/\\(?:x([0-9a-fA-F]{2})|([^]))/g, (_, code: string | undefined, letter: string) => (code === undefined ? (escapes[letter] ?? letter) : String.fromCodePoint(Number.parseInt(code, 16))));
    }
    return whole;
  }

  #takeEnd(end: '}' | 'end'): boolean {
    return end === 'end' ? this.#token.kind === 'end' : this.#takeMark(end);
  }

  #takeMark(mark: string): boolean {
    if (this.#token.kind !== 'mark' || this.#token.text !== mark) return false;
    this.#advance();
    return true;
  }

  #take(kind: TokenKind): string {
    if (this.#token.kind !== kind) throw this.#unexpected(`a ${kind}`);
    const { text } = this.#token;
    this.#advance();
    return text;
  }

  #advance(): void {
    this.#token = this.#next();
  }

  #next(): Token {
    for (;;) {
      if (this.#at === this.#text.length) return { kind: 'end', text: '', line: this.#line };
      tokens.lastIndex = this.#at;
      const match = tokens.exec(this.#text);
      const line = this.#line;
      if (match === null) throw new BerthError('bad_package', `${this.#file}, line ${line}: ${JSON.stringify(this.#text.slice(this.#at, this.#at + 20))} is not understood`);
      this.#at = tokens.lastIndex;
      this.#line += match[0].split('\n').length - 1;
      const [kind] = Object.entries(match.groups!).find(([, text]) => text !== undefined)!;
      if (kind !== 'space') return { kind: kind as TokenKind, text: match[0], line };
    }
  }

  #unexpected(wanted: string): BerthError {
    const { kind, text } = this.#token;
    return this.#bad(`${wanted} is expected, not ${kind === 'end' ? 'the end' : text.slice(0, 40)}`);
  }

  #bad(reason: string): BerthError {
    return new BerthError('bad_package', `${this.#file}, line ${this.#token.line}: ${reason}`);
  }
}
