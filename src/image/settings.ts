import { BerthError } from '../lib/errors.ts';
import { parseDuration } from '../lib/units.ts';

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
}

interface Annotation<T> {
  /** Without the prefix. */
  readonly name: string;
  readonly meaning: string;
  readonly fallback: string;
  readonly example: string;
  readonly parse: (text: string, field: string) => T;
}

const signalNames = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGKILL'] as const;

function annotation<T>(name: string, fallback: string, example: string, meaning: string, parse: Annotation<T>['parse']): Annotation<T> {
  return { name, fallback, example, meaning, parse };
}

/** Every annotation that Berth knows, in the order of the document. */
export const annotations = {
  restart: annotation('restart', 'on-failure', 'always', 'when to start again after the app ended by itself: `never`, `on-failure` or `always`', oneOf<RestartPolicy>(['never', 'on-failure', 'always'])),
  restartDelay: annotation('restart-delay', '1s', '500ms', 'wait before the second restart in a row (the first is at once); doubles for each further one', parseDuration),
  restartDelayMax: annotation('restart-delay-max', '5m', '1m', 'longest wait between two restarts', parseDuration),
  restartReset: annotation('restart-reset', '1m', '10s', 'running this long makes the waits begin anew', parseDuration),
  restartLimit: annotation('restart-limit', '10', '5', 'restarts within the window until the app counts as failed and stays down', count(1, 1000)),
  restartWindow: annotation('restart-window', '10m', '1h', 'the window of `restart-limit`', parseDuration),
  stopSignal: annotation('stop-signal', 'SIGTERM', 'SIGINT', `signal that asks the app to end: ${signalNames.join(', ')}`, oneOf<string>(signalNames)),
  stopTimeout: annotation('stop-timeout', '10s', '30s', 'time from the stop signal to SIGKILL', parseDuration),
  healthCommand: annotation('health.command', '', '["/bin/check","--fast"]', 'command and arguments as a JSON array, run in the container; exit 0 is healthy', commandLine),
  healthInterval: annotation('health.interval', '30s', '5s', 'time between two checks', parseDuration),
  healthTimeout: annotation('health.timeout', '10s', '2s', 'a check that takes longer has failed', parseDuration),
  healthRetries: annotation('health.retries', '3', '2', 'failures in a row until the app is unhealthy and restarted', count(1, 100)),
  healthStartPeriod: annotation('health.start-period', '0s', '20s', 'failures this soon after the start do not count', parseDuration),
  startAfter: annotation('start-after', '', 'broker,database', 'apps to be started before this one if they are installed (besides those in `Depends`)', list(appName)),
  data: annotation('data', '', '/data,/var/lib/app', 'directories whose contents outlive instance and version', list(absolutePath)),
  exports: annotation('exports', '', 'mqtt', 'names of directories offered to apps that depend on this one, at `/run/exports/<name>` (for sockets)', list(exportName)),
  imports: annotation('imports', '', 'broker/mqtt', '`<app>/<name>` of directories that other apps export, read-only at `/run/imports/<app>/<name>`; the app must be in `Depends`', list(importName)),
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

function list<T>(item: (text: string, field: string) => T): (text: string, field: string) => readonly T[] {
  return (text, field) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => item(part, field));
}

function commandLine(text: string, field: string): readonly string[] {
  if (text === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BerthError('usage', `${field}: not a JSON array of strings`, { cause: error });
  }
  if (!Array.isArray(value) || value.length === 0 || !value.every((part) => typeof part === 'string')) {
    throw new BerthError('usage', `${field}: not a JSON array of at least one string`);
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

function absolutePath(text: string, field: string): string {
  const normal = pattern(/^(\/[A-Za-z0-9._+@-]+)+$/, 'an absolute path of plain characters')(text, field);
  if (normal.split('/').some((part) => part === '..' || part === '.')) {
    throw new BerthError('usage', `${field}: "${text}" must not hold . or ..`);
  }
  return normal;
}
