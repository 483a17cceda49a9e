import { BerthError } from '../lib/errors.ts';

/** One element of DER (X.690): its identifier octet, its bytes with and without the header, and what is inside. */
export interface DerNode {
  readonly tag: number;
  /** Identifier, length and content. */
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
  /** Of a constructed element. */
  readonly children: readonly DerNode[];
}

export interface DerLimits {
  readonly bytes: number;
  readonly depth: number;
  readonly elements: number;
}

/** Identifier octets of universal types (X.690 section 8.1.2). */
export const derTags = { boolean: 0x01, integer: 0x02, bitString: 0x03, octetString: 0x04, oid: 0x06, sequence: 0x30, set: 0x31 } as const;
const constructed = 0x20;
const universalMask = 0xc0;

/**
 * The elements of one DER value, and nothing after it. The ASN.1 library reads BER as well, in which one value has many
 * encodings and lengths may be left open; what is signed is DER, so this comes first and refuses all else. It also bounds what the
 * library is given. `what` names the value in messages.
 * @throws BerthError `untrusted`
 */
export function readDer(bytes: Uint8Array, what: string, limits: DerLimits): DerNode {
  if (bytes.length > limits.bytes) throw new BerthError('untrusted', `${what}: ${bytes.length} bytes; at most ${limits.bytes} are read`);
  const reader = new DerReader(bytes, what, limits);
  const node = reader.element(0, bytes.length, 0);
  if (node.bytes.length < bytes.length) throw reader.fault(node.bytes.length, `${bytes.length - node.bytes.length} bytes follow its end`);
  return node;
}

class DerReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  readonly #limits: DerLimits;
  #elements = 0;

  constructor(bytes: Uint8Array, what: string, limits: DerLimits) {
    this.#bytes = bytes;
    this.#what = what;
    this.#limits = limits;
  }

  element(at: number, end: number, depth: number): DerNode {
    this.#elements += 1;
    if (this.#elements > this.#limits.elements) throw this.fault(at, `more than ${this.#limits.elements} elements`);
    if (depth > this.#limits.depth) throw this.fault(at, `more than ${this.#limits.depth} levels`);
    const tag = this.#octet(at, end);
    if (tag === 0 || (tag & 0x1f) === 0x1f) throw this.fault(at, 'a tag that is not used in certificates and signatures');
    const { length, start } = this.#length(at + 1, end);
    if (length > end - start) throw this.fault(at, `an element of ${length} bytes where ${end - start} are left`);
    this.#checkForm(tag, start, length);
    const children: DerNode[] = [];
    if ((tag & constructed) !== 0) {
      for (let next = start; next < start + length;) {
        const child = this.element(next, start + length, depth + 1);
        children.push(child);
        next += child.bytes.length;
      }
    }
    return { tag, bytes: this.#bytes.subarray(at, start + length), content: this.#bytes.subarray(start, start + length), children };
  }

  fault(at: number, reason: string): BerthError {
    return new BerthError('untrusted', `${this.#what}: not what DER allows: byte ${at}: ${reason}`);
  }

  /** Definite, and in as few octets as possible (X.690 section 10.1). */
  #length(at: number, end: number): { readonly length: number; readonly start: number } {
    const first = this.#octet(at, end);
    if (first < 0x80) return { length: first, start: at + 1 };
    if (first === 0x80) throw this.fault(at, 'a length that is left open (BER); sign without streaming');
    const octets = first & 0x7f;
    if (octets > 4) throw this.fault(at, `a length of ${octets} octets`);
    let length = 0;
    for (let i = 1; i <= octets; i += 1) length = length * 256 + this.#octet(at + i, end);
    if (length < 0x80 || length < 256 ** (octets - 1)) throw this.fault(at, 'a length in more octets than it needs');
    return { length, start: at + 1 + octets };
  }

  /** Universal types are constructed or primitive as DER has it; booleans and integers have one encoding. */
  #checkForm(tag: number, start: number, length: number): void {
    if ((tag & universalMask) !== 0) return;
    const isConstructed = (tag & constructed) !== 0;
    const isStructure = (tag | constructed) === derTags.sequence || (tag | constructed) === derTags.set;
    if (isConstructed !== isStructure) throw this.fault(start, `tag ${tag} in the wrong form`);
    const [first, second] = [this.#bytes[start], this.#bytes[start + 1]];
    if (tag === derTags.boolean && (length !== 1 || (first !== 0 && first !== 0xff))) throw this.fault(start, 'a boolean that is neither 00 nor FF');
    if (tag === derTags.integer) {
      if (length === 0) throw this.fault(start, 'an integer without octets');
      if (length > 1 && ((first === 0 && second! < 0x80) || (first === 0xff && second! >= 0x80))) throw this.fault(start, 'an integer in more octets than it needs');
    }
  }

  #octet(at: number, end: number): number {
    if (at >= end) throw this.fault(at, 'it ends within an element');
    return this.#bytes[at]!;
  }
}

/** Text of the bytes in hexadecimal: to compare and to print. */
export function hex(bytes: Uint8Array | ArrayBuffer): string {
  return Buffer.from(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)).toString('hex');
}
