import type { Stats } from 'node:fs';
import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { parseDepends, unpackInChild, verifyImage, type LaunchSettings, type PackageLimits, type WorkerCommand } from '../image/index.ts';
import type { Clock } from '../lib/clock.ts';
import { removeTree } from '../lib/durable.ts';
import { BerthError, asBerthError, isErrno } from '../lib/errors.ts';
import type { Lifecycle } from '../lifecycle/index.ts';
import type { AppRow, WritableStore } from '../store/index.ts';
import { exchangeOf, judge, type Candidate, type Device } from './candidate.ts';
import { requireNobodyNeeds, type InstalledApp } from './dependents.ts';
import { Queue } from './queue.ts';
import type { InstallOptions, InstallReport, Updates } from './types.ts';

export interface UpdatesOptions {
  readonly store: WritableStore;
  readonly lifecycle: Lifecycle;
  /** How to start the unpacking child. */
  readonly worker: WorkerCommand;
  readonly limits: PackageLimits;
  readonly architectures: readonly string[];
  /** Read at each install, so that a changed `platform.d` counts at once. */
  readonly platform: () => Promise<Device['platform']>;
  /** What an installed app exports and imports; of one whose image is damaged, nothing. */
  readonly exchange: (app: AppRow) => Pick<LaunchSettings, 'exports' | 'imports'>;
  /** Takes away what an app left outside the store. */
  readonly forget: (app: string) => Promise<void>;
  readonly clock: Clock;
}

/** The coordinator: every change of what is installed goes through its queue. */
export function openUpdates(options: UpdatesOptions): Updates {
  const queue = new Queue();
  const coordinator = new Coordinator(options);
  return {
    install: (payload, installOptions) => queue.run(() => coordinator.install(payload, installOptions)),
    remove: (app, removeOptions) => queue.run(() => coordinator.remove(app, removeOptions)),
  };
}

class Coordinator {
  readonly #options: UpdatesOptions;

  constructor(options: UpdatesOptions) {
    this.#options = options;
  }

  /** Acquire, verify and stage in one pass over the stream; then switch, then start. */
  async install(payload: Readable, { start, signal, onProgress }: InstallOptions): Promise<InstallReport> {
    const { store, lifecycle, worker, limits, clock } = this.#options;
    let bytes = 0;
    await using staging = await store.stage();
    const report = await unpackInChild(payload, staging.path, {
      worker,
      limits,
      ...(signal === undefined ? {} : { signal }),
      onProgress: (read) => {
        bytes = read;
        onProgress?.({ phase: 'receiving', bytes });
      },
    });
    const candidate = judge(report, await this.#device(), clock.now());
    const name = candidate.image.package;
    this.#requireStopped(name);

    onProgress?.({ phase: 'storing', bytes });
    await this.#publish(staging.path, candidate);
    await makeDataDirectories(store.dataPath(name, store.app(name)?.dataGeneration ?? 1), candidate.settings, join(store.imagePaths(report.digest).bundle, 'rootfs'));

    onProgress?.({ phase: 'switching', bytes });
    const before = store.app(name);
    const previous = before === undefined ? undefined : store.image(before.image);
    this.#requireStopped(name);
    const desired = before?.desired ?? (start ? 'running' : 'stopped');
    store.commitInstall(candidate.image, { name, desired, now: clock.now() });
    lifecycle.admit(name);
    lifecycle.announce({ type: 'app.installed', app: name, message: `${name} ${candidate.image.version} was installed`, detail: { digest: report.digest } });
    await store.collect();

    if (desired === 'running') {
      onProgress?.({ phase: 'starting', bytes });
      await startIfPossible(lifecycle, name);
    }
    return {
      app: name,
      version: candidate.image.version,
      digest: report.digest,
      ...(previous === undefined ? {} : { replaced: { version: previous.version, digest: previous.digest } }),
      signed: candidate.image.signed,
      entries: report.entries,
      bytes: report.unpackedBytes,
      warnings: report.warnings,
      withheld: candidate.withheld,
      status: lifecycle.show(name),
    };
  }

  async remove(app: string, { purge }: { readonly purge: boolean }): Promise<void> {
    const { store, lifecycle, forget } = this.#options;
    const { version } = lifecycle.show(app);
    const device = await this.#device();
    requireNobodyNeeds(app, device.platform, device.apps);
    await lifecycle.stop(app);
    store.commitRemove(app, { purge });
    lifecycle.withdraw(app);
    await forget(app);
    await store.collect();
    lifecycle.announce({ type: 'app.removed', app, message: `${app} ${version} was removed${purge ? ' with its data' : ''}` });
  }

  async #device(): Promise<Device> {
    const { store, architectures, platform, exchange } = this.#options;
    const apps = store.apps().map((row): InstalledApp => {
      const { version, depends } = store.image(row.image)!;
      return { name: row.name, version, depends: parseDepends(depends), ...exchangeOf(row.name, exchange(row)) };
    });
    return { architectures, platform: await platform(), apps };
  }

  #requireStopped(name: string): void {
    const { store, lifecycle } = this.#options;
    if (store.app(name) === undefined) return;
    const { state, version } = lifecycle.show(name);
    if (state === 'stopped' || state === 'failed') return;
    throw new BerthError('conflict', `${name} ${version} is ${state}; stop it before it is replaced: berth stop ${name}`);
  }

  async #publish(staged: string, { report }: Candidate): Promise<void> {
    const { store } = this.#options;
    const { directory } = store.imagePaths(report.digest);
    if (store.image(report.digest) !== undefined) {
      const differences = await verifyImage(directory);
      if (differences.length === 0) return;
      // The image that the database names was damaged on disk; this is the same one, whole.
      await removeTree(directory);
    }
    await store.publishImage(staged, report.digest);
  }
}

/** Makes the app's data directories, owned and readable as the image's directories of the same paths. */
async function makeDataDirectories(data: string, settings: LaunchSettings, rootfs: string): Promise<void> {
  for (const path of settings.data) {
    const directory = join(data, path);
    const made = await mkdir(directory, { recursive: true, mode: 0o711 });
    if (made === undefined) continue;
    const model = await statIfThere(join(rootfs, path));
    if (model === undefined) continue;
    await chown(directory, model.uid, model.gid);
    await chmod(directory, model.mode & 0o1777);
  }
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The install stands even if the app does not start: its status says why. */
async function startIfPossible(lifecycle: Lifecycle, name: string): Promise<void> {
  try {
    await lifecycle.start(name);
  } catch (error) {
    lifecycle.announce({ type: 'app.warning', app: name, message: `${name} was installed but did not start: ${asBerthError(error).message}` });
  }
}
