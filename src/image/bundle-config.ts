import { annotationPrefix, annotations } from './settings.ts';
import type { Recipe } from './recipe-schema.ts';

/** What a bundle is launched with; the rest of its `config.json` is the same for all. */
export interface Launch {
  readonly args: readonly string[];
  /** `NAME=value` each. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids?: readonly number[] };
  readonly hostname: string;
  readonly capabilities: readonly string[];
  /** Bounds that the app asks for: bytes, processes, processors. */
  readonly limits: { readonly memory?: number | undefined; readonly pids?: number | undefined; readonly cpus?: number | undefined };
  /** Size in bytes of each tmpfs, by its path. */
  readonly tmpfs: Readonly<Record<string, number>>;
  /** Values of annotations by their key in the table `annotations`; those that are undefined keep their default. */
  readonly settings: Partial<Readonly<Record<keyof typeof annotations, string | undefined>>>;
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Microseconds; the period that runc and Docker use. */
const cpuPeriodUs = 100_000;

const standardMounts = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
  { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'] },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=16m'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
] as const;

/** `config.json` for a launch, as the text of the file (OCI runtime specification 1.0.2). */
export function bundleConfig(launch: Launch): string {
  const { args, cwd, hostname, limits } = launch;
  const env = launch.env.some((entry) => entry.startsWith('PATH=')) ? launch.env : [defaultPath, ...launch.env];
  const capabilities = launch.capabilities;
  const config = {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: launch.user,
      args,
      env,
      cwd,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname,
    mounts: [...standardMounts, ...Object.entries(launch.tmpfs).map(([path, size]) => tmpfs(path, size))],
    linux: {
      namespaces: ['pid', 'mount', 'ipc', 'uts', 'network', 'cgroup'].map((type) => ({ type })),
      resources: {
        ...(limits.memory === undefined ? {} : { memory: { limit: limits.memory } }),
        ...(limits.pids === undefined ? {} : { pids: { limit: limits.pids } }),
        ...(limits.cpus === undefined ? {} : { cpu: { quota: Math.round(limits.cpus * cpuPeriodUs), period: cpuPeriodUs } }),
      },
    },
    annotations: annotationsOf(launch),
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function tmpfs(destination: string, size: number): object {
  return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'mode=1777', `size=${size}`] };
}

/** The annotations of a launch by their full names, in the order of the table. */
function annotationsOf(launch: Launch): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [key, { name }] of Object.entries(annotations)) {
    const value = launch.settings[key as keyof typeof annotations];
    if (value !== undefined) found[annotationPrefix + name] = value;
  }
  return found;
}

/** What the `run` part of a recipe says. */
export function launchOf({ name, run }: Recipe): Launch {
  const list = (items: readonly string[] | undefined): string | undefined => (items === undefined || items.length === 0 ? undefined : items.join(','));
  return {
    args: run.command,
    env: Object.entries(run.env).map(([name, value]) => `${name}=${value}`),
    cwd: run.cwd,
    user: run.user,
    hostname: run.hostname ?? hostnameOf(name),
    capabilities: run.capabilities,
    limits: run.limits,
    tmpfs: run.tmpfs,
    settings: {
      restart: run.restart,
      restartDelay: run['restart-delay'],
      restartDelayMax: run['restart-delay-max'],
      restartReset: run['restart-reset'],
      restartLimit: run['restart-limit'],
      restartWindow: run['restart-window'],
      stopSignal: run.stop?.signal,
      stopTimeout: run.stop?.timeout,
      healthCommand: run.health === undefined ? undefined : JSON.stringify(run.health.command),
      healthInterval: run.health?.interval,
      healthTimeout: run.health?.timeout,
      healthRetries: run.health?.retries,
      healthStartPeriod: run.health?.['start-period'],
      startAfter: list(run['start-after']),
      data: list(run.data),
      exports: list(run.exports),
      imports: list(run.imports),
      trialUptime: run.trial?.uptime,
      trialDeadline: run.trial?.deadline,
      trialConfirm: run.trial?.confirm,
      defer: run.defer,
      watchdog: run.watchdog,
      migrateCommand: run.migrate === undefined ? undefined : JSON.stringify(run.migrate.command),
      migrateTimeout: run.migrate?.timeout,
      network: run.network?.mode,
      networkPorts: list(run.network?.ports),
      networkOutbound: list(run.network?.outbound),
      networkBandwidthIn: run.network?.bandwidth?.in,
      networkBandwidthOut: run.network?.bandwidth?.out,
      dataSize: run.limits.data,
      volumesShare: list(run.volumes?.share),
      volumesUse: list(run.volumes?.use),
      busTalk: list(run.bus?.talk),
      busOwn: list(run.bus?.own),
    },
  };
}

/** A host name (RFC 1123) from a package name. */
export function hostnameOf(name: string): string {
  return name.replaceAll(/[^a-z0-9-]/g, '-').slice(0, 63).replace(/-+$/, '');
}
