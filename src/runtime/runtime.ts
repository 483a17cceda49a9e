import { mkdirSync, readFileSync, type Stats } from 'node:fs';
import { constants } from 'node:os';
import { basename } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { BerthError } from '../lib/errors.ts';
import type { Journal } from '../lib/journal.ts';
import { isAlive } from '../lib/process.ts';
import { BusNames, type BusOptions } from './bus-names/index.ts';
import { Cgroups } from './cgroups.ts';
import { openDeletedFiles } from './deleted-files.ts';
import { DirectoryWatch } from './directory-watch.ts';
import { execInInstance } from './exec.ts';
import { judge } from './exit.ts';
import { ifThere, readIfThere } from './files.ts';
import { Instances } from './instances.ts';
import { logBounds, type LogBounds } from './log-keeper.ts';
import { Logs } from './logs.ts';
import { Networks, type NetworkOptions } from './network/index.ts';
import { chooseOciRuntime } from './oci-choice.ts';
import { bundleFiles, placesIn } from './places.ts';
import { findProgram } from './program.ts';
import { Pulse } from './pulse.ts';
import { removeInstance, sweepInstances } from './remove.ts';
import type { Room } from './room.ts';
import { startInstance } from './start.ts';
import type { ExecSession, ExecSpec, InstanceExit, InstanceFigures, InstanceRecord, InstanceSpec, LogLine, LogQuery, Runtime } from './types.ts';

export interface RuntimeOptions {
  /** Where running things are kept, `/run/berth`; must be gone after a restart of the machine (a tmpfs). */
  readonly runDir: string;
  /** Each app's log is a directory in here. */
  readonly logDir: string;
  /** Absolute path of the cgroup that holds all apps; `/berth` by default. */
  readonly cgroupParent?: string;
  /** `runc`, `crun` or a path; by default the first of these that works. */
  readonly oci?: string;
  readonly conmon?: string;
  readonly logs?: Partial<LogBounds>;
  /** Without, no instance has names on the system bus. */
  readonly bus?: BusOptions;
  /** Directories of which no app sees anything, besides the run and log directories: the store, the configuration. */
  readonly forbidden?: readonly string[];
  readonly network?: NetworkOptions;
  readonly clock: Clock;
  readonly journal: Journal;
}

/** Longest path of the run directory: conmon puts `attach/<64 digits>/attach` below it, and sun_path ends at 107 bytes (unix(7)). */
const maxRunDirBytes = 28;

/**
 * Makes the runtime ready. Nothing is watched until it is started or adopted.
 * @throws BerthError `unavailable` if conmon is missing or no OCI runtime works here, `usage` for paths that cannot be
 */
export async function openRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { runDir, clock, journal } = options;
  if (Buffer.byteLength(runDir) > maxRunDirBytes) {
    throw new BerthError('usage', `the run directory's path is too long for sockets in it: ${runDir} (at most ${maxRunDirBytes} bytes)`);
  }
  const conmon = await findProgram(options.conmon ?? 'conmon');
  if (conmon === undefined) throw new BerthError('unavailable', 'conmon is not installed; install the package conmon');
  const places = placesIn(runDir);
  mkdirSync(runDir, { recursive: true, mode: 0o711 });
  for (const path of [places.bundles, places.exits, places.syncs, places.execs, places.oci, places.attach, places.hostPaths]) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }
  const cgroups = new Cgroups(options.cgroupParent ?? '/berth', clock);
  const logs = new Logs(options.logDir, logBounds(options.logs), clock, journal);
  const networks = new Networks(options.network ?? {}, runDir, places, journal);
  const oci = await chooseOciRuntime(places, cgroups.path(trialApp, 'app'), options.oci).finally(() => { cgroups.remove(trialApp); });
  const pulse = new Pulse(clock);
  return new ContainerRuntime({
    places,
    oci,
    conmon,
    cgroups,
    logs,
    networks,
    busNames: new BusNames({ ...(options.bus === undefined ? {} : { options: options.bus }), places, cgroups, pulse, clock, journal }),
    pulse,
    exits: new DirectoryWatch(places.exits),
    syncs: new DirectoryWatch(places.syncs),
    execs: new DirectoryWatch(places.execs),
    clock,
    journal,
    forbidden: [runDir, options.logDir, ...(options.forbidden ?? [])],
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  });
}

/** No app has this name: names start with a letter or digit. */
const trialApp = '.trial';

class ContainerRuntime implements Runtime {
  readonly name: string;
  readonly #room: Room;
  readonly #instances: Instances;

