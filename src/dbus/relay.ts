import { randomBytes } from 'node:crypto';
import { readdirSync, unlinkSync, watch } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { BerthError, isErrno } from '../lib/errors.ts';
import { Authentication } from './auth.ts';
import { authenticationMs, maxAuthLineBytes } from './limits.ts';

/** In the directory of each instance: what its app connects to, and the filter behind it (`runtime/bus-names/`). */
export const relaySockets = { front: 'front/system_bus_socket', filter: 'filter' } as const;

/** Connections of an app to the system bus at the same time; more are closed at once. */
const maxAppConnections = 16;

/**
 * Lets apps authenticate on the system bus. A client says who it is (D-Bus specification, "Authentication Mechanisms",
 * EXTERNAL), and in a user namespace that is not who the bus sees, so the bus would refuse it. The relay takes any claim,
 * since the socket is the identity, and claims towards the filter what the filter is. After that it hands bytes on, and
 * reads none of them; file descriptors do not pass.
 *
 * Serves every instance that has a directory in the working directory, as they come and go; ends when there is none.
 */
export function relayMain(): void {
  const servers = new Map<string, Server>();
  const identity = Buffer.from(String(process.geteuid!())).toString('hex');
  const look = (): void => {
    const names = namesHere();
    for (const name of names) if (!servers.has(name)) servers.set(name, serve(name, identity));
    for (const [name, server] of servers) {
      if (names.includes(name)) continue;
      server.close();
      servers.delete(name);
    }
    if (names.length === 0) process.exit(0);
  };
  watch('.', look);
  look();
}

/** Instances; made elsewhere and moved here, so that each is complete. */
function namesHere(): readonly string[] {
  try {
    return readdirSync('.').filter((name) => /^[0-9a-f]{64}$/.test(name));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function serve(name: string, identity: string): Server {
  // Relative: a whole path may be longer than unix(7) lets sockets be.
  const path = join(name, relaySockets.front);
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  const server = createServer({ pauseOnConnect: false }, (client) => {
    relay(client, join(name, relaySockets.filter), identity);
  });
  server.maxConnections = maxAppConnections;
  // The instance is gone, or about to be.
  server.on('error', () => undefined);
  server.listen({ path, readableAll: true, writableAll: true });
  return server;
}

function relay(client: Socket, filterPath: string, identity: string): void {
  let filter: Socket | undefined;
  const end = (): void => {
    client.destroy();
    filter?.destroy();
  };
  const deadline = setTimeout(end, authenticationMs);
  const authentication = new Authentication(randomBytes(16).toString('hex'), (text) => client.write(text));
  const handOn = async (other: Socket, rest: Buffer): Promise<void> => {
    await claim(other, identity);
    clearTimeout(deadline);
    other.write(rest);
    client.pipe(other);
    other.pipe(client);
  };
  const onData = (chunk: Buffer): void => {
    let rest: Buffer | undefined;
    try {
      rest = authentication.take(chunk);
    } catch {
      end();
      return;
    }
    if (rest === undefined) return;
    client.off('data', onData);
    client.pause();
    filter = connect(filterPath);
    filter.on('error', end).on('close', end);
    void handOn(filter, rest).catch(end);
  };
  client.on('data', onData);
  client.on('error', end).on('close', () => {
    clearTimeout(deadline);
    end();
  });
}

/** Authenticates as `identity`, the hexadecimal form of a decimal user number. */
async function claim(filter: Socket, identity: string): Promise<void> {
  // One line at a time: the filter loses count of what comes all at once.
  filter.write(`\0AUTH EXTERNAL ${identity}\r\n`);
  const answer = await line(filter);
  if (!answer.startsWith('OK ')) throw new BerthError('denied', `the system bus answers ${answer}`);
  filter.write('BEGIN\r\n');
}

function line(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!text.endsWith('\r\n') && text.length <= maxAuthLineBytes) return;
      socket.off('data', onData);
      socket.pause();
      resolve(text.trimEnd());
    };
    socket.on('data', onData);
    socket.once('close', () => {
      reject(new BerthError('unavailable', 'the filter is gone'));
    });
  });
}
