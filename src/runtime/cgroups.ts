import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { BerthError, isErrno } from '../lib/errors.ts';
import { readFigures, readOomKills } from './cgroup-figures.ts';
import { controllerFile, everyDirectory, monitorDirectories, parseCgroupLayout, type CgroupLayout } from './cgroup-layout.ts';
import { groupSettings, handedDown, type GroupLimits } from './cgroup-limits.ts';
import { ifThere, namesIn, readIfThere } from './files.ts';
import type { InstanceFigures } from './types.ts';

/** An app's group holds two: its container, and the conmon that looks after it. Its limits bound both together. */
export type Part = 'app' | 'monitor';

/** The kernel tells nobody when a group is empty or frozen (v1), so it is asked this often. */
const askMs = 5;
/** A group that is not frozen after so many looks is thawed for a moment. */
const asksUntilThaw = 10;
/** A process that SIGKILL or the freezer does not reach in this time hangs in the kernel. */
const patienceMs = 10_000;

/** What the names of apps' groups end with. No file of the kernel's does: an app may be called `tasks`. */
const groupSuffix = '.app';

/** The control groups of all apps, below one parent. */
export class Cgroups {
  readonly #layout: CgroupLayout;
  readonly #parent: string;
  readonly #clock: Clock;

  constructor(parent: string, clock: Clock, layout = parseCgroupLayout(readFileSync('/proc/self/mountinfo', 'utf8'))) {
    this.#layout = layout;
    this.#parent = parent;
    this.#clock = clock;
  }

  /** As in the OCI field `linux.cgroupsPath`. */
  path(app: string, part: Part): string {
    return join(this.#group(app), part);
  }

  #group(app: string): string {
    return join(this.#parent, app + groupSuffix);
  }

  /** Moves a process to the monitor's group. Not in the freezer's hierarchy: conmon must run while its app is paused. */
  enterMonitor(app: string, pid: number): void {
    for (const directory of monitorDirectories(this.#layout, this.path(app, 'monitor'))) {
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, 'cgroup.procs'), String(pid));
    }
  }

