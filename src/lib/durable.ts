/**
 * Everything that must survive a power cut goes through here: nobody else calls rename or fsync. The order of a
 * publication is always: contents on disk, rename, parent directory on disk.
 */
import { chmodSync, closeSync, constants, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { chmod, lstat, open, opendir, readdir, rename, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BerthError, isErrno } from './errors.ts';
import { run } from './process.ts';

/** Puts a directory's entries (names made, renamed, removed in it) on disk. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts everything on disk that the file system of `path` still holds in memory (syncfs(2), by way of `sync -f`). */
export async function syncFileSystem(path: string): Promise<void> {
  const result = await run('sync', ['-f', path]);
  if (result.code !== 0) throw new BerthError('io', `cannot sync the file system of ${path}: ${result.stderr.trim()}`);
}

/** Renames within one file system and puts both parents on disk. The contents must be on disk already. */
export async function publish(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));
}

/** Replaces a small file so that after a cut it is wholly the old or wholly the new one. */
export function replaceFileSync(path: string, contents: string | Uint8Array, mode = 0o644): void {
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

/**
 * Removes a tree that only Berth writes to; links are removed, never followed, and directories without permission
 * bits are opened up first. Nothing there is fine. Not for trees that a running app can change.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    const isDirectory = (await lstat(path)).isDirectory();
    try {
      await remove(path, isDirectory);
    } catch (error) {
      if (!isErrno(error, 'EACCES', 'EPERM')) throw error;
      await openUp(path);
      await remove(path, isDirectory);
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/**
 * One after the other: `rm` of node:fs takes all entries of a directory at once, which for 100,000 files costs the
 * process 200 MB for good.
 */
async function remove(path: string, isDirectory: boolean): Promise<void> {
  if (!isDirectory) {
    await unlink(path);
    return;
  }
  for await (const entry of await opendir(path, { bufferSize: 256 })) await remove(join(path, entry.name), entry.isDirectory());
  await rmdir(path);
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

async function openUp(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await openUp(join(path, name));
}
