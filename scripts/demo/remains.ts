/** Finds and takes away what a `berthd` with a root of its own leaves behind, in whatever state it is. */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isErrno } from '../../src/lib/errors.ts';
import { run } from '../../src/lib/process.ts';

/** All places that belong to one daemon, and to nobody else. */
export interface Territory {
  /** Directories that may hold its mounts; removed in the end. */
  readonly directories: readonly string[];
  /** Absolute path of the cgroup below which all its containers are. */
  readonly cgroup: string;
  /** Number of the process group of the daemon and its children, if it was started in one of its own. */
  readonly processGroup?: number;
}

const cgroupRoot = '/sys/fs/cgroup';

/** One line for each process, mount, cgroup and directory that is still there. */
export function findRemains(territory: Territory): readonly string[] {
  const groups = cgroups(territory);
  return [
    ...processes(territory).map((pid) => `process ${pid}`),
    ...mounts(territory).map((path) => `mount ${path}`),
    ...groups.map((path) => `cgroup ${path}`),
    ...territory.directories.filter((path) => existsSync(path)).map((path) => `directory ${path}`),
  ];
}

/** Ends every process with SIGKILL, the daemon and its children included, then removes cgroups, mounts and directories. */
export async function removeRemains(territory: Territory): Promise<void> {
  for (let pids = processes(territory); pids.length > 0; pids = processes(territory)) {
    cgroups(territory).forEach(thaw);
    pids.forEach(kill);
    // The kernel takes its time to end them; there is nothing to wait on for processes of others.
    await delay(20);
  }
  for (const path of cgroups(territory).toReversed()) await run('rmdir', [path]);
  for (const path of mounts(territory).toReversed()) await run('umount', ['-l', path]);
  for (const path of territory.directories) await rm(path, { recursive: true, force: true });
}

/** Directories of the cgroups in every hierarchy (v1 has several), parents first. */
function cgroups({ cgroup }: Territory): readonly string[] {
  const tops = globSync([join(cgroupRoot, cgroup), join(cgroupRoot, '*', cgroup)]);
  return tops.flatMap((top) => [top, ...globSync(`${top}/**/`).map((path) => path.replace(/\/$/, ''))]);
}

function processes(territory: Territory): readonly number[] {
  const contained = cgroups(territory).flatMap((path) => readIfThere(join(path, 'cgroup.procs')).split('\n'));
  const pids = contained.filter((pid) => pid !== '').map(Number);
  return [...new Set([...pids, ...(territory.processGroup === undefined ? [] : membersOf(territory.processGroup))])];
}

/** Processes of a process group, but for zombies. */
function membersOf(group: number): readonly number[] {
  return globSync('/proc/[0-9]*').map((path) => Number(path.slice('/proc/'.length))).filter((pid) => {
    // State, parent and group follow the program's name, which may itself hold brackets (proc_pid_stat(5)).
    const stat = readIfThere(`/proc/${pid}/stat`);
    const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(processGroup) === group && state !== 'Z' && state !== 'X';
  });
}

function mounts({ directories }: Territory): readonly string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => directories.some((path) => point === path || point.startsWith(`${path}/`)));
}

/** Frozen processes do not die (cgroup v1) before they are thawed. */
function thaw(group: string): void {
  for (const [file, value] of [['freezer.state', 'THAWED'], ['cgroup.freeze', '0']] as const) {
    if (existsSync(join(group, file))) writeFileSync(join(group, file), value);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'ENODEV', 'EOPNOTSUPP')) return '';
    throw error;
  }
}
