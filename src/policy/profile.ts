/**
 * The fixed profile: what every app gets, whatever it asks for. Grants beyond it come by name from the operator's
 * policy. Field names are those of the OCI runtime specification 1.0.
 */

/** All namespaces, each the container's own. */
export const namespaces = ['pid', 'mount', 'ipc', 'uts', 'network', 'cgroup', 'user'] as const;

/** The capabilities that an app may ask for; what a daemon needs to drop its privileges and to own its own files. */
export const allowedCapabilities: ReadonlySet<string> = new Set([
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETGID',
  'CAP_SETUID',
]);

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

/** Mounts of every app. `/tmp` and `/run` are private, bounded and empty at each start. */
export const standardMounts: readonly Mount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=64k'] },
  { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'] },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=16m'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', 'size=64m'] },
  { destination: '/run', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'mode=755', 'size=16m'] },
];

/** Where an app finds its update bus: the directory that holds the socket, and the variable that holds its address. */
export const busDirectory = '/run/berth';
export const busVariable = `BERTH_BUS_ADDRESS=unix:path=${busDirectory}/bus`;

const MiB = 1024 * 1024;

/** Limits of an app that asks for none, and the most it may ask for. */
export const limits = {
  memoryBytes: { default: 256 * MiB, least: 4 * MiB },
  pids: { default: 256, most: 4096 },
  cpuShares: { default: 1024, least: 2, most: 1024 },
  mounts: { most: 64 },
  /** Bandwidth of processor time, microseconds: what the kernel takes (sched-bwc.rst). */
  cpuQuota: { least: 1000 },
  cpuPeriod: { least: 1000, most: 1_000_000 },
  /** Size of a tmpfs that an app asks for. */
  tmpfsBytes: { default: 16 * MiB, most: 64 * MiB },
} as const;

/** Most an app may set of each resource limit of a process (getrlimit(2)); others are withheld. */
export const rlimitCeilings: ReadonlyMap<string, number> = new Map([
  ['RLIMIT_CORE', 0],
  ['RLIMIT_CPU', Number.MAX_SAFE_INTEGER],
  ['RLIMIT_FSIZE', Number.MAX_SAFE_INTEGER],
  ['RLIMIT_NOFILE', 65_536],
  ['RLIMIT_NPROC', 4096],
  ['RLIMIT_STACK', 64 * MiB],
]);
