import { constants } from 'node:os';
import { BerthError } from '../lib/errors.ts';
import { hostnameOf, type Launch } from './bundle-config.ts';
import type { ImageConfig } from './image-config.ts';
import type { User } from './image-user.ts';
import type { Notes } from './notes.ts';
import { annotations } from './settings.ts';

/** Of the capabilities that Docker gives to every container, those that an app of Berth's may ask for. */
const rootCapabilities = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_SETGID', 'CAP_SETUID'];

export interface LaunchOptions {
  readonly name: string;
  readonly user: User;
  /** True: the image's volumes become data directories. */
  readonly volumesAsData: boolean;
  readonly notes: Notes;
}

/**
 * What an image says of its launch (OCI image specification, "Conversion to OCI Runtime Configuration"), in Berth's words.
 * @throws BerthError `bad_package` if the image names no program.
 */
export function launchOfImage({ config }: ImageConfig, { name, user, volumesAsData, notes }: LaunchOptions): Launch {
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (args.length === 0) throw new BerthError('bad_package', 'the image has neither Entrypoint nor Cmd, so there is nothing to run');
  const volumes = Object.keys(config.Volumes ?? {}).map((path) => path.replace(/\/+$/, ''));
  if (!volumesAsData) for (const path of volumes) notes.add('volumes of the image are read-only; import with --volumes-as-data to keep their contents as data', path);
  for (const port of Object.keys(config.ExposedPorts ?? {})) notes.add('ports that the image exposes are reached only if the operator grants network', port);
  return {
    args,
    env: config.Env ?? [],
    cwd: config.WorkingDir === undefined || config.WorkingDir === null || config.WorkingDir === '' ? '/' : config.WorkingDir,
    user,
    hostname: hostnameOf(name),
    capabilities: user.uid === 0 ? rootCapabilities : [],
    limits: {},
    tmpfs: {},
    settings: {
      stopSignal: stopSignal(config.StopSignal, notes),
      ...healthSettings(config),
      data: volumesAsData && volumes.length > 0 ? volumes.join(',') : undefined,
    },
  };
}

/** `SIGTERM`, `TERM` or `15`. */
function stopSignal(text: string | null | undefined, notes: Notes): string | undefined {
  if (text === undefined || text === null || text === '') return undefined;
  const byNumber = Object.entries(constants.signals).find(([, number]) => String(number) === text)?.[0];
  const name = byNumber ?? (text.startsWith('SIG') ? text : `SIG${text}`);
  try {
    return annotations.stopSignal.parse(name, 'StopSignal');
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    notes.add('a stop signal that Berth does not send was replaced by SIGTERM', text);
    return undefined;
  }
}

function healthSettings({ Healthcheck: check, Shell: shell }: ImageConfig['config']): Launch['settings'] {
  const [kind, ...rest] = check?.Test ?? [];
  if (check === undefined || check === null || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return {};
  const command = kind === 'CMD' ? rest : [...(shell ?? ['/bin/sh', '-c']), ...rest];
  return {
    healthCommand: JSON.stringify(command),
    healthInterval: duration(check.Interval),
    // Docker's own default is longer than Berth's.
    healthTimeout: duration(check.Timeout) ?? '30s',
    healthRetries: check.Retries === undefined || check.Retries === null || check.Retries === 0 ? undefined : String(check.Retries),
    healthStartPeriod: duration(check.StartPeriod),
  };
}

/** From nanoseconds; zero means the default. */
function duration(nanoseconds: number | null | undefined): string | undefined {
  return nanoseconds === undefined || nanoseconds === null || nanoseconds === 0 ? undefined : `${Math.ceil(nanoseconds / 1e6)}ms`;
}
