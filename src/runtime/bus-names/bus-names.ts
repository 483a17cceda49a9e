import { chownSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { removeTree, replaceFileSync } from '../../lib/durable.ts';
import { asBerthError, BerthError } from '../../lib/errors.ts';
import type { Journal } from '../../lib/journal.ts';
import { isAlive, type ProcessIdentity } from '../../lib/process.ts';
import { Queue } from '../../lib/queue.ts';
import type { Cgroups } from '../cgroups.ts';
import { ifThere, namesIn, readIfThere } from '../files.ts';
import { bundleFiles, isInstanceId, type Places } from '../places.ts';
import type { Pulse } from '../pulse.ts';
import type { InstanceBusName, InstanceSpec, OciConfig } from '../types.ts';
import { filterArguments, startDetached } from './filter.ts';
import { busNamesReadiness } from './readiness.ts';

export interface BusOptions {
  /** Of the system bus, as in the D-Bus specification ("Server Addresses"). */
  readonly address: string;
  /** The account as which apps are seen on it. */
  readonly user: string;
  /** The program that lets apps authenticate, with its arguments; its working directory is the one that it serves. */
  readonly relay: readonly string[];
}

export interface BusNamesTools {
  readonly options?: BusOptions;
  readonly places: Places;
  readonly cgroups: Cgroups;
  readonly pulse: Pulse;
  readonly clock: Clock;
  readonly journal: Journal;
}

/** Where an app finds the system bus; every library looks at the variable. */
const containerDirectory = '/run/dbus';
const addressVariable = `DBUS_SYSTEM_BUS_ADDRESS=unix:path=${containerDirectory}/system_bus_socket`;

/** How often it is looked whether a process has made its socket, and for how long at most; milliseconds. */
const askMs = 5;
const patienceMs = 10_000;
/** Starts of the relay until it is given up. */
const relayTries = 3;

/** The filter of an instance; kept in its bundle, for the next daemon. */
interface FilterRecord {
  readonly app: string;
  readonly names: readonly InstanceBusName[];
  readonly process: ProcessIdentity;
}

/**
 * Gives instances their names on the system bus. Both filters and relay outlive this process, and are started again when
 * they are gone. The filter counts against its app's limits.
 */
export class BusNames {
  readonly #tools: BusNamesTools;
  readonly #filters = new Map<string, FilterRecord>();
  /** One start at a time. */
  readonly #queue = new Queue();
  #isLooking = false;
  #stopLooking: (() => void) | undefined;

  /** Knows the filters that an earlier daemon started. */
  constructor(tools: BusNamesTools) {
    this.#tools = tools;
    for (const id of namesIn(tools.places.bundles)) {
      const text = readIfThere(bundleFiles(tools.places, id).busFilter);
      if (text !== undefined) this.#filters.set(id, JSON.parse(text) as FilterRecord);
    }
    if (this.#filters.size > 0) this.#watch();
  }

  /**
   * Before the container is created: starts what it needs, and gives the config with the socket and its address.
   * @throws BerthError `unavailable` saying what is missing on the host
   */
  async prepare({ id, app, busNames = [], config }: InstanceSpec): Promise<OciConfig> {
    if (busNames.length === 0) return config;
    await this.#queue.run(async () => {
      await this.#makeDirectory(id);
      await this.#startFilter(id, app, busNames);
      await this.#ensureRelay(id);
    });
    this.#watch();
    const mount = { destination: containerDirectory, type: 'bind', source: join(this.#directory(id), 'front'), options: ['bind', 'nosuid', 'nodev', 'noexec', 'ro'] };
    const process = config['process'] as { readonly env?: readonly string[] };
    const env = process.env ?? [];
    const isSet = env.some((entry) => entry.startsWith('DBUS_SYSTEM_BUS_ADDRESS='));
    return { ...config, process: { ...process, env: isSet ? env : [...env, addressVariable] }, mounts: [...(config['mounts'] as readonly unknown[]), mount] };
  }

  /** Ends what an instance has; it has ended itself. */
  async release(id: string): Promise<void> {
    if (!this.#filters.has(id) && !existsSync(this.#directory(id))) return;
    await this.#queue.run(async () => {
      const filter = this.#filters.get(id);
      this.#filters.delete(id);
      if (filter !== undefined && isAlive(filter.process)) ifThere(() => process.kill(filter.process.pid, 'SIGKILL'));
      await removeTree(this.#directory(id));
      if (this.#filters.size === 0) this.#stopLooking?.();
    });
  }

  /** Takes away the directories of instances that are not known. */
  async sweep(known: ReadonlySet<string>): Promise<void> {
    for (const name of namesIn(this.#tools.places.busNames)) {
      if (isInstanceId(name) ? !known.has(name) : name.endsWith('.new')) await removeTree(join(this.#tools.places.busNames, name));
    }
  }

  get #options(): BusOptions {
    const { options } = this.#tools;
    if (options === undefined) throw new BerthError('unavailable', 'nothing is known of a system bus here');
    return options;
  }

  #directory(id: string): string {
    return join(this.#tools.places.busNames, id);
  }

  /** Complete when it appears: the relay serves whatever is there. Nobody but the account gets in. */
  async #makeDirectory(id: string): Promise<void> {
    const { places } = this.#tools;
    const { user } = await busNamesReadiness(this.#options.user);
    // The relay lists it; nobody else passes through.
    mkdirSync(places.busNames, { recursive: true, mode: 0o750 });
    chownSync(places.busNames, 0, user.gid);
    const fresh = `${this.#directory(id)}.new`;
    mkdirSync(fresh, { mode: 0o700 });
    mkdirSync(join(fresh, 'front'), { mode: 0o755 });
    for (const path of [fresh, join(fresh, 'front')]) chownSync(path, user.uid, user.gid);
    renameSync(fresh, this.#directory(id));
  }

  async #startFilter(id: string, app: string, names: readonly InstanceBusName[]): Promise<void> {
    const { cgroups, places } = this.#tools;
    const { address, user: account } = this.#options;
    const { filter, user } = await busNamesReadiness(account);
    await removeTree(join(this.#directory(id), 'filter'));
    const command = [filter, ...filterArguments(address, 'filter', names)];
    const process = await startDetached(command, this.#directory(id), user, (pid) => { cgroups.enterMonitor(app, pid); });
    const record: FilterRecord = { app, names, process };
    this.#filters.set(id, record);
    replaceFileSync(bundleFiles(places, id).busFilter, JSON.stringify(record), 0o600);
    if (!(await this.#appears(join(this.#directory(id), 'filter'), () => isAlive(process)))) throw new BerthError('unavailable', `${filter} does not run as ${account}`);
  }

  /** The relay is there and serves an instance. */
  async #ensureRelay(id: string): Promise<void> {
    const front = join(this.#directory(id), 'front/system_bus_socket');
    // One that was about to end, since there was nothing to serve, is started again.
    for (let tries = 0; tries < relayTries; tries += 1) {
      const relay = await this.#startRelay();
      if (await this.#appears(front, () => isAlive(relay))) return;
    }
    throw new BerthError('unavailable', `the relay to the system bus does not run as ${this.#options.user}: ${this.#options.relay.join(' ')}`);
  }

  /** Gives the one that runs, or starts it. */
  async #startRelay(): Promise<ProcessIdentity> {
    const { places } = this.#tools;
    const text = readIfThere(places.busRelay);
    const known = text === undefined ? undefined : (JSON.parse(text) as ProcessIdentity);
    if (known !== undefined && isAlive(known)) return known;
    const { user } = await busNamesReadiness(this.#options.user);
    const process = await startDetached(this.#options.relay, places.busNames, user, () => undefined);
    replaceFileSync(places.busRelay, JSON.stringify(process), 0o600);
    return process;
  }

  /** False if whoever is to make it is gone, or takes too long. */
  async #appears(path: string, isComing: () => boolean): Promise<boolean> {
    const start = this.#tools.clock.monotonic();
    while (!existsSync(path)) {
      if (!isComing() || this.#tools.clock.monotonic() - start > patienceMs) return false;
      await this.#tools.clock.sleep(askMs);
    }
    return true;
  }

  #watch(): void {
    if (this.#stopLooking !== undefined) return;
    const stop = this.#tools.pulse.add(() => {
      if (!this.#isLooking) void this.#look();
    });
    this.#stopLooking = () => {
      stop();
      this.#stopLooking = undefined;
    };
  }

  /** What has ended, whoever ended it, is started again. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    try {
      await this.#queue.run(async () => {
        for (const [id, { app, names, process }] of this.#filters) {
          // What is being taken away has no directory any more.
          if (!existsSync(this.#directory(id)) || isAlive(process)) continue;
          this.#tools.journal('warning', `${app}: its filter to the system bus had ended and is started again`);
          await this.#startFilter(id, app, names);
        }
        if (this.#filters.size > 0) await this.#startRelay();
      });
    } catch (error) {
      this.#tools.journal('error', `the way of apps to the system bus is not whole: ${asBerthError(error).message}`);
    } finally {
      this.#isLooking = false;
    }
  }
}
