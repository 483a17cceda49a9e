import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { parseDepends, unpackInChild, verifyImage, type LaunchSettings, type PackageLimits, type PackageReport, type WorkerCommand } from '../image/index.ts';
import type { Clock } from '../lib/clock.ts';
import { BerthError, asBerthError } from '../lib/errors.ts';
import type { Lifecycle } from '../lifecycle/index.ts';
import type { AppRow, ImageRow, WritableStore } from '../store/index.ts';
import { exchangeOf, judge, type Candidate, type Device } from './candidate.ts';
import { makeDataDirectories } from './data.ts';
import { requireNobodyNeeds, type InstalledApp } from './dependents.ts';
import { Queue } from './queue.ts';
import type { InstallOptions, InstallPhase, InstallReport, Updates } from './types.ts';

export interface UpdatesOptions {
  readonly store: WritableStore;
  readonly lifecycle: Lifecycle;
  /** Resolves when the lifecycle knows what runs from before. */
  readonly ready: Promise<void>;
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

/** The coordinator: every change of what is installed goes through it. */
export function openUpdates(options: UpdatesOptions): Updates {
  return new Coordinator(options);
}

class Coordinator implements Updates {
  readonly #options: UpdatesOptions;
  /** One payload after the other, since each needs memory and room. */
  readonly #payloads = new Queue();
  /** One change after the other; a payload that comes slowly holds none up. */
  readonly #changes = new Queue();

  constructor(options: UpdatesOptions) {
    this.#options = options;
  }

  async install(payload: Readable, options: InstallOptions): Promise<InstallReport> {
    // It may break off while it waits for its turn, or after it was refused, when nobody else listens.
    payload.on('error', () => undefined);
    return this.#payloads.run(() => this.#install(payload, options));
  }

  async remove(app: string, options: { readonly purge: boolean }): Promise<void> {
    return this.#changes.run(() => this.#remove(app, options));
  }

  /** Acquire, verify and stage in one pass over the stream; then switch, then start. */
  async #install(payload: Readable, options: InstallOptions): Promise<InstallReport> {
    const { store, worker, limits } = this.#options;
    const { signal, onProgress } = options;
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
    return await this.#changes.run(() => this.#switch(staging.path, report, { ...options, tell: (phase) => onProgress?.({ phase, bytes }) }));
  }

  /** From a staged package to an app that runs it. */
  async #switch(staged: string, report: PackageReport, options: InstallOptions & { readonly tell: (phase: InstallPhase) => void }): Promise<InstallReport> {
    const { store, lifecycle, clock, ready } = this.#options;
    const { start, signal, tell } = options;
    await ready;
    if (signal?.aborted === true) throw new BerthError('cancelled', 'the installation was cancelled', { cause: signal.reason });
    const candidate = judge(report, await this.#device(), clock.now());
    const name = candidate.image.package;
    this.#requireStopped(name);
    let previous: ImageRow | undefined;
    try {
      tell('storing');
      await this.#publish(staged, candidate);
      tell('switching');
      // Somebody may have started it meanwhile.
      this.#requireStopped(name);
      const before = store.app(name);
      previous = before === undefined ? undefined : store.image(before.image);
      store.commitInstall(candidate.image, { name, desired: before?.desired ?? (start ? 'running' : 'stopped'), now: clock.now() });
      lifecycle.admit(name);
      lifecycle.announce({ type: 'app.installed', app: name, message: `${name} ${candidate.image.version} was installed`, detail: { digest: report.digest } });
    } finally {
      await this.#collect(name);
    }
    if (lifecycle.show(name).desired === 'running') {
      tell('starting');
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

  async #remove(app: string, { purge }: { readonly purge: boolean }): Promise<void> {
    const { store, lifecycle, forget } = this.#options;
    if (purge && store.app(app) === undefined && store.dropKeptData(app)) {
      await this.#collect(app);
      lifecycle.announce({ type: 'app.removed', app, message: `the data that ${app} had left was deleted` });
      return;
    }
    const { version } = lifecycle.show(app);
    const device = await this.#device();
    requireNobodyNeeds(app, device.platform, device.apps);
    await lifecycle.stop(app);
    store.commitRemove(app, { purge });
    lifecycle.withdraw(app);
    await forget(app);
    await this.#collect(app);
    lifecycle.announce({ type: 'app.removed', app, message: `${app} ${version} was removed${purge ? ' with its data' : ''}` });
  }

  /** What is to be deleted and cannot be is tried again at the next change and the next start; the change stands. */
  async #collect(app: string): Promise<void> {
    try {
      await this.#options.store.collect();
    } catch (error) {
      this.#options.lifecycle.announce({ type: 'app.warning', app, message: `what is no longer needed could not be deleted yet: ${asBerthError(error).message}` });
    }
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

  /** Puts on disk all that the app's row will name: its image and its data directories. */
  async #publish(staged: string, { image, settings }: Candidate): Promise<void> {
    const { store } = this.#options;
    const { digest, package: name } = image;
    const { directory, bundle } = store.imagePaths(digest);
    // One that was damaged on disk is replaced by the same, whole.
    const isThere = store.image(digest) !== undefined && (await verifyImage(directory, { digest })).length === 0;
    if (!isThere) await store.publishImage(staged, digest);
    await makeDataDirectories(store.dataPath(name, store.app(name)?.dataGeneration ?? 1), settings.data, join(bundle, 'rootfs'));
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
