import type { Stats } from 'node:fs';
import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { publish, removeTree, syncFileSystem } from '../lib/durable.ts';
import { isErrno } from '../lib/errors.ts';
import { dataDirectory } from '../store/index.ts';

/** No data directory has this name: a path in the container does not begin with two slashes. */
const halfMade = ':new';

/**
 * Makes those of an app's data directories that are missing, owned and readable as the image's directories of the same
 * paths. Each is there wholly or not at all, and on disk, before an app that names it is.
 * @param data the directory of the app's generation of data
 * @param paths in the container, such as `/var/lib/app`; unpacking has seen to it that no link of `rootfs` lies on one
 * @param ask looks at a directory of the image; nothing if it is not there
 */
export async function makeDataDirectories(data: string, paths: readonly string[], rootfs: string, ask: Ask = statIfThere): Promise<void> {
  const fresh = join(data, halfMade);
  let made = false;
  for (const path of paths) {
    const directory = dataDirectory(data, path);
    if ((await statIfThere(directory)) !== undefined) continue;
    await removeTree(fresh);
    await mkdir(fresh, { recursive: true, mode: 0o700 });
    const model = await ask(join(rootfs, path));
    if (model !== undefined) {
      await chown(fresh, model.uid, model.gid);
      await chmod(fresh, model.mode & 0o1777);
    }
    await publish(fresh, directory);
    made = true;
  }
  if (made) await syncFileSystem(data);
}

/** Whose a directory is, and its permission bits. */
export type Ask = (path: string) => Promise<Pick<Stats, 'uid' | 'gid' | 'mode'> | undefined>;

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
