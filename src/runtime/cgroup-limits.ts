import type { CgroupLayout } from './cgroup-layout.ts';
import type { InstanceLimits, OciConfig } from './types.ts';

/** What all of an app together may use: its container, commands run in it, and the conmon that writes its log. */
export interface GroupLimits extends InstanceLimits {
  /** Bytes of the container. */
  readonly memoryBytes?: number;
  /** Bytes of swap beyond memory. */
  readonly swapBytes: number;
  /** Processes and threads of the container. */
  readonly processes?: number;
  /** Weight against other apps in v1 shares, 2 to 262144; 1024 is the kernel's default. */
  readonly cpuShares?: number;
  /** Microseconds of processor time in each period. */
  readonly cpuQuota?: { readonly quotaUs: number; readonly periodUs: number };
}

/**
 * What conmon, and the OCI runtime while it makes the container, may use beyond the container's own limits. Without it
 * an app that takes all it may have would be ended before it began, or take conmon along, which tells of its end.
 */
export const monitorRoom = { memoryBytes: 32 * 1024 * 1024, processes: 32 };

/**
 * The limits of a config that runs (`linux.resources` of the OCI runtime specification), and those that are not said in
 * it. Swap that is not granted is none.
 */
export function limitsOf(config: OciConfig, beyond: InstanceLimits = {}): GroupLimits {
  const { resources = {} } = (config as { readonly linux?: { readonly resources?: Resources } }).linux ?? {};
  const { memory = {}, pids = {}, cpu = {} } = resources;
  return {
    ...beyond,
    // In OCI, `swap` counts memory too.
    swapBytes: isLimit(memory.swap) && isLimit(memory.limit) ? Math.max(0, memory.swap - memory.limit) : 0,
    ...(isLimit(memory.limit) ? { memoryBytes: memory.limit } : {}),
    ...(isLimit(pids.limit) ? { processes: pids.limit } : {}),
    ...(isLimit(cpu.shares) ? { cpuShares: cpu.shares } : {}),
    ...(isLimit(cpu.quota) ? { cpuQuota: { quotaUs: cpu.quota, periodUs: cpu.period ?? 100_000 } } : {}),
  };
}

interface Resources {
  readonly memory?: { readonly limit?: number; readonly swap?: number };
  readonly pids?: { readonly limit?: number };
  readonly cpu?: { readonly shares?: number; readonly quota?: number; readonly period?: number };
}

/** 0 and -1 mean none. */
function isLimit(value: number | undefined): value is number {
  return value !== undefined && value > 0;
}

/** A value for a file of a controller. `optional`: of a part of the kernel that a host may lack (swap, BFQ). */
export interface Setting {
  readonly controller: 'memory' | 'pids' | 'cpu' | 'blkio';
  /** Into the container's group instead of the app's: v1 does not bound rates of a group by those above it. */
  readonly part?: 'app';
  readonly file: string;
  readonly value: string;
  readonly optional?: true;
}

/**
 * What to write into an app's group, in this order (cgroup-v1/memory.rst, cgroup-v1/blkio-controller.rst,
 * scheduler/sched-bwc.rst and cgroup-v2.rst of the kernel).
 * @param disks numbers of the host's disks, `8:0`, on each of which rates of block I/O hold
 */
export function groupSettings(version: CgroupLayout['version'], limits: GroupLimits, disks: readonly string[] = []): readonly Setting[] {
  const { memoryBytes, swapBytes, processes, cpuShares, cpuQuota } = limits;
  const memory = memoryBytes === undefined ? undefined : memoryBytes + monitorRoom.memoryBytes;
  const settings: Setting[] = [];
  if (version === 1) {
    if (memory !== undefined) {
      settings.push(
        // Memory may never be more than memory and swap together: first up, then both down.
        { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: '-1', optional: true },
        { controller: 'memory', file: 'memory.limit_in_bytes', value: String(memory) },
        { controller: 'memory', file: 'memory.memsw.limit_in_bytes', value: String(memory + swapBytes), optional: true },
      );
    }
    if (cpuShares !== undefined) settings.push({ controller: 'cpu', file: 'cpu.shares', value: String(cpuShares) });
    if (cpuQuota !== undefined) {
      settings.push(
        { controller: 'cpu', file: 'cpu.cfs_period_us', value: String(cpuQuota.periodUs) },
        { controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(cpuQuota.quotaUs) },
      );
    }
  } else {
    if (memory !== undefined) {
      settings.push({ controller: 'memory', file: 'memory.max', value: String(memory) }, { controller: 'memory', file: 'memory.swap.max', value: String(swapBytes), optional: true });
    }
    if (cpuShares !== undefined) settings.push({ controller: 'cpu', file: 'cpu.weight', value: String(weightOf(cpuShares)) });
    if (cpuQuota !== undefined) settings.push({ controller: 'cpu', file: 'cpu.max', value: `${cpuQuota.quotaUs} ${cpuQuota.periodUs}` });
  }
  if (processes !== undefined) settings.push({ controller: 'pids', file: 'pids.max', value: String(processes + monitorRoom.processes) });
  return [...settings, ...(version === 1 ? blockSettings1(limits, disks) : blockSettings2(limits, disks))];
}

function blockSettings1({ blockIo = {} }: GroupLimits, disks: readonly string[]): readonly Setting[] {
  const { weight, readBytes, writeBytes, readOperations, writeOperations } = blockIo;
  const rates = { read_bps: readBytes, write_bps: writeBytes, read_iops: readOperations, write_iops: writeOperations };
  return [
    // By the scheduler BFQ, which knows the one name or the other.
    ...(weight === undefined ? [] : ['blkio.weight', 'blkio.bfq.weight'].map((file): Setting => ({ controller: 'blkio', file, value: String(weight), optional: true }))),
    ...Object.entries(rates).flatMap(([name, rate]) => (rate === undefined ? [] : disks.map((disk): Setting => (
      { controller: 'blkio', part: 'app', file: `blkio.throttle.${name}_device`, value: `${disk} ${rate}`, optional: true }
    )))),
  ];
}

function blockSettings2({ blockIo = {} }: GroupLimits, disks: readonly string[]): readonly Setting[] {
  const { weight, readBytes, writeBytes, readOperations, writeOperations } = blockIo;
  const rates = Object.entries({ rbps: readBytes, wbps: writeBytes, riops: readOperations, wiops: writeOperations }).flatMap(([name, rate]) => (rate === undefined ? [] : [`${name}=${rate}`]));
  return [
    ...(weight === undefined ? [] : ['io.weight', 'io.bfq.weight'].map((file): Setting => ({ controller: 'blkio', file, value: `default ${weight}`, optional: true }))),
    ...(rates.length === 0 ? [] : disks.map((disk): Setting => ({ controller: 'blkio', file: 'io.max', value: [disk, ...rates].join(' '), optional: true }))),
  ];
}

/** A v2 weight (1 to 10000) from v1 shares (2 to 262144), the ends and, in proportion, what is between them, as the OCI runtimes have it. */
function weightOf(shares: number): number {
  return Math.trunc(1 + ((shares - 2) * 9999) / 262_142);
}

/** Controllers that the groups above an app's must hand down in v2 before it has their files. */
export const handedDown = ['memory', 'pids', 'cpu', 'io'] as const;
