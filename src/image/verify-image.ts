import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import { lstat, open, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, sha256Stream, type Digest } from '../lib/digest.ts';
import { asBerthError, isErrno } from '../lib/errors.ts';
import { settingsOfConfig } from './config.ts';
import { configPath, rootfsPath } from './data-unpacker.ts';
import { comparePaths } from './entry-path.ts';
import { imageNames } from './image-names.ts';
import { manifestLines, type ManifestLine } from './manifest-cursor.ts';
import type { ManifestLimits } from './manifest.ts';
import { fileChunks } from './manifest-store.ts';
import { allMountPoints } from './mount-points.ts';
import type { ManifestEntry } from './types.ts';

/** The manifest was within the device's limits when the image was unpacked. */
const noLimits: ManifestLimits = { pathBytes: 4095, pathDepth: Infinity, entries: Infinity, controlBytes: Infinity, manifestBytes: Infinity };
/** People need no more to see that an image is damaged. */
const maxDifferences = 100;
const blockBytes = 256 * 1024;

export interface VerifyImageOptions {
  /** Also compare the manifest itself. */
  readonly digest?: Digest;
  /** Compare users and groups; by default when running as root, who alone can have set them. */
  readonly owners?: boolean;
}

/**
 * Compares an unpacked image with the manifest beside it, every file's contents included, and gives what differs, at
 * most 100 lines. Directories made to mount on, and attributes of the bundle's own directory, are left out.
 */
export async function verifyImage(directory: string, options: VerifyImageOptions = {}): Promise<readonly string[]> {
  const differences: string[] = [];
  try {
    for await (const difference of imageDifferences(directory, options)) {
      differences.push(difference);
      if (differences.length === maxDifferences) return [...differences, 'and perhaps more'];
    }
  } catch (error) {
    differences.push(asBerthError(error).message);
  }
  return differences;
}

async function* imageDifferences(directory: string, options: VerifyImageOptions): AsyncGenerator<string, void, undefined> {
  const manifest = join(directory, imageNames.manifest);
  const bundle = join(directory, imageNames.bundle);
  if (options.digest !== undefined && (await hashFile(manifest)) !== digestHex(options.digest)) {
    yield `${imageNames.manifest}: it is not the one of ${options.digest}`;
    return;
  }
  const owners = options.owners ?? process.geteuid?.() === 0;
  const ignored = await mountPointsOf(bundle);
  const lines = manifestLines(fileChunks(manifest), noLimits);
  const found = walk(bundle, '');
  try {
    // The first line is control. Both sides are in the same order, so neither is held in memory.
    lines.next();
    let line = nextEntry(lines);
    let path = await nextPath(found);
    while (line !== undefined || path !== undefined) {
      const order = line === undefined ? 1 : path === undefined ? -1 : comparePaths(line.path, path);
      if (order < 0) yield `${line!.path}: missing`;
      else if (order === 0) yield* entryDifferences(bundle, line!, owners);
      else if (!ignored.has(path!) || !(await lstat(join(bundle, path!))).isDirectory()) yield `${path}: not in the manifest`;
      if (order <= 0) line = nextEntry(lines);
      if (order >= 0) path = await nextPath(found);
    }
  } finally {
    lines.return();
    await found.return();
  }
}

function nextEntry(lines: Generator<ManifestLine, void, undefined>): ManifestEntry | undefined {
  return lines.next().value?.entry;
}

async function nextPath(found: AsyncGenerator<string, void, undefined>): Promise<string | undefined> {
  const next = await found.next();
  return next.done === true ? undefined : next.value;
}

/** Paths below a directory in the order of the manifest; links are not followed. */
async function* walk(bundle: string, prefix: string): AsyncGenerator<string, void, undefined> {
  const keys: string[] = [];
  for (const entry of await readdir(join(bundle, prefix), { withFileTypes: true })) {
    keys.push(entry.name);
    if (entry.isDirectory()) keys.push(`${entry.name}/`);
  }
  for (const key of keys.toSorted(comparePaths)) {
    if (key.endsWith('/')) yield* walk(bundle, prefix + key);
    else yield prefix + key;
  }
}

async function* entryDifferences(bundle: string, entry: ManifestEntry, owners: boolean): AsyncGenerator<string, void, undefined> {
  const full = join(bundle, entry.path);
  const status = await lstat(full);
  const type = typeOf(status);
  const expected = entry.type === 'hardlink' ? 'file' : entry.type;
  if (type !== expected) {
    yield `${entry.path}: a ${type} instead of a ${expected}`;
    return;
  }
  if (entry.type === 'hardlink') {
    // Its attributes are those of the file, which has a line of its own.
    if (!(await isSameFile(status, join(bundle, entry.target)))) yield `${entry.path}: no longer a hard link to ${entry.target}`;
    return;
  }
  // A symbolic link has no mode of its own on Linux.
  const mode = status.mode & 0o7777;
  if (entry.type !== 'symlink' && mode !== entry.mode) yield `${entry.path}: mode ${mode.toString(8)} instead of ${entry.mode.toString(8)}`;
  if (owners && (status.uid !== entry.uid || status.gid !== entry.gid)) yield `${entry.path}: owner ${status.uid}:${status.gid} instead of ${entry.uid}:${entry.gid}`;
  if (Math.floor(status.mtimeMs / 1000) !== entry.mtime) yield `${entry.path}: time of change ${Math.floor(status.mtimeMs / 1000)} instead of ${entry.mtime}`;
  if (entry.type === 'symlink' && (await readlink(full)) !== entry.target) yield `${entry.path}: it no longer points to ${entry.target}`;
  if (entry.type === 'file' && status.size !== entry.size) yield `${entry.path}: ${status.size} bytes instead of ${entry.size}`;
  else if (entry.type === 'file' && (await hashFile(full)) !== entry.sha256) yield `${entry.path}: other contents`;
}

function typeOf(status: Stats): string {
  if (status.isFile()) return 'file';
  if (status.isDirectory()) return 'dir';
  return status.isSymbolicLink() ? 'symlink' : 'special file';
}

async function isSameFile(status: Stats, path: string): Promise<boolean> {
  try {
    const other = await lstat(path);
    return other.dev === status.dev && other.ino === status.ino;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

async function hashFile(path: string): Promise<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const hash = sha256Stream();
  const block = Buffer.allocUnsafe(blockBytes);
  for (;;) {
    const { bytesRead } = await file.read(block, 0, block.length);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(block.subarray(0, bytesRead));
  }
}

/** Paths in the bundle of directories that unpacking may have made to mount on. */
async function mountPointsOf(bundle: string): Promise<ReadonlySet<string>> {
  let config: string;
  try {
    config = await readFile(join(bundle, configPath), 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EISDIR', 'ELOOP')) return new Set();
    throw error;
  }
  return new Set(allMountPoints(settingsOfConfig(config).data).map((path) => `${rootfsPath}/${path}`));
}
