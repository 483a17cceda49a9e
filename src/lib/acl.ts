import { BerthError } from './errors.ts';
import { run } from './process.ts';

/**
 * Gives a directory a default ACL (acl(5)): files and directories in it are readable and writable for all users who get
 * there, whatever the umask of who makes them; bind(2) applies the umask to sockets all the same. Where there is no setfacl, or the file system knows no ACLs, that is up to them.
 */
export async function openNewFiles(directory: string): Promise<void> {
  try {
    await run('setfacl', ['--default', '--modify', 'u::rwx,g::rwx,o::rwx', directory]);
  } catch (error) {
    if (!(error instanceof BerthError) || error.code !== 'unavailable') throw error;
  }
}
