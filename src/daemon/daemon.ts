import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serveAppBuses, type AppBuses } from '../dbus/index.ts';
import { serveNative } from '../http/index.ts';
import { declaredDevices, hostPlaces, Lender, readDeclarations } from '../devices/index.ts';
import { hostArchitectures } from '../image/index.ts';
import { systemClock } from '../lib/clock.ts';
import type { Command } from '../lib/confinement.ts';
import { asBerthError, BerthError } from '../lib/errors.ts';
import type { Journal } from '../lib/journal.ts';
import { takeLock } from '../lib/lock.ts';
import { explain, openSupervisor, readLaunch } from '../lifecycle/index.ts';
import { boundOf, StandingPolicy } from '../policy/index.ts';
import { openExchange, openRuntime } from '../runtime/index.ts';
import { openStore } from '../store/index.ts';
import { openAuthorities, openFolders, openUpdates, readPlatform, recoverUpdates, TrustKeeper, watchRecalls, type UpdatesOptions } from '../update/index.ts';
import { configDirectory, type Config } from './config.ts';
import { dataRoom } from './data-room.ts';
import { examineHost } from './doctor.ts';
import { requireOwnUsers } from './host-users.ts';
import { widenPools } from './kernel-pools.ts';
import { openLauncher } from './launcher.ts';
import { openRulings } from './rulings.ts';
import { ConfinedWorkers, type WorkerPrograms } from './workers.ts';

export interface Daemon {
  /** Resolves when every app that should run was tried. */
  readonly booted: Promise<void>;
  /** Lets go of everything; apps go on. */
  close(): Promise<void>;
}

export interface DaemonOptions {
  readonly config: Config;
  readonly version: string;
  /** How to start the children that unpack payloads and copy data, and the relay to the system bus. */
  readonly workers: WorkerPrograms & { readonly relay: Command };
  readonly journal: Journal;
}

