import { once } from 'node:events';
import { open, unlink } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { BerthError, isErrno } from '../lib/errors.ts';

export const socketName = 'bus';

/** A socket that is listened on. */
export interface Listener {
  /** Takes it away; connections stay. */
  close(): Promise<void>;
}

/**
 * Listens on the socket `bus` in a directory, which every user may connect to. One that a dead daemon left is replaced.
 * The way to it leads through a descriptor of the directory, since the path may be longer than unix(7) lets sockets be.
 * @throws BerthError `io`
 */
export async function listenIn(directory: string, onConnection: (socket: Socket) => void, onError: (error: Error) => void): Promise<Listener> {
  const path = join(directory, socketName);
  const handle = await open(directory, 'r');
  const server = createServer(onConnection);
  try {
    await removeSocket(path);
    server.listen({ path: `/proc/self/fd/${handle.fd}/${socketName}`, readableAll: true, writableAll: true });
    await once(server, 'listening');
  } catch (error) {
    await handle.close();
    throw new BerthError('io', `cannot make the socket ${path}: ${(error as Error).message}`, { cause: error });
  }
  server.on('error', onError);
  return {
    close: async () => {
      // Closing unlinks the socket by the path above, so the descriptor must still be there.
      server.close();
      await handle.close();
    },
  };
}

async function removeSocket(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
