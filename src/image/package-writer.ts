import { type FileHandle, open } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { publish } from '../lib/durable.ts';
import { arMagic } from './ar-reader.ts';
import { arHeader, arPadding } from './ar-writer.ts';
import { neutralizeGzip } from './compressor.ts';
import { type Content, contentSize, readContent } from './content.ts';
import { formatControl } from './control.ts';
import { packData, type PackedData, type PackOptions } from './data-writer.ts';
import { manifestMember, signatureMember } from './manifest.ts';
import { tarEnd, tarHeaderBytes, tarPaddingBytes } from './tar-writer.ts';
import type { FileTree, PackEntry } from './tree.ts';
import type { Control } from './types.ts';
import { makeWorkspace, type Workspace } from './workspace.ts';

/** The members of a package besides `debian-binary`. */
export interface PackageMembers {
  readonly manifest: Content;
  /** DER of a CMS SignedData over the manifest's bytes. */
  readonly signature?: Uint8Array;
  /** `control.tar.gz`. */
  readonly control: Uint8Array;
  readonly data: Content;
  readonly dataName: string;
}

/** What was written. */
export interface WrittenPackage extends Omit<PackedData, 'manifest' | 'data'> {
  /** Size of the package in bytes. */
  readonly bytes: number;
}

/** Packs a tree into an `.ipk`. The output appears whole or not at all; what was there under its name is replaced. */
export async function packTree(tree: FileTree, control: Control, output: string, options: PackOptions = {}): Promise<WrittenPackage> {
  await using work = await makeWorkspace(output);
  const { manifest, data, ...packed } = await packData(tree, control, work, options);
  const members = { manifest, data, dataName: packed.dataName, control: controlArchive(control) };
  const bytes = await writePackage(members, work, output);
  return { ...packed, bytes };
}

/** Writes the archive in the workspace, puts it on disk and renames it into place. Gives its size. */
export async function writePackage(members: PackageMembers, work: Workspace, output: string): Promise<number> {
  const path = work.path('package');
  // The process's umask decides, as for any other file that a person makes.
  await using file = await open(path, 'wx', 0o666);
  await file.writeFile(arMagic);
  await writeMember(file, 'debian-binary', { kind: 'bytes', bytes: Buffer.from('2.0\n') });
  await writeMember(file, manifestMember, members.manifest);
  if (members.signature !== undefined) await writeMember(file, signatureMember, { kind: 'bytes', bytes: members.signature });
  await writeMember(file, 'control.tar.gz', { kind: 'bytes', bytes: members.control });
  await writeMember(file, members.dataName, members.data);
  await file.sync();
  const { size } = await file.stat();
  await publish(path, output);
  return size;
}

async function writeMember(file: FileHandle, name: string, content: Content): Promise<void> {
  const size = contentSize(content);
  await file.writeFile(arHeader(name, size));
  for (const block of readContent(content)) await file.writeFile(block);
  await file.writeFile(arPadding(size));
}

/** `control.tar.gz` with the one file `control`; the same bytes for the same fields, on any system. */
export function controlArchive(control: Control): Buffer {
  const bytes = Buffer.from(formatControl(control.fields));
  const entry: PackEntry = { type: 'file', path: 'control', mode: 0o644, uid: 0, gid: 0, mtime: 0, content: { kind: 'bytes', bytes } };
  return neutralizeGzip(gzipSync(Buffer.concat([tarHeaderBytes(entry), bytes, tarPaddingBytes(bytes.length), tarEnd]), { level: 9 }));
}
