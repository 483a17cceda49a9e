import type { Stats } from 'node:fs';
import { lstat, open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../lib/digest.ts';
import { directoryFlags, pathIn, pathOf, rawNames } from '../lib/directory.ts';
import { isErrno } from '../lib/errors.ts';
import { volumesDirectory } from './volumes.ts';
import type { Store } from './types.ts';

export interface TreeSize {
  /** Sum of apparent sizes of files and links; a file with several names counts once. */
  readonly bytes: number;
  /** Names below the directory, as far as 128 directories deep. */
  readonly entries: number;
}

/** What an app takes of the disk, in bytes. */
export interface AppSpace {
  readonly app: string;
  readonly image: number;
  readonly previous: number;
  readonly data: number;
  readonly logs: number;
}

/** Directories inside one another that are looked into: bounds the descriptors, two for each. */
const maxDepth = 128;
/** Files with several names that are told apart: bounds the memory. Beyond, each name counts for a file. */
const maxLinked = 65_536;

/** What a tree takes of the disk. */
export interface TakenSpace {
  /** Blocks of files and directories; each counts for at least {@link leastTakenBytes}. */
  readonly bytes: number;
  /** Directories lie deeper inside one another than can be looked into. */
  readonly tooDeep: boolean;
}

/** What a file counts for even if it is empty: inodes run out as blocks do. */
export const leastTakenBytes = 4096;

/**
 * Measures a tree that an app may be changing; no link is followed. Nothing at `path` counts as nothing.
 * Takes turns with whatever else the process does.
 */
export async function measureTree(path: string): Promise<TreeSize> {
  const size = { bytes: 0, entries: 0 };
  await walk(path, 0, new Set(), (stat, isFirst) => {
    size.entries += 1;
    if (!stat.isDirectory() && isFirst) size.bytes += stat.size;
  });
  return size;
}

/** Measures what a tree takes of the disk, as {@link measureTree} does. */
export async function measureTaken(path: string): Promise<TakenSpace> {
  let bytes = 0;
  const tooDeep = await walk(path, 0, new Set(), (stat, isFirst) => {
    if (isFirst) bytes += takenBy(stat);
  });
  return { bytes, tooDeep };
}

/** What one file takes, sparse or not (stat(2), `st_blocks`). */
export function takenBy({ blocks }: Pick<Stats, 'blocks'>): number {
  return Math.max(blocks * 512, leastTakenBytes);
}

/** @param visit called for each name; `isFirst` is false for a file that was met under another. True if it was too deep. */
async function walk(path: string | Buffer, depth: number, linked: Set<string>, visit: (stat: Stats, isFirst: boolean) => void): Promise<boolean> {
  await using directory = await unlessGone(open(path, directoryFlags));
  if (directory === undefined) return false;
  let tooDeep = false;
  for await (const { name } of await opendir(pathOf(directory.fd), rawNames)) {
    const inner = pathIn(directory.fd, name);
    const stat = await unlessGone(lstat(inner));
    if (stat === undefined) continue;
    const isLinked = !stat.isDirectory() && stat.nlink > 1;
    visit(stat, !isLinked || !linked.has(`${stat.dev}:${stat.ino}`));
    if (isLinked && linked.size < maxLinked) linked.add(`${stat.dev}:${stat.ino}`);
    if (!stat.isDirectory()) continue;
    if (depth >= maxDepth) tooDeep = true;
    else if (await walk(inner, depth + 1, linked, visit)) tooDeep = true;
  }
  return tooDeep;
}

/** Undefined if there is nothing, or no directory any more. */
async function unlessGone<T>(looked: Promise<T>): Promise<T | undefined> {
  try {
    return await looked;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    return undefined;
  }
}

/** Measures what an app takes: its images as the database has them, all generations of its data, its logs. */
export async function storageOf(
  store: Pick<Store, 'root' | 'image'>,
  app: { readonly name: string; readonly image: Digest; readonly previous: readonly Digest[] },
  logDirectory: string,
): Promise<AppSpace> {
  const bytesOf = (digest: Digest): number => store.image(digest)?.bytes ?? 0;
  return {
    app: app.name,
    image: bytesOf(app.image),
    previous: app.previous.reduce((sum, digest) => sum + bytesOf(digest), 0),
    data: (await measureTree(join(store.root, 'data', app.name))).bytes + (await measureTree(join(store.root, volumesDirectory(app.name)))).bytes,
    logs: (await measureTree(join(logDirectory, app.name))).bytes,
  };
}
