import type { Clock } from '../lib/clock.ts';
import type { Journal } from '../lib/journal.ts';
import type { AppStatus, BerthEvent, Lifecycle } from '../lifecycle/index.ts';
import type { Updates } from '../update/index.ts';

/** What the buses need of the supervisor. */
export interface BusLifecycle extends Pick<Lifecycle, 'feedWatchdog'> {
  list(): readonly Pick<AppStatus, 'name'>[];
  /** `watchdogMs`: how often the app must feed its watchdog; absent or 0 if its image declares none. */
  show(name: string): Pick<AppStatus, 'version'> & { readonly watchdogMs?: number };
  onEvent(listener: (event: Pick<BerthEvent, 'app'>) => void): () => void;
}

/** What the buses need of the coordinator. */
export type BusUpdates = Pick<Updates, 'confirm' | 'fail' | 'defer' | 'appUpdate' | 'onAppUpdate'>;

export interface AppBusesOptions {
  readonly lifecycle: BusLifecycle;
  readonly updates: BusUpdates;
  /** Holds a directory for each app, which holds its socket: `<run>/apps`. Made if it is not there. */
  readonly directory: string;
  /** User and group of the host that an app's root is, whose its directory is. */
  readonly ownerOf: (app: string) => number;
  readonly clock: Clock;
  readonly journal: Journal;
}

/** The update buses of all apps: a private socket each, which is also the app's identity. */
export interface AppBuses {
  /**
   * Sees to it that the app's bus is served, and gives the host directory that is mounted into its containers. To be
   * called before each start; costs nothing if the bus is served already.
   * @throws BerthError `io` if the socket cannot be made
   */
  open(app: string): Promise<string>;
  /** The app is gone from the device: takes its bus away, and the directory with it. */
  forget(app: string): Promise<void>;
  /** Ends all connections and takes the sockets away. The directories stay, since containers have them mounted. */
  close(): Promise<void>;
}
