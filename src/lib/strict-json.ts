import { BerthError } from './errors.ts';
import type { Json } from './json.ts';
import { pathOf, type Step } from './json-path.ts';

/** Deeper than any document that Berth reads. */
const maxDepth = 64;

/**
 * A JSON text (RFC 8259) that means the same to whoever reads it: no name twice in an object, no text that is not
 * Unicode, no nesting without bounds.
 * @param what for messages: `config.json`
 * @throws BerthError `bad_package` with the JSON path
 */
export function parseStrictJson(text: string, what: string): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    throw new BerthError('bad_package', `${what}: not JSON: ${(error as Error).message}`, { cause: error });
  }
  // What follows can rely on the text being JSON.
  new Scan(text, what).run();
  return value;
}

interface Container {
  /** Names so far; undefined for an array. */
  readonly names?: Set<string>;
  /** Where the scan is in it. */
  step: Step;
  /** The next text is a name. */
  atName: boolean;
}

/** One pass over a JSON text, from token to token. */
class Scan {
  readonly #text: string;
  readonly #what: string;
  readonly #open: Container[] = [];

  constructor(text: string, what: string) {
    this.#text = text;
    this.#what = what;
  }

  run(): void {
    for (let at = 0; at < this.#text.length; at += 1) {
      const inner = this.#open.at(-1);
      switch (this.#text[at]) {
        case '{':
          this.#enter({ names: new Set(), step: '', atName: true });
          break;
        case '[':
          this.#enter({ step: 0, atName: false });
          break;
        case '}':
        case ']':
          this.#open.pop();
          break;
        case ',':
          if (typeof inner!.step === 'number') inner!.step += 1;
          else inner!.atName = true;
          break;
        case '"':
          at = this.#string(at, inner);
          break;
        default:
      }
    }
  }

  #enter(container: Container): void {
    if (this.#open.length >= maxDepth) throw this.#fault(`is nested deeper than ${maxDepth}`);
    this.#open.push(container);
  }

  /** Looks at the text that begins at `start`, and gives where it ends. */
  #string(start: number, inner: Container | undefined): number {
    let end = start + 1;
    while (this.#text[end] !== '"') end += this.#text[end] === '\\' ? 2 : 1;
    const value = JSON.parse(this.#text.slice(start, end + 1)) as string;
    if (inner?.atName === true) {
      if (inner.names!.has(value)) throw this.#fault(`holds "${value}" twice`, this.#open.slice(0, -1));
      inner.names!.add(value);
      inner.step = value;
      inner.atName = false;
    }
    if (!value.isWellFormed()) throw this.#fault('is not Unicode text: it holds half of a surrogate pair');
    return end;
  }

  #fault(why: string, open: readonly Container[] = this.#open): BerthError {
    const path = pathOf(open.map(({ step }) => step));
    return new BerthError('bad_package', `${this.#what}: ${path === '' ? 'the document' : path} ${why}`);
  }
}
