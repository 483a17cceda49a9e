import { BerthError } from '../lib/errors.ts';
import { networkModes, parseDestination, parsePublishedPort, type Destination, type NetworkMode, type PublishedPort } from '../lib/network.ts';
import { parseDuration, parseRate, parseSize } from '../lib/units.ts';

/**
 * What an image says about its launch that OCI has no field for, as annotations of its `config.json` under
 * `org.berth.`. This table is the one place: it parses them, holds the defaults and makes the table in
 * `docs/package.md`.
 */
export const annotationPrefix = 'org.berth.';

export type RestartPolicy = 'never' | 'on-failure' | 'always';

export interface HealthCheck {
  /** Run in the container with the app's own user and environment; exit status 0 is healthy. */
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in a row until the app counts as unhealthy. */
  readonly retries: number;
  /** Failures in this time after the start do not count. */
  readonly startPeriodMs: number;
}

/** How an app asks to be on a network. */
export interface NetworkRequest {
  readonly mode: NetworkMode;
  readonly ports: readonly PublishedPort[];
  /** Where it wants to connect to; empty: wherever the policy lets it. */
  readonly outbound: readonly Destination[];
  /** Bits a second in each direction, as the app sees them. */
  readonly bandwidth: { readonly in?: number; readonly out?: number };
}

/** A volume that an app lets others use. */
export interface SharedVolume {
  readonly name: string;
  /** The one app that may; any that names the owner in `Depends` if undefined. */
  readonly app?: string;
}

/** A volume of another app that an app wants to use. */
export interface VolumeUse {
  readonly owner: string;
  readonly name: string;
  /** Absolute, in the container. */
  readonly path: string;
  readonly access: 'read' | 'write';
}

export interface LaunchSettings {
  readonly restart: RestartPolicy;
  /** Wait before the second restart in a row, doubled for each further one; the first is at once. */
  readonly restartDelayMs: number;
  readonly restartDelayMaxMs: number;
  /** After this long running (and healthy) the waits begin anew. */
  readonly restartResetMs: number;
  /** Restarts within `restartWindowMs` until the app counts as failed. */
  readonly restartLimit: number;
  readonly restartWindowMs: number;
  readonly stopSignal: string;
  readonly stopTimeoutMs: number;
  readonly health?: HealthCheck;
  /** Apps that are started before this one when they are installed; order only. */
  readonly startAfter: readonly string[];
  /** Directories in the container whose contents outlive the instance and the version. */
  readonly data: readonly string[];
  /** Names of small directories that this app offers to apps which depend on it, at `/run/exports/<name>`. */
  readonly exports: readonly string[];
  /** `<app>/<name>` of other apps' exports, seen read-only at `/run/imports/<app>/<name>`. */
  readonly imports: readonly string[];
  /** How long it must stay up in a trial; absent: the operator's default. */
  readonly trialUptimeMs?: number;
  /** Time from the switch until an update of it that was not committed is rolled back; absent: the operator's default. */
  readonly trialDeadlineMs?: number;
  /** A trial passes only if the app itself confirms it on its update bus. */
  readonly trialConfirm: boolean;
  /** How long the app may put an update off, in all; 0: it may not. */
  readonly deferMs: number;
  /** The app must say on its update bus at least this often that it lives; 0: it need not. */
  readonly watchdogMs: number;
  /** Command that makes the data of an earlier version its own, before its first start; empty: none. */
  readonly migrate: readonly string[];
  readonly migrateTimeoutMs: number;
  readonly network: NetworkRequest;
  /** Bytes of data that it needs at most; absent: as much as it may have. */
  readonly dataBytes?: number;
  readonly sharedVolumes: readonly SharedVolume[];
  readonly volumes: readonly VolumeUse[];
  /** Names on the system bus that it calls, and that it wants to be; `org.example.*` for those below. */
  readonly busTalk: readonly string[];
  readonly busOwn: readonly string[];
}

