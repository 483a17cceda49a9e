import type { Stats } from 'node:fs';
import { lchown, lstat, mkdir, open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { directoryFlags, pathIn } from '../lib/directory.ts';
import { publish, removeTree, syncFileSystem } from '../lib/durable.ts';
import { BerthError, isErrno } from '../lib/errors.ts';
import { dataDirectory } from '../store/index.ts';

/** No data directory has this name: a path in the container does not begin with two slashes. */
const halfMade = ':new';

/**
 * Makes those of an app's data directories that are missing, owned and readable as the image's directories of the same
 * paths. Each is there wholly or not at all, and on disk, before an app that names it is.
 * @param data the directory of the app's generation of data
 * @param root user and group of the host that the app's root is
 * @param paths in the container, such as `/var/lib/app`; unpacking has seen to it that no link of `rootfs` lies on one
 * @param ask looks at a directory of the image; nothing if it is not there
 */
export async function makeDataDirectories(data: string, root: number, paths: readonly string[], rootfs: string, ask: Ask = statIfThere): Promise<void> {
  const missing: string[] = [];
  for (const path of paths) {
    const there = await lstatIfThere(dataDirectory(data, path));
    if (there === undefined) missing.push(path);
    // What is there is mounted into containers, wherever it leads.
    else if (!there.isDirectory()) throw new BerthError('internal', `${dataDirectory(data, path)} is not a directory; nobody but an app or what copies its data can have put it there`);
  }
  if (missing.length === 0) return;
  await makeGeneration(data, root);
  // By a descriptor: it is the app's directory, where names may change hands.
  await using directory = await open(data, directoryFlags);
  const fresh = pathIn(directory.fd, halfMade);
  for (const path of missing) {
    await removeTree(fresh);
    await mkdir(fresh, { mode: 0o700 });
    {
      await using made = await open(fresh, directoryFlags);
      const { uid, gid, mode } = (await ask(join(rootfs, path))) ?? { uid: root, gid: root, mode: 0o700 };
      await made.chown(uid, gid);
      await made.chmod(mode & 0o1777);
    }
    await publish(fresh.toString(), dataDirectory(dirname(fresh.toString()), path));
  }
  await syncFileSystem(data);
}

/** Makes the directory of a generation of data, if it is not there: in one that only berthd can change, the app's own. */
export async function makeGeneration(data: string, root: number): Promise<void> {
  await mkdir(dirname(data), { recursive: true, mode: 0o711 });
  await mkdir(data, { recursive: true, mode: 0o711 });
  await lchown(data, root, root);
}

/** Whose a directory is, and its permission bits. */
export type Ask = (path: string) => Promise<Pick<Stats, 'uid' | 'gid' | 'mode'> | undefined>;

async function statIfThere(path: string): Promise<Stats | undefined> {
  return unlessGone(stat(path));
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  return unlessGone(lstat(path));
}

async function unlessGone(looked: Promise<Stats>): Promise<Stats | undefined> {
  try {
    return await looked;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
