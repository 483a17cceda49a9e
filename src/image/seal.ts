import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { digestOf, type Digest } from '../lib/digest.ts';
import { publish } from '../lib/durable.ts';
import { BerthError } from '../lib/errors.ts';
import { arHeaderBytes, arMagic } from './ar-reader.ts';
import { arHeader, arPadding } from './ar-writer.ts';
import { readWhole } from './byte-source.ts';
import { type Content, readContent } from './content.ts';
import { defaultLimits } from './limits.ts';
import { manifestMember, signatureMember } from './manifest.ts';
import { ManifestCursor } from './manifest-cursor.ts';
import { arFiles, headBytes, isAr, packageFiles } from './package-archive.ts';
import { packageMembers } from './package-reader.ts';
import { makeWorkspace } from './workspace.ts';

/** What is signed of a package, and the signature on it. */
export interface Seal {
  /** The content manifest. */
  readonly manifest: Buffer;
  readonly digest: Digest;
  /** What the manifest's first line says. */
  readonly name: string;
  readonly version: string;
  /** DER of the CMS SignedData. */
  readonly signature?: Buffer;
}

/**
 * Reads manifest and signature of a package file; control and data are passed over.
 * @throws BerthError `bad_package`, `too_large`, `not_found` without a manifest
 */
export async function readSeal(path: string): Promise<Seal> {
  const { manifestBytes, signatureBytes } = defaultLimits;
  let manifest: Buffer | undefined;
  let signature: Buffer | undefined;
  for await (const { role, name, body } of packageMembers(packageFiles(createReadStream(path), defaultLimits))) {
    if (role === 'manifest') manifest = await readWhole(body, manifestBytes, name);
    if (role === 'signature') signature = await readWhole(body, signatureBytes, name);
  }
  if (manifest === undefined) throw new BerthError('not_found', `${path} has no ${manifestMember}, which is what is signed; build it anew with \`berth build\`, or \`berth import\`, which write one`);
  const cursor = new ManifestCursor([manifest], defaultLimits);
  try {
    const { package: name, version } = cursor.control;
    return { manifest, digest: digestOf(manifest), name, version, ...(signature === undefined ? {} : { signature }) };
  } finally {
    cursor.close();
  }
}

/**
 * Writes a package that differs in nothing but its signature, which stands after the manifest; `output` may be the
 * package itself. It appears whole or not at all.
 * @throws BerthError `bad_package`; `unsupported` for a package that is not an ar archive with the manifest before control and data
 */
export async function writeSignature(path: string, signature: Uint8Array, output: string): Promise<void> {
  const members = await memberSpans(path);
  const at = members.findIndex(({ name }) => name === manifestMember);
  const others = members.filter(({ name }) => name !== signatureMember);
  if (at < 0 || others.slice(0, others.findIndex(({ name }) => name === manifestMember)).some(({ name }) => /^(control|data)\.tar/.test(name))) {
    throw new BerthError('unsupported', `${path}: ${manifestMember} must stand before control and data; build the package anew with \`berth build\``);
  }
  const own: Content = { kind: 'bytes', bytes: Buffer.concat([arHeader(signatureMember, signature.length), signature, Buffer.from(arPadding(signature.length))]) };
  const parts = others.flatMap(({ name, content }) => (name === manifestMember ? [content, own] : [content]));
  await using work = await makeWorkspace(output);
  const written = work.path('package');
  {
    await using file = await open(written, 'wx', 0o666);
    await file.writeFile(arMagic);
    for (const part of parts) for (const block of readContent(part)) await file.writeFile(block);
    await file.sync();
  }
  await publish(written, output);
}

/** Where the members of an ar archive are, each with its header and padding. */
async function memberSpans(path: string): Promise<readonly { readonly name: string; readonly content: Content }[]> {
  await requireAr(path);
  const members: { name: string; content: Content }[] = [];
  let offset = arMagic.length;
  for await (const { name, size } of arFiles(createReadStream(path))) {
    const span = arHeaderBytes + size + arPadding(size).length;
    members.push({ name, content: { kind: 'span', file: path, offset, size: span } });
    offset += span;
  }
  return members;
}

async function requireAr(path: string): Promise<void> {
  await using file = await open(path);
  const { buffer } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
  if (!isAr(buffer)) throw new BerthError('unsupported', `${path} is not an ar archive, and only in one can a signature stand in its place; build the package anew with \`berth build\``);
}
