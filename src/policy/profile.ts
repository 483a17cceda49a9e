/**
 * What every app gets, whatever it asks for. Grants beyond it come by name from the operator's policy. Field names
 * are those of the OCI runtime specification 1.0.
 */

/** The kernel's interfaces that tell of, or change, the host. */
export const maskedPaths = [
  '/proc/acpi', '/proc/asound', '/proc/config.gz', '/proc/interrupts', '/proc/iomem', '/proc/ioports', '/proc/kallsyms', '/proc/kcore', '/proc/key-users', '/proc/keys',
  '/proc/kmsg', '/proc/kpagecgroup', '/proc/kpagecount', '/proc/kpageflags', '/proc/latency_stats', '/proc/mtrr', '/proc/pagetypeinfo', '/proc/sched_debug', '/proc/scsi',
  '/proc/slabinfo', '/proc/timer_list', '/proc/timer_stats', '/proc/vmallocinfo',
  '/sys/devices/virtual/powercap', '/sys/firmware', '/sys/fs/bpf', '/sys/fs/pstore', '/sys/kernel/debug', '/sys/kernel/security', '/sys/kernel/tracing',
] as const;

export const readonlyPaths = ['/proc/bus', '/proc/driver', '/proc/fs', '/proc/irq', '/proc/pressure', '/proc/sys', '/proc/sysrq-trigger', '/proc/tty'] as const;

export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/**
 * Mounts of every app. `/tmp` and `/run` are private, bounded and empty at each start. The terminals of all apps together
 * are bounded by the kernel (pty(7), `/proc/sys/kernel/pty/max`), so each has its share.
 */
export const standardMounts: readonly Mount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=64k'] },
  { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'max=64'] },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=16m'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', 'size=64m'] },
  { destination: '/run', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'mode=755', 'size=16m'] },
];

/** Where an app finds its update bus: the directory that holds the socket, and the variable that holds its address. */
export const busDirectory = '/run/berth';
export const busVariable = `BERTH_BUS_ADDRESS=unix:path=${busDirectory}/bus`;

/**
 * When the device as a whole runs out of memory, apps are killed before what the device itself runs (proc(5),
 * `oom_score_adj`: 200 counts like a fifth of all memory).
 */
export const appOomScore = 200;

const MiB = 1024 * 1024;

/** Limits of an app that asks for none, and the least that it can have; the most is among its rights. */
export const limits = {
  memoryBytes: { default: 256 * MiB, least: 4 * MiB },
  pids: { default: 256 },
  cpuShares: { default: 1024, least: 2 },
  mounts: { most: 64 },
  /** Bandwidth of processor time, microseconds: what the kernel takes (sched-bwc.rst). */
  cpuQuota: { least: 1000 },
  cpuPeriod: { default: 100_000, least: 1000, most: 1_000_000 },
  /** Weight of block I/O, and what the kernel takes (blkio-controller.rst). */
  blockIoWeight: { default: 500, least: 10, most: 1000 },
  /** Size of a tmpfs of which the app does not say it. */
  tmpfsBytes: { default: 16 * MiB },
} as const;
