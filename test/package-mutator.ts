import { execFileSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { arArchive, berthMembers, classicMembers, controlTar, dir, hardlink, manifestOf, symlink, tarArchive, tarEntry, tinyControl, type EntrySpec, type Member } from '../src/image/test-fixtures.ts';
import { encodePaxRecords, tarTypes } from '../src/image/tar-header.ts';
import type { Random } from './random.ts';

/** What mutations begin from. */
export interface BasePackages {
  readonly entries: readonly EntrySpec[];
  /** Whole packages of every outer form and compression. */
  readonly packages: readonly Buffer[];
}

const config = JSON.stringify({ ociVersion: '1.2.0', annotations: { 'org.berth.data': '/data' } });

/** In the order of the manifest. */
const entries: readonly EntrySpec[] = [
  { name: 'config.json', data: config },
  dir('rootfs'),
  dir('rootfs/bin'),
  { name: 'rootfs/bin/app', data: '#!/bin/sh\necho hello\n', mode: 0o755 },
  hardlink('rootfs/bin/same', 'rootfs/bin/app'),
  symlink('rootfs/bin/sh', '/bin/busybox'),
  dir('rootfs/closed', { mode: 0 }),
  { name: 'rootfs/closed/file', data: Buffer.alloc(1500, 'x') },
];

export function basePackages(): BasePackages {
  const classic = classicMembers(entries);
  const [format, control] = [classic[0]!, classic[1]!];
  const xz: Member = ['data.tar.xz', execFileSync('xz', ['-1', '-c'], { input: tarArchive(entries) })];
  const outer = tarArchive(classic.map(([name, data]) => ({ name: `./${name}`, data })));
  return {
    entries,
    packages: [arArchive(classic), arArchive(berthMembers(entries, { signature: Buffer.from('signature') })), gzipSync(outer), outer, zstdCompressSync(outer), arArchive([format, control, xz])],
  };
}

/** Mostly packages that are well formed outside and wrong inside: others are refused before it gets interesting. */
export function mutatedPackage(bases: BasePackages, random: Random, canary: string): Buffer {
  // Starting xz takes longer than a hundred other cases.
  if (random.once(200)) return mutateBytes(random.pick(bases.packages), random, bases);
  if (random.once(5)) return mutateBytes(random.pick(bases.packages.slice(0, -1)), random, bases);
  const parts = mutateEntries(bases.entries, random, canary);
  const control = random.once(4) ? mutateText(tinyControl, random) : tinyControl;
  const members = random.once(2) ? berthPackage(parts, control, random) : plainPackage(parts, control, random);
  return assemble(random.once(6) ? mutateMembers(members, random) : members, random);
}

function plainPackage(parts: readonly (EntrySpec | Buffer)[], control: string, random: Random): readonly Member[] {
  const tar = mutateTar(tarArchive(parts), random);
  const data: Member = random.once(2) ? ['data.tar.gz', gzipSync(tar, { level: 1 })] : ['data.tar.zst', zstdCompressSync(tar)];
  return [['debian-binary', Buffer.from('2.0\n')], ['control.tar.gz', gzipSync(mutateTar(controlTar(control), random), { level: 1 })], data];
}

/** With a manifest of the mutated entries, of the unmutated ones, or one that is itself mutated. */
function berthPackage(parts: readonly (EntrySpec | Buffer)[], control: string, random: Random): readonly Member[] {
  const plain = parts.filter((part) => !Buffer.isBuffer(part)) as readonly EntrySpec[];
  const manifest = manifestOf(random.once(4) ? entries : plain);
  const mutated = random.once(3) ? Buffer.from(mutateText(manifest.toString(), random)) : manifest;
  const [format, , ...rest] = berthMembers([], { control, manifest: mutated });
  const data: Member = ['data.tar.zst', zstdCompressSync(mutateTar(tarArchive(parts), random))];
  return [format!, ['_manifest.json', mutated], ...rest.slice(0, -1), data];
}

const types = [...Object.values(tarTypes), '8', 'A', 'V', 'N'];
const numbers = [0, 1, 511, 512, 513, 4096, 0o7777, 0o4755, 65_536, 2 ** 31, 2 ** 33, 2 ** 40, 2 ** 53 - 1];

function names(canary: string): readonly string[] {
  return [
    '', '.', './', '/', '..', './..', '../canary/victim', `${canary}/victim`, 'rootfs/../../canary/new', 'rootfs/bin/sh/x', 'rootfs/bin/app/x', 'rootfs/bin/sh', 'rootfs//bin/./app',
    'a', 'a/b/c', 'rootfs', 'rootfs/', 'config.json', 'config.json/x', 'rootfs/data', 'rootfs/tmp', 'a\nb', 'a\u001b[2J', '\ufeffa', 'a\\b', ' ', 'ü', '\u{1f600}', 'x'.repeat(255), 'x'.repeat(90) + '/' + 'y'.repeat(99), 'a/'.repeat(40) + 'z',
  ];
}

function mutateEntries(from: readonly EntrySpec[], random: Random, canary: string): readonly (EntrySpec | Buffer)[] {
  const parts: (EntrySpec | Buffer)[] = [...from];
  for (let changes = random.below(4); changes > 0; changes -= 1) {
    const at = random.below(parts.length);
    const part = parts[at]!;
    const way = random.below(8);
    if (way === 0 && parts.length > 1) parts.splice(at, 1);
    else if (way === 1) parts.splice(random.below(parts.length + 1), 0, part);
    else if (way === 2) parts.splice(at, 0, newEntry(random, canary));
    else if (way === 3) parts.splice(at, 0, extendedHeader(random, canary));
    else if (!Buffer.isBuffer(part)) parts[at] = changedEntry(part, random, canary);
  }
  return parts;
}

function newEntry(random: Random, canary: string): EntrySpec {
  const name = random.pick(names(canary));
  const target = random.pick([...names(canary), `${canary}/victim`, '..', '../../canary']);
  return fit(random.pick([{ name, data: 'new' }, dir(name, { mode: random.pick(numbers) & 0o7777 }), symlink(name, target), hardlink(name, target)]));
}

function changedEntry(entry: EntrySpec, random: Random, canary: string): EntrySpec {
  const change: Partial<EntrySpec> = random.pick<() => Partial<EntrySpec>>([
    () => ({ name: random.pick(names(canary)) }),
    () => ({ linkName: random.pick(names(canary)) }),
    () => ({ type: random.pick(types) }),
    () => ({ mode: random.pick(numbers) % 0o20000 }),
    () => ({ size: random.pick(numbers) }),
    () => ({ mtime: random.pick(numbers) }),
    () => ({ uid: random.pick(numbers), gid: random.pick(numbers) }),
    () => ({ data: Buffer.alloc(random.pick([0, 1, 511, 512, 513, 5000]), random.below(256)) }),
  ])();
  return fit({ ...entry, ...change });
}

/** Names that do not fit in a header are cut: long ones come by way of extended headers. */
function fit(entry: EntrySpec): EntrySpec {
  const cut = (text: string): string => (Buffer.byteLength(text) <= 100 ? text : text.slice(0, 30));
  return { ...entry, name: cut(entry.name), linkName: cut(entry.linkName ?? '') };
}

function extendedHeader(random: Random, canary: string): Buffer {
  const name = random.pick(names(canary));
  if (random.once(2)) return tarEntry({ name: '././@LongLink', type: random.pick([tarTypes.gnuLongName, tarTypes.gnuLongLink]), data: `${name}\0` });
  const keyword = random.pick(['path', 'linkpath', 'size', 'uid', 'mtime', 'SCHILY.xattr.security.capability', 'GNU.sparse.major', 'comment', 'hdrcharset']);
  const records = encodePaxRecords([[keyword, random.once(2) ? name : String(random.pick(numbers))]]);
  return tarEntry({ name: 'pax', type: random.pick([tarTypes.paxHeader, tarTypes.paxGlobal]), data: random.once(4) ? flip(records, random) : records });
}

export function mutateTar(tar: Buffer, random: Random): Buffer {
  if (!random.once(5)) return tar;
  const way = random.below(3);
  if (way === 0) return flip(tar, random);
  if (way === 1) return tar.subarray(0, random.below(tar.length));
  return Buffer.concat([tar, Buffer.alloc(random.below(2000), random.below(2))]);
}

function mutateMembers(members: readonly Member[], random: Random): readonly Member[] {
  const changed = [...members];
  const at = random.below(changed.length);
  const [name, bytes] = changed[at]!;
  const way = random.below(5);
  if (way === 0) changed.splice(at, 1);
  else if (way === 1) changed.splice(random.below(changed.length + 1), 0, changed[at]!);
  else if (way === 2) changed.splice(random.below(changed.length), 0, ...changed.splice(at, 1));
  else if (way === 3) changed[at] = [random.pick(['control.tar.zst', 'data.tar', 'data.tar.lz4', '_other', '_signature.p7s', '_manifest.json', 'x/', name]), bytes];
  else changed[at] = [name, flip(bytes, random)];
  return changed;
}

function assemble(members: readonly Member[], random: Random): Buffer {
  if (!random.once(4)) return arArchive(members);
  const tar = tarArchive(members.map(([name, data]) => ({ name: random.once(2) ? name : `./${name}`, data })));
  return random.once(2) ? tar : gzipSync(tar, { level: 1 });
}

/** Bits, cuts, and splices with another package. */
function mutateBytes(bytes: Buffer, random: Random, bases: BasePackages): Buffer {
  const way = random.below(5);
  if (way === 0) return bytes.subarray(0, random.below(bytes.length));
  if (way === 1) {
    const other = random.pick(bases.packages.slice(0, -1));
    return Buffer.concat([bytes.subarray(0, random.below(bytes.length)), other.subarray(random.below(other.length))]);
  }
  if (way === 2) {
    const at = random.below(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.below(64))]);
  }
  return flip(bytes, random);
}

export function flip(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  for (let flips = 1 + random.below(4); flips > 0 && changed.length > 0; flips -= 1) {
    const at = random.below(changed.length);
    changed[at] = random.once(2) ? changed[at]! ^ (1 << random.below(8)) : random.below(256);
  }
  return changed;
}

const snippets = ['\n', ' ', ':', '\u0000', '\r', 'Status: x\n', 'Depends: a (>= 1)\n', '{', '}', '"', ',', '\\u0000', '..', '/', '\ufeff', 'ü', '9'.repeat(20), '-1', 'null', ' folded\n'];

export function mutateText(text: string, random: Random): string {
  let changed = text;
  for (let changes = 1 + random.below(2); changes > 0; changes -= 1) {
    const at = random.below(changed.length + 1);
    changed = changed.slice(0, at) + (random.once(2) ? random.pick(snippets) : '') + changed.slice(at + random.below(8));
  }
  return changed;
}
