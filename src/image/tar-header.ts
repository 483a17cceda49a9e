import { isUtf8 } from 'node:buffer';
import { BerthError } from '../lib/errors.ts';

/** Everything in a tar archive comes in blocks of this size (POSIX.1-2024, pax, "ustar Interchange Format"). */
export const tarBlockBytes = 512;

/** Where each field of a header block stands: offset and size in bytes (the same table of POSIX). */
const fields = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  userName: [265, 32],
  groupName: [297, 32],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [offset: number, size: number]>;

/** Magic and version together. The GNU format has other things where POSIX has the prefix. */
const magics = { posix: 'ustar\u000000', gnu: 'ustar  \0', old: '\0\0\0\0\0\0\0\0' } as const;

/** The one-letter types of entries; those not named here are refused by their letter. */
export const tarTypes = {
  file: '0',
  oldFile: '\0',
  hardlink: '1',
  symlink: '2',
  charDevice: '3',
  blockDevice: '4',
  dir: '5',
  fifo: '6',
  contiguous: '7',
  paxHeader: 'x',
  paxGlobal: 'g',
  gnuLongName: 'L',
  gnuLongLink: 'K',
  gnuSparse: 'S',
  gnuMultiVolume: 'M',
} as const;

/** A header block as values. */
export interface TarHeader {
  /** With the prefix of ustar, if there is one. */
  readonly name: string;
  /** All bits of the mode, set-id ones included. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** One of {@link tarTypes}. */
  readonly type: string;
  readonly linkName: string;
}

type Field = keyof typeof fields;

function bytesOf(block: Buffer, field: Field): Buffer {
  const [offset, size] = fields[field];
  return block.subarray(offset, offset + size);
}

/** True for a block of zeros; two of them end an archive. */
export function isZeroBlock(block: Buffer): boolean {
  return block[0] === 0 && block.equals(zeroBlock);
}

const zeroBlock = Buffer.alloc(tarBlockBytes);

/** The sum of all bytes, with the checksum field taken as spaces. */
function checksumOf(block: Buffer): number {
  const [offset, size] = fields.checksum;
  let sum = 0x20 * size;
  for (let i = 0; i < offset; i += 1) sum += block[i]!;
  for (let i = offset + size; i < tarBlockBytes; i += 1) sum += block[i]!;
  return sum;
}

/**
 * A header block as values: ustar, GNU and the older form without magic.
 * @throws BerthError `bad_package` saying what is wrong; `where` names archive and offset.
 */
export function decodeTarHeader(block: Buffer, where: string): TarHeader {
  const fault = (reason: string): BerthError => new BerthError('bad_package', `${where}: ${reason}`);
  const magic = bytesOf(block, 'magic').toString('latin1');
  const form = (Object.keys(magics) as (keyof typeof magics)[]).find((key) => magics[key] === magic);
  if (form === undefined) throw fault('not a tar header');
  const number = (field: Field): number => {
    const value = decodeNumber(bytesOf(block, field));
    if (value === undefined) throw fault(`the field ${field} of a tar header is not a number that tar allows`);
    return value;
  };
  const text = (field: Field): string => {
    const value = decodeText(bytesOf(block, field));
    if (value === undefined) throw fault(`the ${field} of an entry is not UTF-8`);
    return value;
  };
  if (number('checksum') !== checksumOf(block)) throw fault('the checksum of a tar header is wrong');
  const prefix = form === 'posix' ? text('prefix') : '';
  return {
    name: prefix === '' ? text('name') : `${prefix}/${text('name')}`,
    mode: number('mode') & 0o7777,
    uid: number('uid'),
    gid: number('gid'),
    size: number('size'),
    mtime: number('mtime'),
    type: bytesOf(block, 'type').toString('latin1'),
    linkName: text('linkName'),
  };
}

/** Whether the values fit in one ustar header, without a pax header before it. */
export function fitsTarHeader(header: TarHeader): boolean {
  return splitName(header.name) !== undefined && Buffer.byteLength(header.linkName) <= fields.linkName[1] && header.size <= maxOctal(fields.size[1]);
}

/**
 * One ustar header block. Numbers that do not fit in octal are written in base 256, as GNU does.
 * @throws RangeError if name or link name do not fit; see {@link fitsTarHeader}.
 */
