import { alignmentOf, parseSingleType, type Type } from './signature.ts';
import { Variant, type Value } from './value.ts';

/**
 * Writes values as they stand in a message (D-Bus specification, "Marshaling"). A value that is not of its type is an
 * error of the program and throws.
 */
export class Writer {
  readonly #littleEndian: boolean;
  #bytes = Buffer.alloc(256);
  #view = viewOf(this.#bytes);
  #size = 0;

  constructor(littleEndian = true) {
    this.#littleEndian = littleEndian;
  }

  get size(): number {
    return this.#size;
  }

  /** What was written so far. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  writeAll(types: readonly Type[], values: readonly Value[]): void {
    if (types.length !== values.length) throw new TypeError(`${values.length} values for ${types.length} types`);
    for (const [index, type] of types.entries()) this.write(type, values[index]!);
  }

  write(type: Type, value: Value): void {
    this.align(alignmentOf(type));
    const little = this.#littleEndian;
    switch (type.code) {
      case 'y':
        return this.#fixed(1, (view, at) => view.setUint8(at, value as number));
      case 'n':
        return this.#fixed(2, (view, at) => view.setInt16(at, value as number, little));
      case 'q':
        return this.#fixed(2, (view, at) => view.setUint16(at, value as number, little));
      case 'i':
        return this.#fixed(4, (view, at) => view.setInt32(at, value as number, little));
      case 'b':
      case 'u':
      case 'h':
        return this.#uint32(Number(value));
      case 'x':
        return this.#fixed(8, (view, at) => view.setBigInt64(at, value as bigint, little));
      case 't':
        return this.#fixed(8, (view, at) => view.setBigUint64(at, value as bigint, little));
      case 'd':
        return this.#fixed(8, (view, at) => view.setFloat64(at, value as number, little));
      case 's':
      case 'o':
        return this.#text(value as string, 4);
      case 'g':
        return this.#text(value as string, 1);
      case 'v':
        return this.#variant(value as Variant);
      case 'a':
        return this.#array(type.element, value as readonly Value[]);
      case '(':
      case '{':
        return this.writeAll(type.fields, value as readonly Value[]);
      default:
        return type satisfies never;
    }
  }

  align(boundary: number): void {
    this.#room((boundary - (this.#size % boundary)) % boundary);
  }

  /** Replaces a number that was written before. */
  patchUint32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, this.#littleEndian);
  }

  /** Makes room for so many bytes, all zero; gives where they begin. */
  #room(size: number): number {
    const begin = this.#size;
    this.#size += size;
    if (this.#size > this.#bytes.length) {
      const larger = Buffer.alloc(2 * this.#size);
      this.#bytes.copy(larger);
      this.#bytes = larger;
      this.#view = viewOf(larger);
    }
    return begin;
  }

  #fixed(size: number, set: (view: DataView, at: number) => void): void {
    const at = this.#room(size);
    set(this.#view, at);
  }

  #uint32(value: number): void {
    this.#fixed(4, (view, at) => {
      view.setUint32(at, value, this.#littleEndian);
    });
  }

  /** The length, in so many bytes, the text and a zero byte, for which none may stand in the text. */
  #text(text: string, lengthBytes: 1 | 4): void {
    const bytes = Buffer.from(text.replaceAll('\0', '\ufffd'));
    if (lengthBytes === 4) this.#uint32(bytes.length);
    else this.#fixed(1, (view, at) => view.setUint8(at, bytes.length));
    const at = this.#room(bytes.length + 1);
    this.#bytes.set(bytes, at);
  }

  #variant({ signature, value }: Variant): void {
    this.#text(signature, 1);
    this.write(parseSingleType(signature), value);
  }

  /** The length is that of the elements, without the padding in front of the first. */
  #array(element: Type, values: readonly Value[]): void {
    const length = this.#room(4);
    this.align(alignmentOf(element));
    const begin = this.#size;
    for (const value of values) this.write(element, value);
    this.patchUint32(length, this.#size - begin);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