interface Annotation<T> {
  /** Without the prefix. */
  readonly name: string;
  readonly meaning: string;
  readonly fallback: string;
  readonly example: string;
  readonly parse: (text: string, field: string) => T;
}

/** The path is the name of a directory on the host, with other separators. */
const maxDataPath = 255;
const minRate = 8000;
const maxRate = 100_000_000_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const signalNames = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGKILL'] as const;

function annotation<T>(name: string, fallback: string, example: string, meaning: string, parse: Annotation<T>['parse']): Annotation<T> {
  return { name, fallback, example, meaning, parse };
}

/** Every annotation that Berth knows, in the order of the document. */
export const annotations = {
  restart: annotation('restart', 'on-failure', 'always', 'when to start again after the app ended by itself: `never`, `on-failure` or `always`', oneOf<RestartPolicy>(['never', 'on-failure', 'always'])),
  restartDelay: annotation('restart-delay', '1s', '500ms', 'wait before the second restart in a row (the first is at once); doubles for each further one', duration(10)),
  restartDelayMax: annotation('restart-delay-max', '5m', '1m', 'longest wait between two restarts', duration(1000)),
  restartReset: annotation('restart-reset', '1m', '10s', 'running this long makes the waits begin anew', duration(1000)),
  restartLimit: annotation('restart-limit', '10', '5', 'restarts within the window until the app counts as failed and stays down', count(1, 1000)),
  restartWindow: annotation('restart-window', '10m', '1h', 'the window of `restart-limit`', duration(1000)),
  stopSignal: annotation('stop-signal', 'SIGTERM', 'SIGINT', `signal that asks the app to end: ${signalNames.join(', ')}`, oneOf<string>(signalNames)),
  stopTimeout: annotation('stop-timeout', '10s', '30s', 'time from the stop signal to SIGKILL', duration(0, hourMs)),
  healthCommand: annotation('health.command', '', '["/bin/check","--fast"]', 'command and arguments as a JSON array, run in the container; exit 0 is healthy', commandLine),
  healthInterval: annotation('health.interval', '30s', '5s', 'time between two checks', duration(100)),
  healthTimeout: annotation('health.timeout', '10s', '2s', 'a check that takes longer has failed', duration(100, hourMs)),
  healthRetries: annotation('health.retries', '3', '2', 'failures in a row until the app is unhealthy and restarted', count(1, 100)),
  healthStartPeriod: annotation('health.start-period', '0s', '20s', 'failures this soon after the start do not count', duration(0)),
  startAfter: annotation('start-after', '', 'broker,database', 'apps to be started before this one if they are installed (besides those in `Depends`)', list(appName, 64)),
  data: annotation('data', '', '/data,/var/lib/app', 'directories whose contents outlive instance and version', dataPaths),
  exports: annotation('exports', '', 'mqtt', 'names of directories offered to apps that depend on this one, at `/run/exports/<name>` (for sockets)', list(exportName, 16)),
  imports: annotation('imports', '', 'broker/mqtt', '`<app>/<name>` of directories that other apps export, read-only at `/run/imports/<app>/<name>`; the app must be in `Depends`', list(importName, 64)),
  trialUptime: annotation('trial.uptime', '', '30s', 'a new version must stay up this long in its trial; the device has a default', optional(duration(0, hourMs))),
  trialDeadline: annotation('trial.deadline', '', '10m', 'time for its trial, then the update is rolled back; the device has a default', optional(duration(1000, 7 * dayMs))),
  trialConfirm: annotation('trial.confirm', 'no', 'app', '`app`: the trial passes only when the app calls `Confirm` on its update bus; `no`: it need not', oneOf(['no', 'app'])),
  defer: annotation('defer', '', '1h', 'how long in all the app may put an update off, over its update bus; without, it may not', optional(duration(0))),
  watchdog: annotation('watchdog', '', '30s', 'the app calls `Watchdog` on its update bus at least this often, else it is restarted; without, it need not', optional(duration(1000, hourMs))),
  migrateCommand: annotation('migrate.command', '', '["/bin/migrate"]', 'command and arguments as a JSON array, run in a container of a new version before its first start, so that it can make the data its own; unless it exits with 0 the update is undone', commandLine),
  migrateTimeout: annotation('migrate.timeout', '5m', '30m', 'a migration that takes longer is killed and has failed', duration(1000, dayMs)),
  network: annotation('network', 'none', 'bridge', 'how the app is on a network ([networks](networks.md)): `none`, `bridge` or `host`; all but `none` must be granted', oneOf(networkModes)),
  networkPorts: annotation('network.ports', '', '8080:80/tcp,5353:53/udp', 'ports of the device behind which ports of the app are reached: `HOST:APP/PROTOCOL`; with `bridge`', list(parsePublishedPort, 64)),
  networkOutbound: annotation('network.outbound', '', '192.0.2.0/24:443/tcp,[2001:db8::]/32', 'where the app connects to; without, wherever the policy lets it; with `bridge`', list(parseDestination, 64)),
  networkBandwidthIn: annotation('network.bandwidth.in', '', '10Mbit', 'bits a second that the app needs at most to receive; with `bridge`', optional(rate)),
  networkBandwidthOut: annotation('network.bandwidth.out', '', '500kbit', 'bits a second that the app needs at most to send; with `bridge`', optional(rate)),
  dataSize: annotation('data.size', '', '64MiB', 'the most that all its data takes ([storage](storage.md)); without, as much as the policy lets it', optional(dataSize)),
  volumesShare: annotation('volumes.share', '', 'photos,maps:viewer', 'directories that it shares ([storage](storage.md#shared-volumes)), at `/run/volumes/<name>`: `<name>`, or `<name>:<app>` for that app only', list(sharedVolume, 16)),
  volumesUse: annotation('volumes.use', '', 'camera/photos:/photos:ro', 'shared directories of other apps, `<app>/<name>:<path>`, with `:ro` for reading only; the app must be in `Depends`', volumeUses),
  busTalk: annotation('bus.talk', '', 'org.example.Clock', 'names on the system bus that it calls and hears ([bus names](bus-names.md)), `org.example.*` for all below; they must be granted', list(busName, 64)),
  busOwn: annotation('bus.own', '', 'org.example.Meter', 'names on the system bus that it takes; they must be granted', list(busName, 16)),
} as const;

