import { chmod, chown, lstat, unlink } from 'node:fs/promises';
import type { Server } from 'node:net';
import { BerthError, isErrno } from '../lib/errors.ts';
import { run } from '../lib/process.ts';

/** Longest path of a unix socket, in bytes (unix(7): 108 with the final zero). */
export const maxSocketPathBytes = 107;

export interface SocketOptions {
  /** Permission bits; 0660 by default. */
  readonly mode?: number;
  /** Name or number of the group that owns the socket; the process's own by default. */
  readonly group?: string;
}

/**
 * Makes a server listen on a unix socket. The file that a dead daemon left is replaced.
 * @throws BerthError `conflict` if another daemon answers there or the file is not a socket, `usage` for a path that
 * is too long or a group that does not exist.
 */
export async function listen(server: Server, path: string, options: SocketOptions = {}): Promise<void> {
  if (Buffer.byteLength(path) > maxSocketPathBytes) {
    throw new BerthError('usage', `socket path ${path} is longer than ${maxSocketPathBytes} bytes; choose a shorter directory with --run`);
  }
  const gid = options.group === undefined ? undefined : await groupId(options.group);
  await clearStale(path);
  await bind(server, path);
  if (gid !== undefined) await chown(path, process.getuid!(), gid);
  await chmod(path, options.mode ?? 0o660);
}

/**
 * Takes away a socket file on which nobody listens. For `berthd` also the first thing to do: nothing of another one's
 * run directory may be touched while that one runs.
 * @throws BerthError `conflict` if a process answers there, or the file is not a socket.
 */
export async function clearStale(path: string): Promise<void> {
  try {
    const status = await lstat(path);
    if (!status.isSocket()) throw new BerthError('conflict', `${path} is not a socket; remove it, or choose another directory with --run`);
    if (await answers(path)) throw inUse(path);
    await unlink(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

function inUse(path: string): BerthError {
  return new BerthError('conflict', `another berthd is running: it answers at ${path}`);
}

/** True if a process listens there. */
async function answers(path: string): Promise<boolean> {
  const { connect } = process.getBuiltinModule('node:net');
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once('connect', () => {
    resolve(true);
  });
  socket.once('error', (error) => {
    if (isErrno(error, 'ECONNREFUSED', 'ENOENT')) resolve(false);
    else reject(error);
  });
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

async function bind(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  // The socket is there before its mode can be set; until then it is for its owner alone.
  const umask = process.umask(0o177);
  server.listen({ path }, resolve);
  process.umask(umask);
  try {
    await promise;
  } catch (error) {
    if (isErrno(error, 'EADDRINUSE')) throw inUse(path);
    // libuv reports a missing directory as EACCES, too.
    if (isErrno(error, 'EACCES')) {
      throw new BerthError('io', `cannot make the socket ${path}: its directory does not exist or is not writable`, { cause: error });
    }
    throw error;
  } finally {
    server.off('error', reject);
  }
}

async function groupId(group: string): Promise<number> {
  if (/^\d+$/.test(group)) return Number(group);
  const { code, stdout } = await run('getent', ['group', '--', group]);
  const gid = stdout.split(':')[2];
  if (code !== 0 || gid === undefined) {
    throw new BerthError('usage', `there is no group "${group}" for the socket; make it with \`groupadd --system ${group}\``);
  }
  return Number(gid);
}
