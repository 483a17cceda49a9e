/** Packages made by hand for tests: every byte can be set, also to what no writer would write. */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { sha256Hex } from '../lib/digest.ts';
import { defaultLimits } from './limits.ts';
import { formatManifest, manifestMember, signatureMember } from './manifest.ts';
import { parseControl } from './control.ts';
import { encodeTarHeader, tarPadding, tarTypes, type TarHeader } from './tar-header.ts';
import type { ManifestEntry, PackageLimits } from './types.ts';

export const tinyControl = 'Package: demo\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.invalid>\nDescription: an example\n';

/** An entry of a tar archive; what is left out is harmless. */
export type EntrySpec = Partial<TarHeader> & { readonly name: string; readonly data?: string | Buffer };

/** Header, contents and padding of an entry. `size` may say something else than the contents. */
export function tarEntry(spec: EntrySpec): Buffer {
  const data = Buffer.from(spec.data ?? '');
  const defaults = { type: tarTypes.file, mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000, linkName: '', size: data.length };
  const { data: _, ...header } = { ...defaults, ...spec };
  return Buffer.concat([encodeTarHeader(header), data, Buffer.alloc(tarPadding(data.length))]);
}

export function tarArchive(entries: readonly (EntrySpec | Buffer)[]): Buffer {
  return Buffer.concat([...entries.map((entry) => (Buffer.isBuffer(entry) ? entry : tarEntry(entry))), Buffer.alloc(1024)]);
}

/** A directory, or with a target a symbolic link. */
export function dir(name: string, rest: Partial<TarHeader> = {}): EntrySpec {
  return { name, type: tarTypes.dir, mode: 0o755, ...rest };
}

export function symlink(name: string, linkName: string): EntrySpec {
  return { name, linkName, type: tarTypes.symlink, mode: 0o777 };
}

export function hardlink(name: string, linkName: string): EntrySpec {
  return { name, linkName, type: tarTypes.hardlink };
}

export type Member = readonly [name: string, bytes: Buffer];

export function arArchive(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [Buffer.from('!<arch>\n')];
  for (const [name, bytes] of members) {
    parts.push(Buffer.from(`${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`), bytes);
    if (bytes.length % 2 === 1) parts.push(Buffer.from('\n'));
  }
  return Buffer.concat(parts);
}

export function controlTar(control: string = tinyControl): Buffer {
  return tarArchive([{ name: './control', data: control }]);
}

/** The members of a package as dpkg and opkg know it. */
export function classicMembers(data: readonly (EntrySpec | Buffer)[], control: string = tinyControl): readonly Member[] {
  return [
    ['debian-binary', Buffer.from('2.0\n')],
    ['control.tar.gz', gzipSync(controlTar(control))],
    ['data.tar.gz', gzipSync(tarArchive(data), { level: 1 })],
  ];
}

export function classicPackage(data: readonly (EntrySpec | Buffer)[], control: string = tinyControl): Buffer {
  return arArchive(classicMembers(data, control));
}

/** The content manifest of entries that stand in its order. */
export function manifestOf(data: readonly EntrySpec[], control: string = tinyControl): Buffer {
  return Buffer.from([...formatManifest(parseControl(Buffer.from(control)), data.map(manifestEntry))].join(''));
}

function manifestEntry(spec: EntrySpec): ManifestEntry {
  const { name, mode = 0o644, uid = 0, gid = 0, mtime = 1_700_000_000, linkName = '' } = spec;
  const base = { path: name, mode, uid, gid, mtime };
  if (spec.type === tarTypes.dir) return { ...base, type: 'dir' };
  if (spec.type === tarTypes.symlink) return { ...base, type: 'symlink', target: linkName };
  if (spec.type === tarTypes.hardlink) return { ...base, type: 'hardlink', target: linkName };
  const data = Buffer.from(spec.data ?? '');
  return { ...base, type: 'file', size: data.length, sha256: sha256Hex(data) };
}

/** The members of a package in Berth's own order; `manifest` may be another one than that of the data. */
export function berthMembers(data: readonly EntrySpec[], options: { control?: string; manifest?: Buffer; signature?: Buffer } = {}): readonly Member[] {
  const control = options.control ?? tinyControl;
  const signature: readonly Member[] = options.signature === undefined ? [] : [[signatureMember, options.signature]];
  return [
    ['debian-binary', Buffer.from('2.0\n')],
    [manifestMember, options.manifest ?? manifestOf(data, control)],
    ...signature,
    ['control.tar.gz', gzipSync(controlTar(control))],
    ['data.tar.zst', zstdCompressSync(tarArchive(data))],
  ];
}

/** Limits that tests reach with little. */
export function smallLimits(limits: Partial<PackageLimits> = {}): PackageLimits {
  return { ...defaultLimits, ...limits };
}

/** A stream of these bytes in pieces of at most `pieceBytes`. */
export async function* pieces(bytes: Buffer, pieceBytes: number = bytes.length): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** A cpio archive, with sums (`crc`) or without (`newc`); `sum` may be another than that of the bytes. */
export function cpioArchive(members: readonly Member[], rest: { format?: 'crc' | 'newc'; mode?: number; sum?: number } = {}): Buffer {
  const { format = 'crc', mode = 0o100644 } = rest;
  const part = ([name, bytes]: Member, index: number): Buffer => {
    const sum = format === 'crc' ? (rest.sum ?? bytes.reduce((total, byte) => (total + byte) >>> 0, 0)) : 0;
    const fields = [index, name === cpioEnd ? 0 : mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length + 1, name === cpioEnd ? 0 : sum];
    const header = `${format === 'crc' ? '070702' : '070701'}${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}${name}\0`;
    return Buffer.concat([padTo4(Buffer.from(header)), padTo4(bytes)]);
  };
  return Buffer.concat([...members, [cpioEnd, Buffer.alloc(0)] as const].map(part));
}

const cpioEnd = 'TRAILER!!!';

function padTo4(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

/** `sw-description` as Mbed Linux OS wrote it. */
export function swDescription(images: string = '{ type = "APPSv3"; filename = "APPSv3.tar.xz"; }', rest = ''): Buffer {
  return Buffer.from(`software = {\n  version = "1.0"; # of the whole\n  images: ( ${images} );\n  ${rest}\n};\n`);
}

/** Update images of Mbed Linux OS with this archive of packages. */
export function swu(archive: Buffer, description: Buffer = swDescription()): Buffer {
  return cpioArchive([['sw-description', description], ['APPSv3.tar.xz', archive]]);
}