  constructor(room: Room) {
    this.name = basename(room.oci.path);
    this.#room = room;
    this.#instances = new Instances(room);
  }

  cgroupPath(app: string): string {
    return this.#room.cgroups.path(app, 'app');
  }

  async start(spec: InstanceSpec): Promise<InstanceRecord> {
    const record = await startInstance(this.#room, spec);
    this.#instances.watch(record);
    return record;
  }

  async adopt(record: InstanceRecord): Promise<'running' | 'paused' | InstanceExit> {
    const { id, app } = record;
    const { logs, places, bootId, clock } = this.#room;
    if (record.bootId !== bootId) return { id, app, at: clock.now(), oom: false, cause: 'lost' };
    logs.takeOver(app, record.monitor, bundleFiles(places, id).logCount);
    const sighting = this.#instances.sight(record);
    const exit = this.#instances.exitOf(record, sighting) ?? (judge(sighting) === 'end-instance' ? await this.#instances.endOrphan(record) : undefined);
    if (exit !== undefined) {
      logs.release(app);
      return exit;
    }
    this.#instances.watch(record);
    return this.#room.cgroups.isFrozen(app) ? 'paused' : 'running';
  }

  // kill(2) instead of the OCI runtime, for speed. The number cannot have gone to another process between the check and the
  // call: numbers are given out in turn, and it would take all of them in that moment.
  async signal(id: string, signal: string): Promise<void> {
    const number = signalNumber(signal);
    const record = this.#instances.get(id);
    if (record === undefined || !isAlive(record.init)) return;
    ifThere(() => process.kill(record.init.pid, number));
    if (number === constants.signals.SIGKILL) this.#room.cgroups.thawNow(record.app);
  }

  async pause(id: string): Promise<void> {
    await this.#room.cgroups.freeze(this.#running(id).app);
  }

  async resume(id: string): Promise<void> {
    await this.#room.cgroups.thaw(this.#running(id).app);
  }

  async remove(id: string): Promise<void> {
    const app = readIfThere(bundleFiles(this.#room.places, id).app);
    await removeInstance(this.#room, id, { shared: this.#instances.hasOther(app, id) });
  }

  async sweep(known: ReadonlySet<string>): Promise<readonly string[]> {
    return await sweepInstances(this.#room, known);
  }

  async exec(id: string, spec: ExecSpec): Promise<ExecSession> {
    const { app } = this.#running(id);
    if (this.#room.cgroups.isFrozen(app)) throw new BerthError('conflict', `${app} is suspended; resume it to run a command in it`);
    return execInInstance(this.#room, id, spec);
  }

  figures(id: string): InstanceFigures | undefined {
    const record = this.#instances.get(id);
    return record === undefined ? undefined : this.#room.cgroups.figures(record.app);
  }

  deletedFiles(id: string, device: number): readonly Stats[] {
    const record = this.#instances.get(id);
    return record === undefined ? [] : openDeletedFiles(this.#room.cgroups.processes(record.app, 'app'), device);
  }

  addresses(id: string): readonly string[] {
    return this.#room.networks.addresses(id);
  }

  onExit(listener: (exit: InstanceExit) => void): () => void {
    return this.#instances.ended.on(listener);
  }

  logs(app: string, query: LogQuery): AsyncIterable<LogLine> {
    return this.#room.logs.read(app, query);
  }

  async forget(app: string): Promise<void> {
    await this.#room.logs.forget(app);
  }

  async close(): Promise<void> {
    const { exits, syncs, execs, pulse, logs, cgroups, networks } = this.#room;
    this.#instances.close();
    pulse.close();
    logs.close();
    networks.close();
    for (const watch of [exits, syncs, execs]) watch.close();
    cgroups.close();
  }

  #running(id: string): InstanceRecord {
    const record = this.#instances.get(id);
    if (record === undefined) throw new BerthError('conflict', `instance ${id} is not running`);
    return record;
  }
}

/** A signal's number by its name (signal(7)); `SIGRTMIN+n` too. */
function signalNumber(name: string): number {
  const realTime = /^SIGRTMIN\+(\d+)$/.exec(name);
  // Where the C library lets programs have them; the two before are its own.
  const firstRealTime = 34;
  const number = realTime === null ? (constants.signals as Readonly<Record<string, number>>)[name] : firstRealTime + Number(realTime[1]);
  if (number === undefined || number > 64) throw new BerthError('usage', `no such signal: ${name}`);
  return number;
}
