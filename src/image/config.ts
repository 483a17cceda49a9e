import { posix } from 'node:path';
import { BerthError } from '../lib/errors.ts';
import { parseSettings, type LaunchSettings } from './settings.ts';

/**
 * Launch settings from the text of a bundle's `config.json`.
 * @throws BerthError `bad_package` if it is not JSON, or an annotation of Berth's is wrong.
 */
export function settingsOfConfig(text: string): LaunchSettings {
  return parseSettings(annotationsOf(text));
}

/**
 * Where the runtime will mount something of the app's own, besides what every container has: its data paths and the
 * tmpfs it asks for (OCI runtime specification, `mounts`), as absolute paths.
 * @throws BerthError `bad_package` as {@link settingsOfConfig}
 */
export function mountPathsOfConfig(text: string): readonly string[] {
  const { data } = settingsOfConfig(text);
  const { mounts } = JSON.parse(text) as { mounts?: unknown };
  const wanted = Array.isArray(mounts) ? mounts.filter(isTmpfs).map((mount) => mount.destination) : [];
  return [...data, ...wanted.filter((path) => posix.normalize(path) === path && !standard.test(path))];
}

/** At and below these the runtime mounts its own file systems first. */
const standard = /^\/(proc|sys|dev|tmp|run)?(\/|$)/;

function isTmpfs(mount: unknown): mount is { readonly destination: string } {
  const { type, destination } = (mount ?? {}) as { type?: unknown; destination?: unknown };
  return type === 'tmpfs' && typeof destination === 'string' && destination.startsWith('/');
}

function annotationsOf(text: string): Readonly<Record<string, string>> {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new BerthError('bad_package', `config.json: not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (config === null || typeof config !== 'object' || Array.isArray(config)) throw new BerthError('bad_package', 'config.json: not a JSON object');
  const { annotations = {} } = config as { annotations?: unknown };
  if (annotations === null || typeof annotations !== 'object' || Array.isArray(annotations)) throw new BerthError('bad_package', 'config.json: annotations: not a JSON object');
  for (const [name, value] of Object.entries(annotations)) {
    if (typeof value !== 'string') throw new BerthError('bad_package', `config.json: annotations["${name}"]: not text`);
  }
  return annotations as Readonly<Record<string, string>>;
}