/**
 * Launch settings from the annotations of a `config.json` (OCI runtime spec, `annotations`). Annotations of others are
 * left alone.
 * @throws BerthError `bad_package` naming the annotation when a value is wrong or a name under the prefix unknown.
 */
export function parseSettings(given: Readonly<Record<string, string>>): LaunchSettings {
  const known = new Set<string>(Object.values(annotations).map((entry) => annotationPrefix + entry.name));
  for (const name of Object.keys(given)) {
    if (name.startsWith(annotationPrefix) && !known.has(name)) {
      throw new BerthError('bad_package', `config.json: annotations["${name}"]: unknown annotation; docs/package.md lists those that Berth knows`);
    }
  }
  const read = <T>(entry: Annotation<T>): T => {
    const name = annotationPrefix + entry.name;
    const field = `config.json: annotations["${name}"]`;
    try {
      return entry.parse(given[name] ?? entry.fallback, field);
    } catch (error) {
      throw new BerthError('bad_package', (error as Error).message, { cause: error });
    }
  };
  const command = read(annotations.healthCommand);
  const trialUptimeMs = read(annotations.trialUptime);
  const trialDeadlineMs = read(annotations.trialDeadline);
  const dataBytes = read(annotations.dataSize);
  const settings: LaunchSettings = {
    restart: read(annotations.restart),
    restartDelayMs: read(annotations.restartDelay),
    restartDelayMaxMs: read(annotations.restartDelayMax),
    restartResetMs: read(annotations.restartReset),
    restartLimit: read(annotations.restartLimit),
    restartWindowMs: read(annotations.restartWindow),
    stopSignal: read(annotations.stopSignal),
    stopTimeoutMs: read(annotations.stopTimeout),
    startAfter: read(annotations.startAfter),
    data: read(annotations.data),
    exports: read(annotations.exports),
    imports: read(annotations.imports),
    ...(trialUptimeMs === undefined ? {} : { trialUptimeMs }),
    ...(trialDeadlineMs === undefined ? {} : { trialDeadlineMs }),
    trialConfirm: read(annotations.trialConfirm) === 'app',
    deferMs: read(annotations.defer) ?? 0,
    watchdogMs: read(annotations.watchdog) ?? 0,
    migrate: read(annotations.migrateCommand),
    migrateTimeoutMs: read(annotations.migrateTimeout),
    network: readNetwork(read),
    ...(dataBytes === undefined ? {} : { dataBytes }),
    sharedVolumes: read(annotations.volumesShare),
    volumes: read(annotations.volumesUse),
    busTalk: read(annotations.busTalk),
    busOwn: read(annotations.busOwn),
  };
  if (command.length === 0) return settings;
  const health: HealthCheck = {
    command,
    intervalMs: read(annotations.healthInterval),
    timeoutMs: read(annotations.healthTimeout),
    retries: read(annotations.healthRetries),
    startPeriodMs: read(annotations.healthStartPeriod),
  };
  return { ...settings, health };
}

