import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppBus } from './app-bus.ts';
import { appInterface, appObject } from './app-object.ts';
import { busObject } from './bus-object.ts';
import { Dispatcher } from './serve.ts';
import { takeSnapshot } from './snapshot.ts';
import type { AppBuses, AppBusesOptions } from './types.ts';

/**
 * Serves a bus for each app that there is, and for those that are opened later. A directory that is there is used again,
 * since running containers have it mounted; those of apps that are gone are deleted.
 * @throws BerthError or system error if the directory cannot be made or read; one app's fault is only told
 */
export async function serveAppBuses(options: AppBusesOptions): Promise<AppBuses> {
  const buses = new OpenBuses(options);
  await buses.start();
  return buses;
}

class OpenBuses implements AppBuses {
  readonly #options: AppBusesOptions;
  /** D-Bus specification, "UUIDs": new with each daemon. */
  readonly #id = randomBytes(16).toString('hex');
  readonly #buses = new Map<string, AppBus>();
  readonly #stopListening: readonly (() => void)[];

  constructor(options: AppBusesOptions) {
    this.#options = options;
    const { lifecycle, updates } = options;
    this.#stopListening = [
      lifecycle.onEvent(({ app }) => {
        if (app !== undefined) this.#refresh(app);
      }),
      updates.onAppUpdate((app) => {
        this.#refresh(app);
      }),
    ];
  }

  async start(): Promise<void> {
    const { directory, lifecycle } = this.#options;
    // On the host nobody but root gets to a bus.
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const apps = lifecycle.list().map(({ name }) => name);
    const gone = (await readdir(directory)).filter((name) => !apps.includes(name));
    await Promise.all(gone.map(async (name) => rm(join(directory, name), { recursive: true })));
    await Promise.all(
      apps.map(async (app) => {
        try {
          await this.open(app);
        } catch (error) {
          this.#fault(app, error);
        }
      }),
    );
  }

  async open(app: string): Promise<string> {
    const directory = join(this.#options.directory, app);
    const bus = this.#buses.get(app) ?? this.#make(app, directory);
    await bus.open();
    return directory;
  }

  async forget(app: string): Promise<void> {
    const bus = this.#buses.get(app);
    this.#buses.delete(app);
    await bus?.remove();
  }

  async close(): Promise<void> {
    for (const stop of this.#stopListening) stop();
    await Promise.all([...this.#buses.values()].map(async (bus) => bus.close()));
  }

  #make(app: string, directory: string): AppBus {
    const { lifecycle, updates, ownerOf, clock, journal } = this.#options;
    const served = appInterface(app, { lifecycle, updates });
    const bus = new AppBus({
      app,
      directory,
      owner: ownerOf(app),
      id: this.#id,
      dispatcher: new Dispatcher([appObject(served), busObject(this.#id)], this.#id),
      look: () => takeSnapshot(served.properties, clock.monotonic()),
      clock,
      journal,
    });
    this.#buses.set(app, bus);
    return bus;
  }

  #refresh(app: string): void {
    try {
      this.#buses.get(app)?.refresh();
    } catch (error) {
      this.#fault(app, error);
    }
  }

  #fault(app: string, error: unknown): void {
    this.#options.journal('error', `${app}: its update bus failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