/** Puts the parts together, from the ground up, and begins to start what should run. Resolves when the socket is served. */
export async function startDaemon({ config, version, workers, journal }: DaemonOptions): Promise<Daemon> {
  const clock = systemClock;
  // Containers pass through here to their bundles; the sockets in it have modes of their own.
  mkdirSync(config.run, { recursive: true, mode: 0o711 });
  const lock = takeLock(join(config.run, 'lock'), `another berthd runs with ${config.run}`);
  requireOwnUsers(config.ids, config.root);
  widenPools(journal);
  const store = openStore(config.root, { journal, now: clock.now(), ids: config.ids });
  // What cannot be deleted is no reason for apps not to run.
  const undeleted = (error: unknown): void => {
    journal('warning', `what is no longer needed could not be deleted yet: ${asBerthError(error).message}`);
  };
  const confined = new ConfinedWorkers(workers, config.ids, store);
  await store.clearStaging().catch(undeleted);
  const trust = new TrustKeeper({ store, rules: config.trust, clock, journal });
  if (config.trust.allowUnsigned) journal('warning', 'this device takes unsigned packages (trust: { allow-unsigned: true }); it is for development');
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  // Before anybody looks at which images the apps have.
  const continued = recoverUpdates(store, { bootId, now: clock.now(), monotonic: clock.monotonic(), journal });
  await store.collect().catch(undeleted);
  const runtime = await openRuntime({
    runDir: config.run,
    logDir: config.logs.directory,
    cgroupParent: config.cgroupParent,
    ...(config.runtime === undefined ? {} : { oci: config.runtime }),
    logs: config.logs,
    forbidden: [config.root, configDirectory],
    bus: { ...config.bus, relay: [workers.relay.command, ...workers.relay.args] },
    network: config.network,
    clock,
    journal,
  });
  const exchange = openExchange(config.run);
  await exchange.retain(new Set(store.apps().map((app) => app.name)));
  const buses = Promise.withResolvers<AppBuses>();
  const declarations = await readDeclarations(config.devices);
  for (const fault of declarations.faults) journal('warning', fault);
  const devices = new Lender({
    declarations,
    directory: join(config.run, 'devices'),
    places: hostPlaces,
    owner: (app) => store.idRange(app),
    clock,
    tell: (news) => { supervisor.announce(news); },
  });
  const policy = await StandingPolicy.open({
    directory: config.policy,
    memory: { read: () => store.keptText('policy'), write: (text) => { store.keepText('policy', text); } },
    journal,
  });
  // Nothing that is signed is taken until they can be read, and apps have the default rights.
  await trust.files().catch((error: unknown) => {
    journal('error', `authorities cannot be read: ${asBerthError(error).message}`);
  });
  const rulings = openRulings({ policy, allowUnsigned: config.trust.allowUnsigned, boundOf: ({ authority }) => boundOf(authority, trust.known), declared: declaredDevices(declarations) });
  const launcher = openLauncher({
    store,
    runtime,
    exchange,
    rulings,
    openBus: async (app) => (await buses.promise).open(app),
    requireRunnable: (image) => {
      trust.requireNotRecalled(image);
    },
  });
  const supervisor = openSupervisor({ store, runtime, clock, journal, bootId, devices, data: dataRoom(store, runtime, config.reserveBytes), prepare: launcher.plan, ...(config.parallelStarts === undefined ? {} : { parallelStarts: config.parallelStarts }) });
  const updatesOptions: UpdatesOptions = {
    store,
    lifecycle: supervisor,
    ready: supervisor.tookOver,
    workers: confined,
    limits: config.limits,
    rules: config.updates,
    architectures: config.architectures ?? hostArchitectures(),
    platform: () => readPlatform(config.platform),
    rule: rulings.forInstall,
    settings: launcher.settings,
    forget: async (app) => {
      await runtime.forget(app);
      await exchange.forget(app);
      await (await buses.promise).forget(app);
    },
    logDirectory: config.logs.directory,
    bootId,
    trust,
    clock,
    journal,
  };
  const updates = openUpdates(updatesOptions);
  buses.resolve(await serveAppBuses({ lifecycle: supervisor, updates, directory: join(config.run, 'apps'), ownerOf: (app) => store.idRange(app), clock, journal }));
  updates.continue(continued);
  const booted = supervisor.boot();
  const authorities = openAuthorities({ store, trust, lifecycle: supervisor, enforceRecalls: async () => updates.enforceRecalls() });
  const closing = new AbortController();
  const recalls = watchRecalls({
    directory: config.trust.recalls,
    authorities,
    clock,
    tell: (message) => {
      journal('warning', message);
    },
    signal: closing.signal,
  }).catch((error: unknown) => {
    journal('error', `recalls are no longer taken from ${config.trust.recalls}: ${asBerthError(error).message}`);
  });
  // What was recalled while no daemon could stop it.
  void updates.enforceRecalls().catch((error: unknown) => {
    journal('error', `an app whose version was recalled could not be stopped: ${asBerthError(error).message}`);
  });
  const folders = openFolders(updates, updatesOptions, config);
  const server = await serveNative(
    {
      lifecycle: supervisor,
      updates,
      store,
      devices: async () => devices.status(),
      policy: {
        ofApp: (name) => {
          const row = store.app(name);
          if (row === undefined) throw new BerthError('not_found', `there is no app "${name}"; \`berth ps\` lists those there are`);
          return launcher.explain(row);
        },
        ofRequest: ({ app, config: text, signed }) => {
          // Who vouches for a package shows only when it comes; an app's own authority is whom it would have to come from.
          const authority = signed ? store.trust.owner(app) : undefined;
          return explain(readLaunch(text), app, rulings.forInstall({ package: app, signed, ...(authority === undefined ? {} : { authority }) }));
        },
      },
      authorities,
      doctor: async () =>
        examineHost({
          trust: { ...config.trust, statuses: await authorities.list(), time: trust.time() },
          root: config.root,
          run: config.run,
          policy: { directory: config.policy, fault: policy.fault() },
          runtime: runtime.name,
          ids: config.ids,
          network: config.network,
          busUser: config.bus.user,
          now: clock.now(),
          devices: await devices.status(),
          deviceFaults: declarations.faults,
        }),
      version: {
        version,
        runtime: runtime.name,
        node: process.version,
        kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
        architecture: process.arch,
      },
      clock,
      journal,
    },
    join(config.run, 'berth.sock'),
    config.socketGroup === undefined ? {} : { group: config.socketGroup },
  );
  return {
    booted,
    close: async () => {
      const foldersClosed = folders.close();
      closing.abort();
      const updatesClosed = updates.close();
      await supervisor.detach();
      await devices.close();
      await updatesClosed;
      await foldersClosed;
      // Last, so that whoever waits for an update is told.
      await server.close();
      await (await buses.promise).close();
      // After an orderly shutdown nobody is left to exchange anything.
      if (supervisor.list().every((app) => app.instance === undefined)) await exchange.retain(new Set());
      await runtime.close();
      await confined[Symbol.asyncDispose]();
      await recalls;
      trust.close();
      store.close();
      lock[Symbol.dispose]();
    },
  };
}
