/**
 * Everything that must survive a power cut goes through here: nobody else calls rename or fsync. The order of a
 * publication is always: contents on disk, rename, parent directory on disk.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, constants, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { chmod, open, opendir, rename, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { directoryFlags, pathIn, pathOf, rawNames } from './directory.ts';
import { asBerthError, BerthError, isErrno } from './errors.ts';
import { failIfTold } from './faults.ts';
import { run } from './process.ts';

/** Puts a directory's entries (names made, renamed, removed in it) on disk. */
export async function syncDirectory(path: string): Promise<void> {
  failIfTold('sync', path);
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts everything on disk that the file system of `path` still holds in memory (syncfs(2), by way of `sync -f`). */
export async function syncFileSystem(path: string): Promise<void> {
  failIfTold('syncfs', path);
  const result = await run('sync', ['-f', path]);
  if (result.code !== 0) throw new BerthError('io', `cannot sync the file system of ${path}: ${result.stderr.trim()}`);
}

/** Renames within one file system and puts both parents on disk. The contents must be on disk already. */
export async function publish(from: string, to: string): Promise<void> {
  failIfTold('publish', to);
  await rename(from, to);
  await syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));
}

/** Replaces a small file so that after a cut it is wholly the old or wholly the new one. */
export function replaceFileSync(path: string, contents: string | Uint8Array, mode = 0o644): void {
  failIfTold('replace', path);
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', mode);
  try {
    chmodSync(temporary, mode);
    writeSync(file, typeof contents === 'string' ? Buffer.from(contents) : contents);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const parent = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}

/** Directories inside one another that are emptied where they are: bounds the descriptors that {@link removeTree} holds. */
const maxNested = 64;

/** O_PATH of open(2), which Node does not name: a place, for which no permission bit is needed. */
const O_PATH = 0o10000000;

/**
 * Removes a tree, whatever is in it: links are removed, never followed, also while an app still changes the tree (then
 * it may fail, for a directory that is not empty); names need not be UTF-8, nor paths short; directories without
 * permission bits are opened up first. What is gone already is fine.
 */
export async function removeTree(path: string | Buffer): Promise<void> {
  try {
    failIfTold('remove', path);
    if (await unlinkUnlessDirectory(path)) return;
    {
      await using directory = await openUp(path);
      // Directories that lie too deep are moved up to here, and so met again.
      const prefix = randomBytes(8).toString('hex');
      let moved = 0;
      let before: number;
      const moveUp = async (deep: Buffer): Promise<void> => {
        await rename(deep, pathIn(directory.fd, `${prefix}-${moved}`));
        moved += 1;
      };
      do {
        before = moved;
        await emptyDirectory(directory, 0, moveUp);
      } while (moved > before);
    }
    await rmdir(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw new BerthError(asBerthError(error).code, `cannot remove ${path.toString()}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * One after the other: `rm` of node:fs takes all entries of a directory at once, which for 100,000 files costs the
 * process 200 MB for good.
 */
async function emptyDirectory(directory: FileHandle, nesting: number, moveUp: (deep: Buffer) => Promise<void>): Promise<void> {
  for await (const { name } of await opendir(pathOf(directory.fd), rawNames)) {
    const path = pathIn(directory.fd, name);
    if (await unlinkUnlessDirectory(path)) continue;
    try {
      await using inner = await openUp(path);
      if (nesting < maxNested) {
        await emptyDirectory(inner, nesting + 1, moveUp);
        await rmdir(path);
      } else await moveUp(path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
}

/** False if there is a directory. */
async function unlinkUnlessDirectory(path: string | Buffer): Promise<boolean> {
  try {
    await unlink(path);
  } catch (error) {
    if (isErrno(error, 'EISDIR')) return false;
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  return true;
}

/** Opens a directory as a place to work in, and gives its owner every right to it. */
async function openUp(path: string | Buffer): Promise<FileHandle> {
  const directory = await open(path, O_PATH | directoryFlags);
  try {
    const { mode } = await directory.stat();
    if ((mode & 0o700) !== 0o700) await chmod(pathOf(directory.fd), 0o700);
    return directory;
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/**
 * As {@link removeTree}, for a tree into which a process may still write that nobody waits for: the tree is moved away
 * first, so that the process finds its way no more and ends. Nothing there is fine.
 */
export async function removeAbandonedTree(path: string): Promise<void> {
  const aside = `${path}.abandoned`;
  await removeTree(aside);
  try {
    await rename(path, aside);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  await removeTree(aside);
}
