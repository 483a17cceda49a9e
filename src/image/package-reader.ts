import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import { arMagic, ArParser } from './ar-reader.ts';
import { archiveMembers } from './archive.ts';
import { decompress, detectCompression, magicBytes, type Compression } from './decompress.ts';
import { manifestMember, signatureMember } from './manifest.ts';
import { TarParser } from './tar-reader.ts';
import type { PackageLimits } from './types.ts';

/** The three members that every package has, and Berth's own two; everything else is extra and skipped. */
export type MemberRole = 'debian-binary' | 'manifest' | 'signature' | 'control' | 'data' | 'extra';

/** A part of a package. Its body can be read until the next member is asked for; what is left is skipped. */
export interface PackageMember {
  readonly role: MemberRole;
  readonly name: string;
  /** Bytes of the body. */
  readonly size: number;
  /** Of `control` and `data`. */
  readonly compression: Compression | undefined;
  readonly body: AsyncIterable<Buffer>;
}

/** What is counted while a package is read. */
export interface PackageCount {
  packageBytes: number;
}

/** Nobody's package has more; each costs a header of work. */
const maxMembers = 64;
/** Names in the outer archive are short; ar allows 15 characters. */
const maxMemberNameBytes = 255;

const compressions: Readonly<Record<string, Compression>> = { '.gz': 'gz', '.xz': 'xz', '.zst': 'zst' };

/**
 * The members of a package, in the order in which they stand: an `ar` archive, or a tar archive as it is or
 * compressed. Counts the bytes read in `count`.
 * @throws BerthError `bad_package`, `too_large`, or `unsupported` for a compression that Berth does not read.
 */
export async function* packageMembers(source: AsyncIterable<Uint8Array>, limits: PackageLimits, count: PackageCount): AsyncGenerator<PackageMember, void, undefined> {
  const seen = new Set<MemberRole>();
  let members = 0;
  for await (const { name, size, body } of outerEntries(counted(source, limits.packageBytes, count), limits)) {
    members += 1;
    if (members > maxMembers) throw new BerthError('too_large', `the package has more than ${maxMembers} members`);
    const role = roleOf(name);
    if (role !== 'extra' && seen.has(role)) throw new BerthError('bad_package', `the package has a second ${name}, or two members for ${role}`);
    seen.add(role);
    const compression = role === 'control' || role === 'data' ? compressionOf(name) : undefined;
    yield { role, name, size, compression, body };
  }
  for (const role of ['debian-binary', 'control', 'data'] as const) {
    if (!seen.has(role)) throw new BerthError('bad_package', `the package has no ${role === 'debian-binary' ? role : `${role}.tar.gz (or .xz, .zst)`}`);
  }
}

function roleOf(name: string): MemberRole {
  if (name === 'debian-binary') return 'debian-binary';
  if (name === manifestMember) return 'manifest';
  if (name === signatureMember) return 'signature';
  if (name.startsWith('control.tar')) return 'control';
  if (name.startsWith('data.tar')) return 'data';
  return 'extra';
}

function compressionOf(name: string): Compression {
  const suffix = name.slice(name.indexOf('.tar') + '.tar'.length);
  const compression = compressions[suffix];
  if (compression !== undefined) return compression;
  const reason = suffix === '' ? 'is not compressed' : `has a compression that Berth does not read (${suffix})`;
  throw new BerthError('unsupported', `${name} ${reason}; build the package with gz, xz or zst`);
}

interface OuterEntry {
  readonly name: string;
  readonly size: number;
  readonly body: AsyncIterable<Buffer>;
}

async function* outerEntries(source: AsyncGenerator<Buffer, void, undefined>, limits: PackageLimits): AsyncGenerator<OuterEntry, void, undefined> {
  const { head, whole } = await peek(source, Math.max(magicBytes, arMagic.length));
  if (head.length === 0) throw new BerthError('bad_package', 'the package is empty');
  if (head.subarray(0, arMagic.length).toString('latin1') === arMagic) {
    for await (const { entry, body } of archiveMembers(whole, new ArParser())) yield { ...entry, body };
    return;
  }
  const compression = detectCompression(head);
  const plain = compression === undefined ? whole : decompress(whole, compression, { what: 'package', expansionRatio: limits.expansionRatio });
  for await (const { entry, body } of archiveMembers(plain, new TarParser('package', maxMemberNameBytes))) {
    const name = entry.name.replace(/^(\.\/+)+/, '');
    if (entry.type === 'dir' && (name === '' || name === '.')) continue;
    if (entry.type !== 'file') throw new BerthError('bad_package', `package, byte ${entry.offset}: "${entry.name}" is not a file`);
    yield { name, size: entry.size, body };
  }
}

/** The first bytes, and a stream that begins with them. */
async function peek(source: AsyncGenerator<Buffer, void, undefined>, bytes: number): Promise<{ head: Buffer; whole: AsyncGenerator<Buffer, void, undefined> }> {
  const parts: Buffer[] = [];
  for (let size = 0; size < bytes;) {
    const next = await source.next();
    if (next.done === true) break;
    parts.push(next.value);
    size += next.value.length;
  }
  const head = Buffer.concat(parts);
  async function* whole(): AsyncGenerator<Buffer, void, undefined> {
    yield head;
    yield* source;
  }
  return { head, whole: whole() };
}

async function* counted(source: AsyncIterable<Uint8Array>, maxBytes: number, count: PackageCount): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of source) {
    count.packageBytes += chunk.length;
    if (count.packageBytes > maxBytes) throw new BerthError('too_large', `the package is larger than the limit of ${formatSize(maxBytes)}`);
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

/** All of a small member. @throws BerthError `too_large`. */
export async function readWhole(body: AsyncIterable<Buffer>, maxBytes: number, name: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new BerthError('too_large', `${name}: larger than the limit of ${formatSize(maxBytes)}`);
    // The memory of a chunk is used again.
    parts.push(Buffer.from(chunk));
  }
  return Buffer.concat(parts);
}