export function encodeTarHeader(header: TarHeader): Buffer {
  const split = splitName(header.name);
  if (split === undefined) throw new RangeError('name does not fit in a tar header');
  const block = Buffer.alloc(tarBlockBytes);
  writeText(block, 'name', split.name);
  writeText(block, 'prefix', split.prefix);
  writeText(block, 'linkName', header.linkName);
  block.write(magics.posix, fields.magic[0], 'latin1');
  block.write(header.type, fields.type[0], 'latin1');
  for (const field of ['mode', 'uid', 'gid', 'size', 'mtime'] as const) encodeNumber(bytesOf(block, field), header[field]);
  encodeNumber(bytesOf(block, 'deviceMajor'), 0);
  encodeNumber(bytesOf(block, 'deviceMinor'), 0);
  // Six digits, a zero byte and a space, as every tar writes it.
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, fields.checksum[0], 'latin1');
  return block;
}

function writeText(block: Buffer, field: Field, text: string): void {
  const bytes = Buffer.from(text);
  const [offset, size] = fields[field];
  if (bytes.length > size) throw new RangeError(`${field} does not fit in a tar header`);
  bytes.copy(block, offset);
}

/** Name and prefix, split at a slash so that each fits in its field; undefined if there is no such slash. */
function splitName(path: string): { readonly name: string; readonly prefix: string } | undefined {
  if (Buffer.byteLength(path) <= fields.name[1]) return { name: path, prefix: '' };
  for (let slash = path.indexOf('/', 1); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (name !== '' && Buffer.byteLength(name) <= fields.name[1]) {
      return Buffer.byteLength(prefix) <= fields.prefix[1] ? { name, prefix } : undefined;
    }
  }
  return undefined;
}

/** Text up to the first zero byte; undefined if it is not UTF-8. */
function decodeText(bytes: Buffer): string | undefined {
  const zero = bytes.indexOf(0);
  const text = zero < 0 ? bytes : bytes.subarray(0, zero);
  return isUtf8(text) ? text.toString('utf8') : undefined;
}

function maxOctal(size: number): number {
  return 8 ** (size - 1) - 1;
}

/**
 * Octal digits between spaces or zeros, or base 256 when the highest bit is set. Undefined for anything else: a
 * negative number, one beyond 2^53, other characters.
 */
function decodeNumber(bytes: Buffer): number | undefined {
  if ((bytes[0]! & 0x80) !== 0) {
    if (bytes[0] !== 0x80) return undefined;
    let value = 0;
    for (const byte of bytes.subarray(1)) value = value * 256 + byte;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const match = /^ *([0-7]*)[ \0]*$/.exec(bytes.toString('latin1'));
  if (match === null) return undefined;
  return match[1] === '' ? 0 : Number.parseInt(match[1]!, 8);
}

function encodeNumber(field: Buffer, value: number): void {
  if (value <= maxOctal(field.length)) {
    field.write(`${value.toString(8).padStart(field.length - 1, '0')}\0`, 'latin1');
    return;
  }
  field.writeBigUInt64BE(BigInt(value), field.length - 8);
  field[0] = 0x80;
}

/**
 * The records of a pax header (`<length> <keyword>=<value>\n`, the length counting itself) as a map; later records
 * of one keyword win. @throws BerthError `bad_package`.
 */
export function decodePaxRecords(bytes: Buffer, where: string): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let start = 0; start < bytes.length; ) {
    const space = bytes.indexOf(0x20, start);
    const digits = space < 0 ? '' : bytes.toString('latin1', start, space);
    const end = start + Number(digits);
    const equals = bytes.indexOf(0x3d, space);
    if (!/^[1-9]\d{0,7}$/.test(digits) || end > bytes.length || bytes[end - 1] !== 0x0a || equals < 0 || equals >= end - 1 || equals === space + 1) {
      throw new BerthError('bad_package', `${where}: a broken record in a pax header`);
    }
    records.set(bytes.toString('latin1', space + 1, equals), bytes.subarray(equals + 1, end - 1));
    start = end;
  }
  return records;
}

/** The contents of a pax header with these records, in the order given. */
export function encodePaxRecords(records: Iterable<readonly [keyword: string, value: string]>): Buffer {
  return Buffer.concat([...records].map(([keyword, value]) => encodePaxRecord(` ${keyword}=${value}\n`)));
}

function encodePaxRecord(rest: string): Buffer {
  const restBytes = Buffer.byteLength(rest);
  let length = restBytes + String(restBytes).length;
  if (String(length).length > String(restBytes).length) length = restBytes + String(length).length;
  return Buffer.from(`${length}${rest}`);
}

/** Zero bytes that follow contents of this size up to the next block. */
export function tarPadding(size: number): number {
  return (tarBlockBytes - (size % tarBlockBytes)) % tarBlockBytes;
}
