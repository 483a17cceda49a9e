import { isUtf8 } from 'node:buffer';
import { BerthError } from '../lib/errors.ts';
import { BlockGatherer, type ArchiveEvent, type ArchiveParser } from './archive.ts';
import { decodePaxRecords, decodeTarHeader, isZeroBlock, tarBlockBytes, tarPadding, tarTypes, type TarHeader } from './tar-header.ts';

/** A pax header holds two paths at most, and extended attributes of at most 64 KiB each. */
const maxPaxBytes = 256 * 1024;
/** The time that ext4 can hold: 34 bits of seconds. */
const maxMtime = 0x3_7fff_ffff;
const maxId = 0xffff_fffe;

export type TarEntryType = 'file' | 'dir' | 'symlink' | 'hardlink' | 'charDevice' | 'blockDevice' | 'fifo';

/** An entry as the archive has it: the name is not checked, set-id bits are there. */
export interface TarEntry {
  readonly type: TarEntryType;
  readonly name: string;
  readonly linkName: string;
  /** At most 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  /** Bytes that follow; 0 for everything but files. */
  readonly size: number;
  /** Names of extended attributes (`security.capability`, …). */
  readonly xattrs: readonly string[];
  /** Where its header begins in the archive, in bytes. */
  readonly offset: number;
}

const entryTypes: Readonly<Record<string, TarEntryType>> = {
  [tarTypes.file]: 'file',
  [tarTypes.oldFile]: 'file',
  [tarTypes.contiguous]: 'file',
  [tarTypes.hardlink]: 'hardlink',
  [tarTypes.symlink]: 'symlink',
  [tarTypes.charDevice]: 'charDevice',
  [tarTypes.blockDevice]: 'blockDevice',
  [tarTypes.dir]: 'dir',
  [tarTypes.fifo]: 'fifo',
};

const unsupportedTypes: Readonly<Record<string, string>> = {
  [tarTypes.gnuSparse]: 'a sparse file; build the archive without --sparse',
  [tarTypes.gnuMultiVolume]: 'a part of a multi-volume archive',
};

/** Headers that say something about the entry after them, and the longest contents each may have. */
type Annex = 'paxHeader' | 'paxGlobal' | 'gnuLongName' | 'gnuLongLink';
const annexes: Readonly<Record<string, Annex>> = {
  [tarTypes.paxHeader]: 'paxHeader',
  [tarTypes.paxGlobal]: 'paxGlobal',
  [tarTypes.gnuLongName]: 'gnuLongName',
  [tarTypes.gnuLongLink]: 'gnuLongLink',
};

type PaxRecords = ReadonlyMap<string, Buffer>;

/** Reads a tar archive: ustar, pax and GNU long names (POSIX.1-2024, pax; GNU tar manual, "Basic Tar Format"). */
export class TarParser implements ArchiveParser<TarEntry> {
  readonly #archive: string;
  readonly #pathBytes: number;
  readonly #block = new BlockGatherer(tarBlockBytes);
  #offset = 0;
  /** Bytes of the current contents that are still to come, and the zeros after them. */
  #remaining = 0;
  #padding = 0;
  /** A zero block was seen: only zeros may follow. */
  #ended = false;
  /** Contents that are gathered because they describe the next entry. */
  #annex: { readonly kind: Annex; readonly parts: Buffer[] } | undefined;
  #global: PaxRecords = new Map();
  #pax: PaxRecords | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;

  /** `archive` names it in messages; longer names than `pathBytes` are refused before they are gathered. */
  constructor(archive: string, pathBytes: number) {
    this.#archive = archive;
    this.#pathBytes = pathBytes;
  }

