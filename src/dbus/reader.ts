import { ProtocolError } from './errors.ts';
import { maxValueDepth } from './limits.ts';
import { isObjectPath } from './names.ts';
import { alignmentOf, parseSignature, parseSingleType, type Type } from './signature.ts';
import { Variant, type Value } from './value.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads values out of a message (D-Bus specification, "Marshaling"). Everything is checked: bounds, padding, texts.
 * Every method throws ProtocolError for bytes that are no such value.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  #at: number;

  /** `bytes` must begin on a boundary of 8 bytes of the message. */
  constructor(bytes: Uint8Array, littleEndian: boolean, offset = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = littleEndian;
    this.#at = offset;
  }

  get offset(): number {
    return this.#at;
  }

  /** One value for each type. */
  readAll(types: readonly Type[]): readonly Value[] {
    return types.map((type) => this.read(type));
  }

  read(type: Type, depth = 0): Value {
    if (depth > maxValueDepth) throw new ProtocolError('a value is nested too deeply');
    this.align(alignmentOf(type));
    switch (type.code) {
      case 'y':
        return this.#view.getUint8(this.#take(1));
      case 'b':
        return this.#boolean();
      case 'n':
        return this.#view.getInt16(this.#take(2), this.#littleEndian);
      case 'q':
        return this.#view.getUint16(this.#take(2), this.#littleEndian);
      case 'i':
        return this.#view.getInt32(this.#take(4), this.#littleEndian);
      case 'u':
      case 'h':
        return this.#uint32();
      case 'x':
        return this.#view.getBigInt64(this.#take(8), this.#littleEndian);
      case 't':
        return this.#view.getBigUint64(this.#take(8), this.#littleEndian);
      case 'd':
        return this.#view.getFloat64(this.#take(8), this.#littleEndian);
      case 's':
        return this.#text(this.#uint32());
      case 'o':
        return this.#path();
      case 'g':
        return this.#signature();
      case 'v':
        return this.#variant(depth);
      case 'a':
        return this.#array(type.element, depth);
      case '(':
      case '{':
        return type.fields.map((field) => this.read(field, depth + 1));
      default:
        // No code is left; a missing case above is an error of types here.
        return type satisfies never;
    }
  }

  /** Skips padding, which is zero. */
  align(boundary: number): void {
    while (this.#at % boundary !== 0) {
      if (this.#view.getUint8(this.#take(1)) !== 0) throw new ProtocolError('padding is not zero');
    }
  }

  /** Moves on by so many bytes; gives where they begin. */
  #take(size: number): number {
    const begin = this.#at;
    if (size > this.#bytes.length - begin) throw new ProtocolError('a value does not fit into its message');
    this.#at += size;
    return begin;
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4), this.#littleEndian);
  }

  #boolean(): boolean {
    const number = this.#uint32();
    if (number > 1) throw new ProtocolError(`a boolean of ${number}`);
    return number === 1;
  }

  #text(size: number): string {
    const begin = this.#take(size);
    const bytes = this.#bytes.subarray(begin, this.#at);
    if (this.#view.getUint8(this.#take(1)) !== 0) throw new ProtocolError('a text does not end with a zero byte');
    if (bytes.includes(0)) throw new ProtocolError('a text holds a zero byte');
    try {
      return utf8.decode(bytes);
    } catch (error) {
      throw new ProtocolError('a text is not UTF-8', { cause: error });
    }
  }

  #path(): string {
    const path = this.#text(this.#uint32());
    if (!isObjectPath(path)) throw new ProtocolError('an object path is none');
    return path;
  }

  #signature(): string {
    const text = this.#text(this.#view.getUint8(this.#take(1)));
    parseSignature(text);
    return text;
  }

  #variant(depth: number): Variant {
    const signature = this.#signature();
    return new Variant(signature, this.read(parseSingleType(signature), depth + 1));
  }

  #array(element: Type, depth: number): readonly Value[] {
    const size = this.#uint32();
    this.align(alignmentOf(element));
    const end = this.#at + size;
    if (end > this.#bytes.length) throw new ProtocolError('an array does not fit into its message');
    const values = [];
    while (this.#at < end) values.push(this.read(element, depth + 1));
    if (this.#at !== end) throw new ProtocolError('the last element of an array does not end with it');
    return values;
  }
}
