import { BerthError } from '../lib/errors.ts';
import { arMagic, ArParser } from './ar-reader.ts';
import { archiveMembers, type ArchiveMember } from './archive.ts';
import { peek } from './byte-source.ts';
import { decompress, detectCompression, magicBytes } from './decompress.ts';
import { TarParser, type TarEntry } from './tar-reader.ts';
import type { PackageLimits } from './types.ts';

/** Names in an outer archive are short; ar allows 15 characters. */
const maxNameBytes = 255;

/** First bytes that tell an archive's kind and compression. */
export const headBytes = Math.max(magicBytes, arMagic.length);

/** A file in the archive that a package is. */
export interface PackageFile {
  readonly name: string;
  readonly size: number;
  /** Can be read until the next file is asked for; what is left is skipped. */
  readonly body: AsyncIterable<Buffer>;
}

export function isAr(head: Buffer): boolean {
  return head.subarray(0, arMagic.length).toString('latin1') === arMagic;
}

/**
 * The files of a package, in the order in which they stand: an `ar` archive, or a tar archive as it is or compressed.
 * @throws BerthError `bad_package`, `too_large`.
 */
export async function* packageFiles(source: AsyncIterable<Buffer>, limits: PackageLimits): AsyncGenerator<PackageFile, void, undefined> {
  const { head, whole } = await peek(source, headBytes);
  if (head.length === 0) throw new BerthError('bad_package', 'the package is empty');
  if (isAr(head)) yield* arFiles(whole);
  else yield* tarFiles(tarMembers(plainTar(whole, head, 'package', limits), outerTarParser('package')), 'package');
}

export async function* arFiles(source: AsyncIterable<Buffer>): AsyncGenerator<PackageFile, void, undefined> {
  for await (const { entry, body } of archiveMembers(source, new ArParser())) yield { ...entry, body };
}

/** A tar archive without its compression, if its first bytes tell one. `what` names it in messages. */
export function plainTar(source: AsyncIterable<Buffer>, head: Buffer, what: string, limits: PackageLimits): AsyncIterable<Buffer> {
  const compression = detectCompression(head);
  return compression === undefined ? source : decompress(source, compression, { what, expansionRatio: limits.expansionRatio });
}

/** For an archive whose names are short; `what` names it in messages. */
export function outerTarParser(what: string): TarParser {
  return new TarParser(what, maxNameBytes);
}

export type TarMember = ArchiveMember<TarEntry>;

/** Everything in a tar archive but its root, with names that do not begin with `./`. */
export async function* tarMembers(source: AsyncIterable<Buffer>, parser: TarParser): AsyncGenerator<TarMember, void, undefined> {
  for await (const { entry, body } of archiveMembers(source, parser)) {
    const name = entry.name.replace(/^(\.\/+)+/, '');
    if (entry.type === 'dir' && (name === '' || name === '.')) continue;
    yield { entry: { ...entry, name }, body };
  }
}

/** @throws BerthError `bad_package` for what is not a file. */
export async function* tarFiles(members: AsyncIterable<TarMember>, what: string): AsyncGenerator<PackageFile, void, undefined> {
  for await (const { entry, body } of members) {
    if (entry.type !== 'file') throw new BerthError('bad_package', `${what}, byte ${entry.offset}: "${entry.name}" is not a file`);
    yield { name: entry.name, size: entry.size, body };
  }
}
