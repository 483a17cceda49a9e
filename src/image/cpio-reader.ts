import { BerthError } from '../lib/errors.ts';
import { BlockGatherer, type ArchiveEvent, type ArchiveParser } from './archive.ts';

/** A header is a magic and thirteen numbers of eight hexadecimal digits (cpio(5), "New ASCII Format"). */
const headerBytes = 110;
const magicBytes = 6;
/** `crc` has the sum of each file's bytes in its header, `newc` nothing. */
const magics = { newc: '070701', crc: '070702' } as const;
const numbers = ['inode', 'mode', 'uid', 'gid', 'links', 'mtime', 'size', 'deviceMajor', 'deviceMinor', 'ofDeviceMajor', 'ofDeviceMinor', 'nameSize', 'sum'] as const;

const typeMask = 0o170000;
const fileType = 0o100000;
const maxNameBytes = 255;
const endName = 'TRAILER!!!';

/** A file in a cpio archive, as its header says. */
export interface CpioEntry {
  readonly name: string;
  readonly size: number;
}

/** Whether these first bytes are those of a cpio archive that {@link CpioParser} reads. */
export function isCpio(head: Buffer): boolean {
  return (Object.values(magics) as string[]).includes(head.toString('latin1', 0, magicBytes));
}

type Numbers = Readonly<Record<(typeof numbers)[number], number>>;
type Header = Numbers & { readonly isSummed: boolean };

/** Reads a cpio archive of files in the formats `crc` and `newc`; checks the sums of `crc`. */
export class CpioParser implements ArchiveParser<CpioEntry> {
  readonly #block = new BlockGatherer(headerBytes);
  #offset = 0;
  #header: Header | undefined;
  /** The name of the entry and the zeros after it, as far as they are there. */
  #nameParts: Buffer[] = [];
  #nameMissing = 0;
  #name = '';
  /** Bytes of the current file that are still to come, and the zeros after them. */
  #remaining = 0;
  #padding = 0;
  #sum = 0;
  /** The end was seen: only zeros may follow. */
  #ended = false;

  *push(chunk: Buffer): Generator<ArchiveEvent<CpioEntry>, void, undefined> {
    for (let at = 0; at < chunk.length;) {
      const begun = at;
      if (this.#ended) {
        if (chunk.subarray(at).some((byte) => byte !== 0)) throw this.#bad('there is something after the end of the archive');
        at = chunk.length;
      } else if (this.#nameMissing > 0) {
        const part = chunk.subarray(at, at + this.#nameMissing);
        this.#nameParts.push(Buffer.from(part));
        this.#nameMissing -= part.length;
        at += part.length;
        if (this.#nameMissing === 0) yield* this.#begin(Buffer.concat(this.#nameParts));
      } else if (this.#remaining > 0) {
        const bytes = chunk.subarray(at, at + this.#remaining);
        this.#remaining -= bytes.length;
        at += bytes.length;
        if (this.#header!.isSummed) this.#add(bytes);
        yield { kind: 'data', bytes };
        if (this.#remaining === 0) yield* this.#finish();
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, chunk.length - at);
        this.#padding -= skipped;
        at += skipped;
      } else {
        const { taken, block } = this.#block.take(chunk, at);
        at += taken;
        if (block !== undefined) this.#read(block, this.#offset + taken - headerBytes);
      }
      this.#offset += at - begun;
    }
  }

  end(): void {
    if (!this.#ended) throw this.#bad(`it ends too early${this.#remaining > 0 ? `, within ${this.#name}` : ''}`);
  }

  #read(block: Buffer, offset: number): void {
    if (!isCpio(block)) throw this.#bad('not a cpio header of the format crc or newc', offset);
    const text = block.toString('latin1');
    const value = (index: number): number => {
      const digits = text.slice(magicBytes + 8 * index, magicBytes + 8 * (index + 1));
      if (!/^[0-9a-f]{8}$/i.test(digits)) throw this.#bad(`the ${numbers[index]} in a cpio header is no number`, offset);
      return Number.parseInt(digits, 16);
    };
    const header = Object.fromEntries(numbers.map((name, index) => [name, value(index)])) as Numbers;
    this.#header = { ...header, isSummed: text.startsWith(magics.crc) };
    const { nameSize } = header;
    if (nameSize < 2 || nameSize > maxNameBytes + 1) throw this.#bad(`a name of ${nameSize - 1} bytes; Berth reads names of 1 to ${maxNameBytes}`, offset);
    this.#nameParts = [];
    this.#nameMissing = nameSize + padding(headerBytes + nameSize);
  }

  *#begin(name: Buffer): Generator<ArchiveEvent<CpioEntry>, void, undefined> {
    const { nameSize, mode, size } = this.#header!;
    const text = name.toString('latin1', 0, nameSize - 1);
    if (name[nameSize - 1] !== 0 || !/^[\x20-\x7e]+$/.test(text)) throw this.#bad('the name of an entry is not printable ASCII text that a zero ends');
    this.#name = text;
    if (text === endName) {
      if (size > 0) throw this.#bad('the entry that ends the archive has contents');
      this.#ended = true;
      return;
    }
    if ((mode & typeMask) !== fileType) throw this.#bad(`"${text}" is not a file`);
    this.#remaining = size;
    this.#padding = padding(size);
    this.#sum = 0;
    yield { kind: 'entry', entry: { name: text, size } };
    if (size === 0) yield* this.#finish();
  }

  #add(bytes: Buffer): void {
    let sum = 0;
    for (let at = 0; at < bytes.length; at += 1) sum += bytes[at]!;
    this.#sum = (this.#sum + sum) % 2 ** 32;
  }

  *#finish(): Generator<ArchiveEvent<CpioEntry>, void, undefined> {
    const { isSummed, sum } = this.#header!;
    if (isSummed && sum !== this.#sum) throw this.#bad(`${this.#name} is damaged: its bytes add up to ${this.#sum}, not to ${sum}`);
    yield { kind: 'end' };
  }

  #bad(reason: string, offset = this.#offset): BerthError {
    return new BerthError('bad_package', `cpio archive, byte ${offset}: ${reason}`);
  }
}

/** Zeros up to the next multiple of four. */
function padding(size: number): number {
  return (4 - (size % 4)) % 4;
}
