import { chown, mkdir, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import type { Journal } from '../lib/journal.ts';
import { Budget } from './budget.ts';
import { berthConnection } from './bus-object.ts';
import { Connection, type ConnectionHost } from './connection.ts';
import { appName, appPath, propertiesContract } from './contract.ts';
import { maxConnections, quietMs, restMs, work } from './limits.ts';
import { listenIn, type Listener } from './listener.ts';
import type { Dispatcher } from './serve.ts';
import { changedProperties, type Snapshot } from './snapshot.ts';

export interface AppBusOptions {
  readonly app: string;
  /** Holds the socket. */
  readonly directory: string;
  /** User and group of the host that the app's root is. */
  readonly owner: number;
  readonly id: string;
  readonly dispatcher: Dispatcher;
  /** The app's properties at this moment. */
  readonly look: () => Snapshot;
  readonly clock: Clock;
  readonly journal: Journal;
}

/** The bus of one app: its socket, its clients, and what they may ask for together. Nothing of it runs while nobody calls. */
export class AppBus {
  readonly #options: AppBusOptions;
  readonly #host: ConnectionHost;
  readonly #budget: Budget;
  readonly #connections = new Set<Connection>();
  #open = false;
  #listener: Listener | undefined;
  /** The last change of the listener; the next one waits for it. */
  #turn: Promise<void> = Promise.resolve();
  /** Set while the app is not listened to since its budget is used up. */
  #stopResting: (() => void) | undefined;
  #floodToldAt = -Infinity;
  /** What clients know; undefined while there are none. */
  #told: Snapshot | undefined;

  constructor(options: AppBusOptions) {
    const { app, id, dispatcher, look, clock, journal } = options;
    this.#options = options;
    this.#budget = new Budget(() => clock.monotonic());
    const joined = (): void => {
      this.#told ??= look();
    };
    this.#host = { app, id, dispatcher, clock, journal, joined, spend: (units) => this.#spend(units) };
  }

  /** Resolves when the socket is there, at once if it is. @throws BerthError `io` */
  async open(): Promise<void> {
    if (this.#listener !== undefined) return;
    this.#open = true;
    const { directory, owner } = this.#options;
    // Every user of the app's must get through to the socket; on the host, the parent lets nobody but root in.
    await mkdir(directory, { recursive: true, mode: 0o755 });
    await chown(directory, owner, owner);
    await this.#settle();
  }

  /** Takes the socket away and cuts off all clients. The directory stays. */
  async close(): Promise<void> {
    this.#open = false;
    this.#stopResting?.();
    this.#stopResting = undefined;
    for (const connection of this.#connections) connection.cut('the bus is closed');
    await this.#settle();
  }

  /** As {@link close}, with the directory. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.#options.directory, { recursive: true, force: true });
  }

  /** Tells clients what has changed since they were told last. */
  refresh(): void {
    if (this.#told === undefined) return;
    const now = this.#options.look();
    const changed = changedProperties(this.#told, now);
    if (changed.length === 0) return;
    this.#told = now;
    for (const connection of this.#connections) {
      if (!connection.joined) continue;
      connection.send({
        type: 'signal',
        fields: { path: appPath, interface: propertiesContract.name, member: 'PropertiesChanged', sender: berthConnection },
        signature: propertiesContract.signals.PropertiesChanged.map(({ type }) => type).join(''),
        body: [appName, changed, []],
      });
    }
  }

  #accept(socket: Socket): void {
    if (!this.#spend(work.connect) || this.#connections.size >= maxConnections) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, this.#host);
    this.#connections.add(connection);
    socket.once('close', () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#told = undefined;
    });
  }

  #spend(units: number): boolean {
    const more = this.#budget.spend(units);
    if (!more) this.#rest();
    return more && this.#stopResting === undefined;
  }

  /** Neither reads nor accepts for a while, so that the daemon has time for others. */
  #rest(): void {
    if (this.#stopResting !== undefined) return;
    const { app, clock, journal } = this.#options;
    if (clock.monotonic() - this.#floodToldAt >= quietMs) journal('warning', `${app}: floods its update bus, which rests for ${restMs} ms whenever it does`);
    this.#floodToldAt = clock.monotonic();
    for (const connection of this.#connections) connection.pause();
    this.#stopResting = clock.after(restMs, () => {
      this.#stopResting = undefined;
      for (const connection of this.#connections) {
        // One of them may have used up all there is again, and then all rest.
        if (this.#stopResting === undefined) connection.resume();
      }
      this.#settleLater();
    });
    this.#settleLater();
  }

  #settleLater(): void {
    this.#settle().catch((error: unknown) => {
      this.#options.journal('error', `${this.#options.app}: its update bus is out of order until it is started again: ${String(error)}`);
    });
  }

  /** Makes the socket as it is to be, after what is under way. */
  async #settle(): Promise<void> {
    const change = this.#turn.then(() => this.#adjust());
    // The next change does not depend on how this one ends.
    this.#turn = change.catch(() => undefined);
    await change;
  }

  async #adjust(): Promise<void> {
    const listener = this.#listener;
    if (this.#open && this.#stopResting === undefined) {
      this.#listener = listener ?? (await this.#listen());
    } else if (listener !== undefined) {
      this.#listener = undefined;
      await listener.close();
    }
  }

  async #listen(): Promise<Listener> {
    const { app, directory, journal } = this.#options;
    const onError = (error: Error): void => {
      journal('error', `${app}: its update bus failed: ${error.message}`);
    };
    return listenIn(directory, (socket) => this.#accept(socket), onError);
  }
}
