import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openNewFiles } from '../lib/acl.ts';
import { publish, removeTree } from '../lib/durable.ts';
import { isErrno } from '../lib/errors.ts';

/** Where the volumes of an app are, below the root of the store. */
export function volumesDirectory(owner: string): string {
  return join('volumes', owner);
}

/**
 * Gives the directory of a volume, made and on disk if it was not there. Apps have ranges of users of their own, so to
 * each other they are strangers: everybody in it may do everything, and nobody else gets to it. A default ACL (acl(5))
 * makes new files writable for the others too, whatever the umask of who makes them; where there is no setfacl, or the
 * file system knows no ACLs, that is up to the apps.
 * @param path of the volume, in {@link volumesDirectory}
 * @param owner user of the host that is root of the app that shares it
 */
export async function makeVolume(path: string, owner: number): Promise<string> {
  if (await isThere(path)) return path;
  const fresh = `${path}.new`;
  await mkdir(dirname(path), { recursive: true, mode: 0o711 });
  await removeTree(fresh);
  await mkdir(fresh);
  await chown(fresh, owner, owner);
  await chmod(fresh, 0o777);
  await openNewFiles(fresh);
  await publish(fresh, path);
  return path;
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
