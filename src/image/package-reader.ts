import { BerthError } from '../lib/errors.ts';
import type { Compression } from './decompress.ts';
import { manifestMember, signatureMember } from './manifest.ts';
import type { PackageFile } from './package-archive.ts';

/** The three members that every package has, and Berth's own two; everything else is extra and skipped. */
export type MemberRole = 'debian-binary' | 'manifest' | 'signature' | 'control' | 'data' | 'extra';

/** A part of a package. Its body can be read until the next member is asked for; what is left is skipped. */
export interface PackageMember extends PackageFile {
  readonly role: MemberRole;
  /** Of `control` and `data`. */
  readonly compression: Compression | undefined;
}

/** Nobody's package has more; each costs a header of work. */
const maxMembers = 64;

const needed = ['debian-binary', 'control', 'data'] as const satisfies readonly MemberRole[];

const compressions: Readonly<Record<string, Compression>> = { '.gz': 'gz', '.xz': 'xz', '.zst': 'zst' };

/**
 * The members that the files of a package are, in the order in which they stand.
 * @throws BerthError `bad_package`, `too_large`, or `unsupported` for a compression that Berth does not read.
 */
export async function* packageMembers(files: AsyncIterable<PackageFile>): AsyncGenerator<PackageMember, void, undefined> {
  const seen = new Set<MemberRole>();
  let members = 0;
  for await (const { name, size, body } of files) {
    members += 1;
    if (members > maxMembers) throw new BerthError('too_large', `the package has more than ${maxMembers} members`);
    const role = roleOf(name);
    if (role !== 'extra' && seen.has(role)) throw new BerthError('bad_package', `the package has a second ${name}, or two members for ${role}`);
    seen.add(role);
    const compression = role === 'control' || role === 'data' ? compressionOf(name) : undefined;
    yield { role, name, size, compression, body };
  }
  const missing = needed.filter((role) => !seen.has(role));
  if (missing.length === needed.length) throw new BerthError('bad_package', 'this is no package: it has neither debian-binary nor control nor data');
  const [role] = missing;
  if (role !== undefined) throw new BerthError('bad_package', `the package has no ${role === 'debian-binary' ? role : `${role}.tar.gz (or .xz, .zst)`}`);
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
