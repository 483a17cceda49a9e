import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '../lib/digest.ts';
import { isErrno } from '../lib/errors.ts';

/** Files that are looked at in one folder; beyond it a folder is not one of payloads. */
const maxFiles = 256;

/** A payload in a folder, or a part of one. */
export interface FolderFile {
  readonly name: string;
  readonly path: string;
  /** All packages of a folder are one payload; each archive is one of its own. */
  readonly kind: 'package' | 'archive';
  readonly bytes: number;
  /** Milliseconds since 1970, with fractions. */
  readonly mtimeMs: number;
}

/** What a name says of a file; undefined: it is no payload. */
export function kindOf(name: string): FolderFile['kind'] | undefined {
  if (name.startsWith('.')) return undefined;
  if (name.endsWith('.ipk')) return 'package';
  return /\.(swu|tar|tar\.(xz|gz|zst))$/.test(name) ? 'archive' : undefined;
}

/**
 * The payloads at the top of a folder, by name; none if it is not there.
 * @param links whether links are followed: not where others than the operator put files
 */
export async function payloadFiles(folder: string, links: boolean): Promise<readonly FolderFile[]> {
  const files: FolderFile[] = [];
  const names = (await unlessGone(readdir(folder))) ?? [];
  for (const name of names.toSorted()) {
    const kind = kindOf(name);
    if (kind === undefined || files.length === maxFiles) continue;
    const path = join(folder, name);
    const status: Stats | undefined = await unlessGone(links ? stat(path) : lstat(path));
    if (status?.isFile() === true) files.push({ name, path, kind, bytes: status.size, mtimeMs: status.mtimeMs });
  }
  return files;
}

/** The same as long as names, sizes and times of the files are. */
export function fingerprint(files: readonly FolderFile[]): string {
  return sha256Hex(JSON.stringify(files.map(({ name, bytes, mtimeMs }) => [name, bytes, mtimeMs])));
}

/**
 * Where payloads may lie on media that are mounted in a directory: at their top, and in their folder `berth`.
 */
export async function mediaFolders(directory: string): Promise<readonly string[]> {
  const entries = (await unlessGone(readdir(directory, { withFileTypes: true }))) ?? [];
  const media = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name)).toSorted();
  const folders: string[] = [];
  for (const medium of media) {
    folders.push(medium);
    const inner = join(medium, 'berth');
    if ((await unlessGone(lstat(inner)))?.isDirectory() === true) folders.push(inner);
  }
  return folders;
}

/** What is not there (any more): a medium may be taken away at any moment. */
async function unlessGone<T>(look: Promise<T>): Promise<T | undefined> {
  try {
    return await look;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENODEV', 'ESTALE')) return undefined;
    throw error;
  }
}
