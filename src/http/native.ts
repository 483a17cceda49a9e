import { systemClock, type Clock } from '../lib/clock.ts';
import type { Journal } from '../lib/journal.ts';
import type { Api } from './api.ts';
import { Dispatcher, defaultPatience, type Patience } from './dispatch.ts';
import { refuseGarbage } from './raw.ts';
import { routes } from './routes/index.ts';
import { listen, type SocketOptions } from './socket.ts';

const maxConnections = 512;

export interface NativeOptions extends Omit<Api, 'clock'> {
  readonly journal: Journal;
  readonly clock?: Clock;
  readonly patience?: Partial<Patience>;
}

/**
 * Serves the native REST API (`/berth/v1/…`) on a unix socket until it is closed. Closing ends every connection and
 * takes the socket file away.
 * @throws BerthError as {@link listen}: `conflict` if another berthd is running.
 */
export async function serveNative(options: NativeOptions, socketPath: string, socket: SocketOptions = {}): Promise<{ close: () => Promise<void> }> {
  // Not an import: in an ES module that costs several megabytes of memory for names nobody uses.
  const { createServer } = process.getBuiltinModule('node:http');
  const patience = { ...defaultPatience, ...options.patience };
  const api: Api = { ...options, clock: options.clock ?? systemClock };
  const dispatcher = new Dispatcher(routes, api, options.journal, patience);
  const server = createServer({
    headersTimeout: patience.headersMs,
    connectionsCheckingInterval: patience.headersMs,
    // A package may take as long as it needs, if only bytes keep coming.
    requestTimeout: 0,
    shouldUpgradeCallback: (request) => dispatcher.upgrades(request),
  });
  server.maxConnections = maxConnections;
  // An upgraded connection is no longer the server's; this list knows them all, and which of them were answered.
  const connections = new Map<object, { readonly end: () => void; asked: boolean }>();
  server.on('connection', (connection) => {
    connections.set(connection, { end: () => connection.destroy(), asked: false });
    connection.once('close', () => connections.delete(connection));
  });
  server.on('request', (request, response) => {
    connections.get(request.socket)!.asked = true;
    void dispatcher.answer(request, response);
  });
  server.on('upgrade', (request, connection, head) => {
    void dispatcher.upgrade(request, connection, head);
  });
  server.on('clientError', (error, connection) => {
    if (connections.get(connection)?.asked === false) refuseGarbage(error, connection);
    else connection.destroy();
  });
  await listen(server, socketPath, socket);
  return {
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => {
        resolve();
      });
      for (const connection of connections.values()) connection.end();
      await promise;
    },
  };
}
