import { BerthError } from '../lib/errors.ts';
import { BlockGatherer, type ArchiveEvent, type ArchiveParser } from './archive.ts';

/** First bytes of every ar archive (ar(5)). */
export const arMagic = '!<arch>\n';
export const arHeaderBytes = 60;

/** Fields of an ar header that matter here: offset and size in bytes. */
const fields = { name: [0, 16], size: [48, 10], end: [58, 2] } as const;
const headerEnd = '`\n';

/** A member of an ar archive, as its header says. */
export interface ArEntry {
  readonly name: string;
  readonly size: number;
}

/** Reads an ar archive in the common form that dpkg and opkg use: names of at most 15 characters, no symbol table. */
export class ArParser implements ArchiveParser<ArEntry> {
  readonly #magic = new BlockGatherer(arMagic.length);
  readonly #header = new BlockGatherer(arHeaderBytes);
  #started = false;
  #offset = 0;
  /** Bytes of the current member that are still to come. */
  #remaining = 0;
  #padding = false;
  #name = '';

  *push(chunk: Buffer): Generator<ArchiveEvent<ArEntry>, void, undefined> {
    for (let at = 0; at < chunk.length; ) {
      const begun = at;
      if (!this.#started) at += this.#start(chunk);
      else if (this.#remaining > 0) {
        const bytes = chunk.subarray(at, at + this.#remaining);
        this.#remaining -= bytes.length;
        at += bytes.length;
        yield { kind: 'data', bytes };
        if (this.#remaining === 0) yield { kind: 'end' };
      } else if (this.#padding) {
        if (chunk[at] !== 0x0a) throw this.#bad(`the byte after ${this.#name} (of odd size) is not the newline that pads it`);
        this.#padding = false;
        at += 1;
      } else {
        const { taken, block } = this.#header.take(chunk, at);
        at += taken;
        if (block !== undefined) yield* this.#begin(block);
      }
      this.#offset += at - begun;
    }
  }

  end(): void {
    if (!this.#started) throw this.#bad('it ends before the first member');
    if (this.#remaining > 0) throw this.#bad(`it ends within ${this.#name}, ${this.#remaining} bytes too early`);
    if (this.#header.pending > 0 || this.#padding) throw this.#bad('it ends within the header of a member');
  }

  #start(chunk: Buffer): number {
    const { taken, block } = this.#magic.take(chunk, 0);
    if (block !== undefined) {
      if (block.toString('latin1') !== arMagic) throw this.#bad('it does not begin as an ar archive');
      this.#started = true;
    }
    return taken;
  }

  *#begin(block: Buffer): Generator<ArchiveEvent<ArEntry>, void, undefined> {
    const text = (field: keyof typeof fields): string => block.toString('latin1', fields[field][0], fields[field][0] + fields[field][1]);
    if (text('end') !== headerEnd) throw this.#bad('the header of a member does not end as it should');
    const size = text('size').trimEnd();
    if (!/^\d+$/.test(size)) throw this.#bad(`the size of a member is "${size}"`);
    // GNU ar ends names with a slash.
    const name = text('name').trimEnd().replace(/(.)\/$/, '$1');
    if (!/^[\x21-\x2e\x30-\x7e]+$/.test(name)) throw this.#bad(`"${name}" is not a name of a member that Berth reads`);
    this.#name = name;
    this.#remaining = Number(size);
    this.#padding = this.#remaining % 2 === 1;
    yield { kind: 'entry', entry: { name, size: this.#remaining } };
    if (this.#remaining === 0) yield { kind: 'end' };
  }

  #bad(reason: string): BerthError {
    return new BerthError('bad_package', `ar archive, byte ${this.#offset}: ${reason}`);
  }
}