  /**
   * Bounds all of an app, whatever of it is started. A controller that the host lacks bounds nothing.
   * @throws a system error if the kernel does not take a limit
   */
  limit(app: string, limits: GroupLimits): void {
    const group = this.#group(app);
    if (this.#layout.version === 2) this.#handDown();
    for (const { controller, file, value, optional, part } of groupSettings(this.#layout.version, limits, disksOf('/sys/block'))) {
      const path = controllerFile(this.#layout, controller, part === undefined ? group : this.path(app, part), file);
      if (path === undefined) continue;
      mkdirSync(dirname(path), { recursive: true });
      if (optional === true && !existsSync(path)) continue;
      writeFileSync(path, value);
    }
  }

  /** v2: the groups above apps pass the controllers on, each as far as the host has it. */
  #handDown(): void {
    const names = this.#parent.split('/').filter((name) => name !== '');
    for (let depth = 0; depth <= names.length; depth += 1) {
      const directory = join(this.#layout.mounts.get('unified')!, ...names.slice(0, depth));
      mkdirSync(directory, { recursive: true });
      const there = readFileSync(join(directory, 'cgroup.controllers'), 'utf8').trim().split(' ');
      for (const controller of handedDown) if (there.includes(controller)) writeFileSync(join(directory, 'cgroup.subtree_control'), `+${controller}`);
    }
  }

  figures(app: string): InstanceFigures | undefined {
    return readFigures(this.#layout, this.path(app, 'app'));
  }

  /** True if the kernel killed a process of the container for want of memory. */
  hasOomKills(app: string): boolean {
    return readOomKills(this.#layout, this.path(app, 'app')) > 0;
  }

  /** Processes in a part, in whichever hierarchy. */
  processes(app: string, part: Part): ReadonlySet<number> {
    const pids = new Set<number>();
    for (const directory of everyDirectory(this.#layout, this.path(app, part))) {
      for (const group of withSubgroups(directory)) {
        for (const line of readIfThere(join(group, 'cgroup.procs'))?.split('\n') ?? []) {
          if (line !== '') pids.add(Number(line));
        }
      }
    }
    return pids;
  }

  /** Waits up to `graceMs` until no process of a part is left, then kills those that are, and waits for their end. */
  async end(app: string, part: Part, graceMs = 0): Promise<void> {
    const start = this.#clock.monotonic();
    for (;;) {
      const pids = this.processes(app, part);
      if (pids.size === 0) return;
      const elapsed = this.#clock.monotonic() - start;
      if (elapsed > graceMs + patienceMs) {
        throw new BerthError('runtime', `${app}: processes ${[...pids].join(', ')} do not end after SIGKILL; they hang in the kernel`);
      }
      if (elapsed >= graceMs) {
        for (const pid of pids) ifThere(() => process.kill(pid, 'SIGKILL'));
        if (part === 'app') this.#writeFreezer(app, false);
      }
      await this.#clock.sleep(askMs);
    }
  }

  /** Removes an app's groups in all hierarchies; no process may be in them. */
  remove(app: string): void {
    for (const directory of everyDirectory(this.#layout, this.#group(app))) {
      for (const group of withSubgroups(directory).toReversed()) ifThere(() => { rmdirSync(group); });
    }
  }

  /** Names of all apps that have a group. */
  apps(): readonly string[] {
    const names = new Set<string>();
    for (const directory of everyDirectory(this.#layout, this.#parent)) {
      for (const group of subgroups(directory)) if (group.endsWith(groupSuffix)) names.add(group.slice(0, -groupSuffix.length));
    }
    return [...names];
  }

  /** Removes the parent where no app is left in it. */
  close(): void {
    for (const directory of everyDirectory(this.#layout, this.#parent)) {
      try {
        rmdirSync(directory);
      } catch (error) {
        if (!isErrno(error, 'ENOENT', 'EBUSY', 'ENOTEMPTY')) throw error;
      }
    }
  }

  isFrozen(app: string): boolean {
    const text = readIfThere(this.#freezerFile(app, 'read'));
    return this.#layout.version === 1 ? text === 'FROZEN\n' : text?.includes('frozen 1\n') === true;
  }

  /** @throws BerthError `timeout` if a process cannot be frozen (it hangs in the kernel); nothing is frozen then. */
  async freeze(app: string): Promise<void> {
    if (!this.#writeFreezer(app, true)) throw new BerthError('conflict', `${app} is not running, so it cannot be paused`);
    if (await this.#isFrozenSoon(app, true)) return;
    this.#writeFreezer(app, false);
    throw new BerthError('timeout', `${app} could not be paused: one of its processes hangs in the kernel`);
  }

  async thaw(app: string): Promise<void> {
    if (!this.#writeFreezer(app, false)) throw new BerthError('conflict', `${app} is not running, so it cannot be resumed`);
    if (!(await this.#isFrozenSoon(app, false))) throw new BerthError('timeout', `${app} could not be resumed: the kernel keeps it frozen`);
  }

  /** Thaws without waiting; no error if it is not frozen or gone. */
  thawNow(app: string): void {
    this.#writeFreezer(app, false);
  }

  async #isFrozenSoon(app: string, frozen: boolean): Promise<boolean> {
    const start = this.#clock.monotonic();
    for (let asked = 1; this.#clock.monotonic() - start < patienceMs; asked += 1) {
      if (this.isFrozen(app) === frozen) return true;
      // v1: a process that forks while the group freezes can hold it at FREEZING until told again, and one that ends
      // until its parent, which is frozen already, has run for a moment.
      if (frozen && asked % asksUntilThaw === 0) this.#writeFreezer(app, false);
      if (frozen) this.#writeFreezer(app, true);
      await this.#clock.sleep(askMs);
    }
    return false;
  }

  #writeFreezer(app: string, frozen: boolean): boolean {
    const text = this.#layout.version === 1 ? (frozen ? 'FROZEN' : 'THAWED') : frozen ? '1' : '0';
    return ifThere(() => { writeFileSync(this.#freezerFile(app, 'write'), text, { flag: 'r+' }); });
  }

  #freezerFile(app: string, use: 'read' | 'write'): string {
    const name = this.#layout.version === 1 ? 'freezer.state' : use === 'read' ? 'cgroup.events' : 'cgroup.freeze';
    const file = controllerFile(this.#layout, 'freezer', this.path(app, 'app'), name);
    if (file === undefined) throw new BerthError('unsupported', 'this kernel has no cgroup freezer, so apps cannot be paused');
    return file;
  }
}

/** A group's directory and all below it, parents first. A container can make groups of its own. */
function withSubgroups(directory: string): readonly string[] {
  return [directory, ...subgroups(directory).flatMap((name) => withSubgroups(join(directory, name)))];
}

function subgroups(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Numbers of the disks (sysfs(5)) that are devices: not of what stands on other disks, such as loop devices. */
function disksOf(directory: string): readonly string[] {
  return namesIn(directory).filter((name) => existsSync(join(directory, name, 'device'))).map((name) => readFileSync(join(directory, name, 'dev'), 'utf8').trim());
}
