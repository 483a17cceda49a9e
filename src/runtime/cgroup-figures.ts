import { controllerFile, type CgroupLayout } from './cgroup-layout.ts';
import { readIfThere } from './files.ts';
import type { InstanceFigures } from './types.ts';

/** Above this, a v1 limit means none: the kernel shows the largest number of pages it can count. */
const unlimitedBytes = 2 ** 62;

/** Text of the cgroup files that figures come from; undefined where the host lacks the controller. */
export interface FigureFiles {
  readonly cpu: string | undefined;
  readonly memory: string | undefined;
  readonly memoryStat: string | undefined;
  readonly memoryLimit: string | undefined;
  readonly processes: string | undefined;
}

/** Names of the files by cgroup version (cgroup-v1/memory.rst, cgroup-v1/cpuacct.rst and cgroup-v2.rst of the kernel). */
const sources = {
  1: {
    cpu: ['cpuacct', 'cpuacct.usage'],
    memory: ['memory', 'memory.usage_in_bytes'],
    memoryStat: ['memory', 'memory.stat'],
    memoryLimit: ['memory', 'memory.limit_in_bytes'],
    processes: ['pids', 'pids.current'],
    oom: ['memory', 'memory.oom_control'],
  },
  2: {
    cpu: ['cpu', 'cpu.stat'],
    memory: ['memory', 'memory.current'],
    memoryStat: ['memory', 'memory.stat'],
    memoryLimit: ['memory', 'memory.max'],
    processes: ['pids', 'pids.current'],
    oom: ['memory', 'memory.events'],
  },
} as const;

type Source = keyof (typeof sources)[1];

function read(layout: CgroupLayout, path: string, source: Source): string | undefined {
  const [controller, file] = sources[layout.version][source];
  const full = controllerFile(layout, controller, path, file);
  return full === undefined ? undefined : readIfThere(full);
}

/** Figures of the group at `path`; undefined if it is gone. */
export function readFigures(layout: CgroupLayout, path: string): InstanceFigures | undefined {
  return parseFigures(layout.version, {
    cpu: read(layout, path, 'cpu'),
    memory: read(layout, path, 'memory'),
    memoryStat: read(layout, path, 'memoryStat'),
    memoryLimit: read(layout, path, 'memoryLimit'),
    processes: read(layout, path, 'processes'),
  });
}

/** Figures from the files' text. What a host cannot count is 0. */
export function parseFigures(version: 1 | 2, files: FigureFiles): InstanceFigures | undefined {
  if (files.cpu === undefined && files.memory === undefined && files.processes === undefined) return undefined;
  const inactive = field(files.memoryStat, version === 1 ? 'total_inactive_file' : 'inactive_file');
  const limit = Number(files.memoryLimit?.trim() ?? 'none');
  return {
    cpuNs: version === 1 ? Number(files.cpu ?? 0) : field(files.cpu, 'usage_usec') * 1000,
    // The two files are read one after the other, so the difference may come out below 0.
    memoryBytes: Math.max(0, Number(files.memory ?? 0) - inactive),
    ...(limit < unlimitedBytes ? { memoryLimitBytes: limit } : {}),
    processes: Number(files.processes ?? 0),
  };
}

/**
 * How many processes of the group the kernel killed for want of memory: `oom_kill` of `memory.oom_control` (v1, Linux
 * 4.13) or `memory.events` (v2).
 */
export function readOomKills(layout: CgroupLayout, path: string): number {
  return field(read(layout, path, 'oom'), 'oom_kill');
}

function field(text: string | undefined, name: string): number {
  const line = text?.split('\n').find((line) => line.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}
