import { ProtocolError } from './errors.ts';
import { maxArrayDepth, maxSignatureBytes, maxStructDepth } from './limits.ts';

/** Type codes that hold no others, and the boundary on which each is aligned (D-Bus specification, "Marshaling"). */
export const basicAlignments = { y: 1, b: 4, n: 2, q: 2, i: 4, u: 4, x: 8, t: 8, d: 8, s: 4, o: 4, g: 1, h: 4 } as const;

export type BasicCode = keyof typeof basicAlignments;

/** One complete type. `(` is a struct, `{` an entry of a dictionary. */
export type Type =
  | { readonly code: BasicCode }
  | { readonly code: 'v' }
  | { readonly code: 'a'; readonly element: Type }
  | { readonly code: '('; readonly fields: readonly Type[] }
  | { readonly code: '{'; readonly fields: readonly [Type, Type] };

export function alignmentOf(type: Type): number {
  switch (type.code) {
    case 'v':
      return 1;
    case 'a':
      return 4;
    case '(':
    case '{':
      return 8;
    default:
      return basicAlignments[type.code];
  }
}

/**
 * The types of a signature (D-Bus specification, "Type System").
 * @throws ProtocolError if it is none
 */
export function parseSignature(text: string): readonly Type[] {
  if (text.length > maxSignatureBytes) throw new ProtocolError(`a signature of ${text.length} bytes`);
  const cursor = new SignatureCursor(text);
  const types: Type[] = [];
  while (!cursor.done) types.push(cursor.complete(0, 0));
  return types;
}

/** The one type of a variant's signature. @throws ProtocolError if there is not exactly one */
export function parseSingleType(text: string): Type {
  const [type, ...more] = parseSignature(text);
  if (type === undefined || more.length > 0) throw new ProtocolError(`"${text}" is not the signature of one value`);
  return type;
}

class SignatureCursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#at === this.#text.length;
  }

  complete(arrays: number, structs: number): Type {
    const code = this.#next();
    if (isBasic(code)) return { code };
    switch (code) {
      case 'v':
        return { code };
      case 'a':
        if (arrays === maxArrayDepth) throw this.#wrong('arrays too deep');
        return { code, element: this.#peek() === '{' ? this.#entry(arrays + 1, structs) : this.complete(arrays + 1, structs) };
      case '(':
        return { code, fields: this.#fields(arrays, structs + 1) };
      default:
        throw this.#wrong(`no type begins with "${code}"`);
    }
  }

  #fields(arrays: number, structs: number): readonly Type[] {
    if (structs > maxStructDepth) throw this.#wrong('structs too deep');
    const fields = [];
    do fields.push(this.complete(arrays, structs));
    while (this.#peek() !== ')');
    this.#next();
    return fields;
  }

  /** Only the element of an array may be one. */
  #entry(arrays: number, structs: number): Type {
    if (structs === maxStructDepth) throw this.#wrong('structs too deep');
    this.#next();
    const key = this.#next();
    if (!isBasic(key)) throw this.#wrong('the key of a dictionary is not of a basic type');
    const value = this.complete(arrays, structs + 1);
    if (this.#next() !== '}') throw this.#wrong('a dictionary entry holds two types');
    return { code: '{', fields: [{ code: key }, value] };
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #next(): string {
    const code = this.#peek();
    if (code === undefined) throw this.#wrong('it ends too early');
    this.#at += 1;
    return code;
  }

  #wrong(why: string): ProtocolError {
    return new ProtocolError(`"${this.#text}" is not a signature: ${why}`);
  }
}

function isBasic(code: string): code is BasicCode {
  return Object.hasOwn(basicAlignments, code);
}