function readNetwork(read: <T>(entry: Annotation<T>) => T): NetworkRequest {
  const bits = { in: read(annotations.networkBandwidthIn), out: read(annotations.networkBandwidthOut) };
  return {
    mode: read(annotations.network),
    ports: read(annotations.networkPorts),
    outbound: read(annotations.networkOutbound).flat(),
    bandwidth: { ...(bits.in === undefined ? {} : { in: bits.in }), ...(bits.out === undefined ? {} : { out: bits.out }) },
  };
}

function oneOf<T extends string>(values: readonly T[]): (text: string, field: string) => T {
  return (text, field) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new BerthError('usage', `${field}: "${text}" is not one of ${values.join(', ')}`);
    return found;
  };
}

function count(min: number, max: number): (text: string, field: string) => number {
  return (text, field) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new BerthError('usage', `${field}: "${text}" is not a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

/** The bounds keep an app from having the daemon at work all the time, or a timer from running over. */
function duration(minMs: number, maxMs = 20 * dayMs): (text: string, field: string) => number {
  return (text, field) => {
    const value = parseDuration(text, field);
    if (value < minMs || value > maxMs) throw new BerthError('usage', `${field}: ${text} is not from ${minMs} ms to ${maxMs / hourMs} h`);
    return value;
  };
}

/** The kernel's queues hold less than a packet's worth of time at lower rates, and count in 32 bits. */
function rate(text: string, field: string): number {
  const value = parseRate(text, field);
  if (value < minRate || value > maxRate) throw new BerthError('usage', `${field}: ${text} is not from 8kbit to 100Gbit`);
  return value;
}

/** An empty text says nothing. */
function optional<T>(parse: Annotation<T>['parse']): Annotation<T | undefined>['parse'] {
  return (text, field) => (text === '' ? undefined : parse(text, field));
}

/** Each item costs the host a mount, or the daemon work. */
function list<T>(item: (text: string, field: string) => T, max: number): (text: string, field: string) => readonly T[] {
  return (text, field) => {
    const parts = text.split(',').map((part) => part.trim()).filter((part) => part !== '');
    if (parts.length > max) throw new BerthError('usage', `${field}: ${parts.length} items; at most ${max} are taken`);
    return parts.map((part) => item(part, field));
  };
}

function commandLine(text: string, field: string): readonly string[] {
  if (text === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BerthError('usage', `${field}: not a JSON array of strings`, { cause: error });
  }
  if (!Array.isArray(value) || value.length === 0 || !value.every((part) => typeof part === 'string' && !part.includes('\0'))) {
    throw new BerthError('usage', `${field}: not a JSON array of at least one string (without zero bytes)`);
  }
  return value;
}

function pattern(expression: RegExp, expected: string): (text: string, field: string) => string {
  return (text, field) => {
    if (!expression.test(text)) throw new BerthError('usage', `${field}: "${text}" is not ${expected}`);
    return text;
  };
}

function appName(text: string, field: string): string {
  return pattern(/^[a-z0-9][a-z0-9.+-]*$/, 'the name of an app')(text, field);
}

function exportName(text: string, field: string): string {
  return pattern(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a name of small letters, digits and hyphens')(text, field);
}

function importName(text: string, field: string): string {
  return pattern(/^[a-z0-9][a-z0-9.+-]*\/[a-z0-9][a-z0-9-]{0,31}$/, 'of the form <app>/<name>')(text, field);
}

/** Less could not even hold its directories. */
const minDataBytes = 4096;

function dataSize(text: string, field: string): number {
  const bytes = parseSize(text, field);
  if (bytes < minDataBytes || !Number.isSafeInteger(bytes)) throw new BerthError('usage', `${field}: ${text} is less than ${minDataBytes} bytes, or more than can be counted`);
  return bytes;
}

function sharedVolume(text: string, field: string): SharedVolume {
  const [name = '', app, ...more] = text.split(':');
  if (more.length > 0) throw new BerthError('usage', `${field}: "${text}" is not of the form <name> or <name>:<app>`);
  return { name: exportName(name, field), ...(app === undefined ? {} : { app: appName(app, field) }) };
}

function volumeUses(text: string, field: string): readonly VolumeUse[] {
  const uses = list(volumeUse, 32)(text, field);
  const twice = uses.find(({ path }, index) => uses.findIndex((other) => other.path === path) < index);
  if (twice !== undefined) throw new BerthError('usage', `${field}: two volumes at ${twice.path}`);
  return uses;
}

function volumeUse(text: string, field: string): VolumeUse {
  const [volume = '', path = '', mode, ...more] = text.split(':');
  if (more.length > 0 || (mode !== undefined && mode !== 'ro')) throw new BerthError('usage', `${field}: "${text}" is not of the form <app>/<name>:<path> or <app>/<name>:<path>:ro`);
  const [owner = '', name = ''] = importName(volume, field).split('/');
  return { owner, name, path: dataPath(path, field), access: mode === 'ro' ? 'read' : 'write' };
}

/** A well-known name (D-Bus specification, "Valid Names"). */
function busName(text: string, field: string): string {
  return pattern(/^(?=.{3,255}$)[A-Za-z_-][\w-]*(\.[A-Za-z_-][\w-]*)+(\.\*)?$/, 'a name on a bus, such as org.example.Clock or org.example.*')(text, field);
}

/** A data directory is one directory on the host, so none lies in another. */
function dataPaths(text: string, field: string): readonly string[] {
  const paths = list(dataPath, 32)(text, field);
  for (const path of paths) {
    const inner = paths.find((other) => other.startsWith(`${path}/`));
    if (inner !== undefined) throw new BerthError('usage', `${field}: ${inner} lies in ${path}, which is kept as a whole; leave it out`);
  }
  return paths;
}

function dataPath(text: string, field: string): string {
  const path = absolutePath(text, field);
  if (path.length > maxDataPath) throw new BerthError('usage', `${field}: "${path.slice(0, 40)}…" is longer than ${maxDataPath} characters`);
  if (/^\/(proc|sys|dev)(\/|$)/.test(path)) throw new BerthError('usage', `${field}: "${path}" lies where the kernel's own file systems are`);
  return path;
}

function absolutePath(text: string, field: string): string {
  const normal = pattern(/^(\/[A-Za-z0-9._+@-]+)+$/, 'an absolute path of plain characters')(text, field);
  if (normal.split('/').some((part) => part === '..' || part === '.')) {
    throw new BerthError('usage', `${field}: "${text}" must not hold . or ..`);
  }
  return normal;
}
