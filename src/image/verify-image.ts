import { closeSync, constants, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { digestHex, sha256Hex, sha256Stream, type Digest } from '../lib/digest.ts';
import { asBerthError, BerthError, isErrno } from '../lib/errors.ts';
import { neededPaths } from './config.ts';
import { configPath, rootfsPath } from './data-unpacker.ts';
import { comparePaths } from './entry-path.ts';
import { imageNames } from './image-names.ts';
import { manifestLines } from './manifest-cursor.ts';
import type { ManifestLimits } from './manifest.ts';
import { fileChunks } from './manifest-store.ts';
import { allNeededPaths } from './mount-points.ts';
import type { ManifestEntry } from './types.ts';

/** The manifest was within the device's limits when the image was unpacked. */
const noLimits: ManifestLimits = { pathBytes: 4095, pathDepth: Infinity, entries: Infinity, controlBytes: Infinity, manifestBytes: Infinity };
/** People need no more to see that an image is damaged. */
const maxDifferences = 100;
const blockBytes = 256 * 1024;
/** Others get their turn after so many entries, and after every block of a large file. */
const entriesPerTurn = 64;

export interface VerifyImageOptions {
  /** Also compare the manifest itself. */
  readonly digest?: Digest;
  /** User and group of the host that the app's root is, from which on the others are counted; 0 by default. */
  readonly idBase?: number;
  /** Compare users and groups; by default when running as root, who alone can have set them. */
  readonly owners?: boolean;
}

/** A place in the work where others may have their turn. */
const pause = Symbol('pause');

/**
 * Compares an unpacked image with the manifest beside it, every file's contents included, and gives what differs, at
 * most 100 lines. Directories made to mount on, and attributes of the bundle's own directory, are left out. Reading
 * is synchronous, which for thousands of small files is several times as fast, in short turns.
 */
export async function verifyImage(directory: string, options: VerifyImageOptions = {}): Promise<readonly string[]> {
  const differences: string[] = [];
  try {
    for (const found of compareImage(directory, options)) {
      if (found === pause) await setImmediate();
      else if (differences.push(found) === maxDifferences) return [...differences, 'and perhaps more'];
    }
  } catch (error) {
    differences.push(asBerthError(error).message);
  }
  return differences;
}

type Finding = string | typeof pause;

function* compareImage(directory: string, options: VerifyImageOptions): Generator<Finding, void, undefined> {
  const manifest = join(directory, imageNames.manifest);
  const bundle = join(directory, imageNames.bundle);
  // One for all files: there may be 200,000.
  const block = Buffer.allocUnsafe(blockBytes);
  if (options.digest !== undefined && (yield* hashFile(manifest, block)) !== digestHex(options.digest)) {
    yield `${imageNames.manifest}: it is not the one of ${options.digest}`;
    return;
  }
  const owners = options.owners ?? process.geteuid?.() === 0;
  const idBase = owners ? (options.idBase ?? 0) : undefined;
  const ignored = mountPointsOf(bundle);
  // Both sides are in the same order, so neither is held in memory. The first line is control.
  const expected = manifestLines(fileChunks(manifest), noLimits);
  const found = walk(bundle, '');
  try {
    expected.next();
    let entry = expected.next().value?.entry;
    let path = found.next().value;
    for (let turn = 1; entry !== undefined || path !== undefined; turn += 1) {
      const order = orderOf(entry, path);
      if (order < 0) yield `${entry!.path}: missing`;
      else if (order === 0) yield* compareEntry(bundle, entry!, idBase, block);
      else if (!ignored.has(mountPointAt(bundle, path!))) yield `${path}: not in the manifest`;
      if (order <= 0) entry = expected.next().value?.entry;
      if (order >= 0) path = found.next().value;
      if (turn % entriesPerTurn === 0) yield pause;
    }
  } finally {
    expected.return();
  }
}

/** Which of the two comes first; where one side has ended, the other does. */
function orderOf(entry: ManifestEntry | undefined, path: string | undefined): number {
  if (entry === undefined) return 1;
  return path === undefined ? -1 : comparePaths(entry.path, path);
}

/** Paths below a directory in the order of the manifest; links are not followed. */
function* walk(bundle: string, prefix: string): Generator<string, undefined, undefined> {
  const keys: string[] = [];
  for (const entry of readdirSync(join(bundle, prefix), { withFileTypes: true })) {
    keys.push(entry.name);
    // What is in a directory `a` stands under `a/`, and so after a neighbour `a-b`.
    if (entry.isDirectory()) keys.push(`${entry.name}/`);
  }
  for (const key of keys.toSorted(comparePaths)) {
    if (key.endsWith('/')) yield* walk(bundle, prefix + key);
    else yield prefix + key;
  }
  return undefined;
}

function* compareEntry(bundle: string, entry: ManifestEntry, idBase: number | undefined, block: Buffer): Generator<Finding, void, undefined> {
  const full = join(bundle, entry.path);
  const status = lstatSync(full);
  const type = typeOf(status);
  const expected = entry.type === 'hardlink' ? 'file' : entry.type;
  if (type !== expected) {
    yield `${entry.path}: a ${type} instead of a ${expected}`;
    return;
  }
  if (entry.type === 'hardlink') {
    // Its attributes are those of the file, which has a line of its own.
    if (!isSameFile(status, join(bundle, entry.target))) yield `${entry.path}: no longer a hard link to ${entry.target}`;
    return;
  }
  // A symbolic link has no mode of its own on Linux.
  const mode = status.mode & 0o7777;
  if (entry.type !== 'symlink' && mode !== entry.mode) yield `${entry.path}: mode ${mode.toString(8)} instead of ${entry.mode.toString(8)}`;
  if (idBase !== undefined && (status.uid !== idBase + entry.uid || status.gid !== idBase + entry.gid)) {
    yield `${entry.path}: owner ${status.uid}:${status.gid} instead of ${idBase + entry.uid}:${idBase + entry.gid}`;
  }
  if (Math.floor(status.mtimeMs / 1000) !== entry.mtime) yield `${entry.path}: time of change ${Math.floor(status.mtimeMs / 1000)} instead of ${entry.mtime}`;
  if (entry.type === 'symlink' && readlinkSync(full) !== entry.target) yield `${entry.path}: it no longer points to ${entry.target}`;
  if (entry.type === 'file' && status.size !== entry.size) yield `${entry.path}: ${status.size} bytes instead of ${entry.size}`;
  else if (entry.type === 'file' && (yield* hashFile(full, block)) !== entry.sha256) yield `${entry.path}: other contents`;
}

function typeOf(status: Stats): string {
  if (status.isFile()) return 'file';
  if (status.isDirectory()) return 'dir';
  return status.isSymbolicLink() ? 'symlink' : 'special file';
}

function isSameFile(status: Stats, path: string): boolean {
  try {
    const other = lstatSync(path);
    return other.dev === status.dev && other.ino === status.ino;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

function* hashFile(path: string, block: Buffer): Generator<Finding, string, undefined> {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const first = readSync(file, block);
    if (first < block.length) return sha256Hex(block.subarray(0, first));
    const hash = sha256Stream();
    for (let size = first; size > 0; size = readSync(file, block)) {
      hash.update(block.subarray(0, size));
      yield pause;
    }
    return hash.digest('hex');
  } finally {
    closeSync(file);
  }
}

/** What stands at a path, as {@link mountPointsOf} says it; a file only if it is empty. */
function mountPointAt(bundle: string, path: string): string {
  const status = lstatSync(join(bundle, path));
  return status.isDirectory() ? `${path}/` : status.isFile() && status.size === 0 ? path : '';
}

/** Paths in the bundle that unpacking may have made to mount on, directories with a slash; none where no config asks for them. */
function mountPointsOf(bundle: string): ReadonlySet<string> {
  const config = join(bundle, configPath);
  if (lstatSync(config, { throwIfNoEntry: false })?.isFile() !== true) return new Set();
  try {
    const { directories, files } = allNeededPaths(neededPaths(readFileSync(config, 'utf8')));
    return new Set([...directories.map((path) => `${path}/`), ...files].map((path) => `${rootfsPath}/${path}`));
  } catch (error) {
    // Not a bundle's config: as it came, or damaged, which the comparison tells.
    if (error instanceof BerthError && error.code === 'bad_package') return new Set();
    throw error;
  }
}