  *push(chunk: Buffer): Generator<ArchiveEvent<TarEntry>, void, undefined> {
    for (let at = 0; at < chunk.length; ) {
      const begun = at;
      if (this.#ended) {
        this.#expectZeros(chunk.subarray(at));
        at = chunk.length;
      } else if (this.#remaining > 0) {
        const bytes = chunk.subarray(at, at + this.#remaining);
        this.#remaining -= bytes.length;
        at += bytes.length;
        if (this.#annex === undefined) yield { kind: 'data', bytes };
        else this.#annex.parts.push(Buffer.from(bytes));
        if (this.#remaining === 0) yield* this.#finish();
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, chunk.length - at);
        this.#padding -= skipped;
        at += skipped;
      } else {
        const { taken, block } = this.#block.take(chunk, at);
        at += taken;
        if (block !== undefined) yield* this.#begin(block, this.#offset + taken - tarBlockBytes);
      }
      this.#offset += at - begun;
    }
  }

  /** True once the zeros were seen that end an archive. An archive without them is read too, but may be cut off. */
  get hasEnd(): boolean {
    return this.#ended;
  }

  end(): void {
    if (this.#remaining > 0 || this.#padding > 0) throw this.#bad(`it ends within an entry, ${this.#remaining + this.#padding} bytes too early`);
    if (this.#block.pending > 0) throw this.#bad('it ends within a header');
    if (this.#hasAnnex()) throw this.#bad('it ends after an extended header, without the entry that this describes');
  }

  #hasAnnex(): boolean {
    return this.#pax !== undefined || this.#longName !== undefined || this.#longLink !== undefined;
  }

  *#begin(block: Buffer, offset: number): Generator<ArchiveEvent<TarEntry>, void, undefined> {
    if (isZeroBlock(block)) {
      if (this.#hasAnnex()) throw this.#bad('the archive ends after an extended header');
      this.#ended = true;
      return;
    }
    const header = decodeTarHeader(block, `${this.#archive}, byte ${offset}`);
    const annex = annexes[header.type];
    if (annex === undefined) {
      const entry = this.#entry(header, offset);
      this.#remaining = entry.size;
      yield { kind: 'entry', entry };
    } else {
      this.#beginAnnex(annex, header.size);
      this.#remaining = header.size;
    }
    this.#padding = tarPadding(this.#remaining);
    if (this.#remaining === 0) yield* this.#finish();
  }

  #beginAnnex(kind: Annex, size: number): void {
    const isName = kind === 'gnuLongName' || kind === 'gnuLongLink';
    const max = isName ? this.#pathBytes + 1 : maxPaxBytes;
    if (size > max) throw new BerthError('too_large', `${this.#archive}, byte ${this.#offset}: ${isName ? 'a long name' : 'a pax header'} of ${size} bytes; at most ${max} are allowed`);
    const isRepeated = (kind === 'paxHeader' && this.#pax !== undefined) || (kind === 'gnuLongName' && this.#longName !== undefined) || (kind === 'gnuLongLink' && this.#longLink !== undefined);
    if (isRepeated) throw this.#bad('two extended headers of one kind for one entry');
    this.#annex = { kind, parts: [] };
  }

  *#finish(): Generator<ArchiveEvent<TarEntry>, void, undefined> {
    if (this.#annex === undefined) {
      yield { kind: 'end' };
      return;
    }
    const { kind, parts } = this.#annex;
    const bytes = Buffer.concat(parts);
    this.#annex = undefined;
    if (kind === 'paxHeader') this.#pax = decodePaxRecords(bytes, this.#where());
    else if (kind === 'paxGlobal') this.#global = this.#globalRecords(bytes);
    else if (kind === 'gnuLongName') this.#longName = this.#text(bytes, 'name');
    else this.#longLink = this.#text(bytes, 'link name');
  }

  #globalRecords(bytes: Buffer): PaxRecords {
    const records = decodePaxRecords(bytes, this.#where());
    for (const keyword of ['path', 'linkpath', 'size']) {
      if (records.has(keyword)) throw this.#bad(`a global pax header sets ${keyword} for all entries`);
    }
    return new Map([...this.#global, ...records]);
  }

  #entry(header: TarHeader, offset: number): TarEntry {
    const pax = this.#pax === undefined ? this.#global : new Map([...this.#global, ...this.#pax]);
    const name = this.#paxText(pax, 'path') ?? this.#longName ?? header.name;
    const linkName = this.#paxText(pax, 'linkpath') ?? this.#longLink ?? header.linkName;
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    const type = this.#type(header.type, name);
    const size = this.#paxNumber(pax, 'size', Number.MAX_SAFE_INTEGER) ?? header.size;
    if (type !== 'file' && size !== 0) throw this.#bad(`"${name}" is no file but is followed by ${size} bytes`);
    const mtime = this.#paxNumber(pax, 'mtime', maxMtime) ?? header.mtime;
    const uid = this.#paxNumber(pax, 'uid', maxId) ?? header.uid;
    const gid = this.#paxNumber(pax, 'gid', maxId) ?? header.gid;
    if (uid > maxId || gid > maxId) throw this.#bad(`"${name}" belongs to a user or group number beyond ${maxId}`);
    if (mtime > maxMtime) throw this.#bad(`"${name}" has a time that no file system can hold`);
    return { type, name, linkName, mode: header.mode, uid, gid, mtime, size, xattrs: this.#xattrs(pax), offset };
  }

  #type(letter: string, name: string): TarEntryType {
    const unsupported = unsupportedTypes[letter];
    if (unsupported !== undefined) throw new BerthError('unsupported', `${this.#where()}: "${name}" is ${unsupported}`);
    const type = entryTypes[letter];
    if (type === undefined) throw this.#bad(`"${name}" is of a type that Berth does not know (${JSON.stringify(letter)})`);
    // Before ustar, a slash at the end of the name was all that marked a directory.
    if (type === 'file' && name.endsWith('/')) {
      if (letter === tarTypes.oldFile) return 'dir';
      throw this.#bad(`"${name}" is a file whose name ends with a slash`);
    }
    return type;
  }

  #xattrs(pax: PaxRecords): readonly string[] {
    if (pax.size === 0) return [];
    for (const keyword of pax.keys()) {
      if (keyword.startsWith('GNU.sparse.')) throw new BerthError('unsupported', `${this.#where()}: a sparse file; build the archive without --sparse`);
    }
    return [...pax.keys()].flatMap((keyword) => /^(?:SCHILY\.xattr|LIBARCHIVE\.xattr|RHT|SCHILY)\.(.+)$/.exec(keyword)?.[1] ?? []);
  }

  #paxText(pax: PaxRecords, keyword: string): string | undefined {
    const bytes = pax.get(keyword);
    return bytes === undefined ? undefined : this.#text(bytes, keyword);
  }

  /** Decimal, with a fraction that is dropped. */
  #paxNumber(pax: PaxRecords, keyword: string, max: number): number | undefined {
    const text = pax.get(keyword)?.toString('latin1');
    if (text === undefined) return undefined;
    const match = /^(\d{1,16})(?:\.\d*)?$/.exec(text);
    const value = match === null ? Number.NaN : Number(match[1]);
    if (!(value <= max)) throw this.#bad(`a pax header with ${keyword}=${text.slice(0, 40)}, which is not a number from 0 to ${max}`);
    return value;
  }

  /** Long names of GNU end with a zero byte; no name holds one. */
  #text(bytes: Buffer, what: string): string {
    const text = bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes;
    if (text.includes(0)) throw this.#bad(`the ${what} of an entry holds a zero byte`);
    if (!isUtf8(text)) throw this.#bad(`the ${what} of an entry is not UTF-8`);
    return text.toString('utf8');
  }

  #expectZeros(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += tarBlockBytes) {
      const block = bytes.subarray(at, at + tarBlockBytes);
      if (block.length === tarBlockBytes ? !isZeroBlock(block) : block.some((byte) => byte !== 0)) throw this.#bad('there is something after the end of the archive');
    }
  }

  #where(): string {
    return `${this.#archive}, byte ${this.#offset}`;
  }

  #bad(reason: string): BerthError {
    return new BerthError('bad_package', `${this.#where()}: ${reason}`);
  }
}
