import { lstat, open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../lib/digest.ts';
import { directoryFlags, pathIn, pathOf, rawNames } from '../lib/directory.ts';
import { isErrno } from '../lib/errors.ts';
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

/**
 * Measures a tree that an app may be changing; no link is followed. Nothing at `path` counts as nothing.
 * Takes turns with whatever else the process does.
 */
export async function measureTree(path: string): Promise<TreeSize> {
  const size = { bytes: 0, entries: 0 };
  await measureDirectory(path, 0, size, new Set());
  return size;
}

async function measureDirectory(path: string | Buffer, depth: number, size: { bytes: number; entries: number }, linked: Set<string>): Promise<void> {
  await using directory = await unlessGone(open(path, directoryFlags));
  if (directory === undefined) return;
  for await (const { name } of await opendir(pathOf(directory.fd), rawNames)) {
    const inner = pathIn(directory.fd, name);
    const stat = await unlessGone(lstat(inner));
    if (stat === undefined) continue;
    size.entries += 1;
    if (stat.isDirectory()) {
      if (depth < maxDepth) await measureDirectory(inner, depth + 1, size, linked);
    } else if (stat.nlink === 1 || !linked.has(`${stat.dev}:${stat.ino}`)) {
      size.bytes += stat.size;
      if (stat.nlink > 1 && linked.size < maxLinked) linked.add(`${stat.dev}:${stat.ino}`);
    }
  }
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
    data: (await measureTree(join(store.root, 'data', app.name))).bytes,
    logs: (await measureTree(join(logDirectory, app.name))).bytes,
  };
}
