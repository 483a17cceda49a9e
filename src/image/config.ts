import { BerthError } from '../lib/errors.ts';
import { idsPerApp } from '../lib/id-range.ts';
import { parseStrictJson } from '../lib/strict-json.ts';
import { isPlainAbsolutePath } from './entry-path.ts';
import { parseSettings, type LaunchSettings } from './settings.ts';

/**
 * Launch settings from the text of a bundle's `config.json`.
 * @throws BerthError `bad_package` if it is not JSON that means one thing only, or an annotation of Berth's is wrong.
 */
export function settingsOfConfig(text: string): LaunchSettings {
  return parseSettings(annotationsOf(text));
}

/** What the runtime needs of a rootfs besides the directories of every container; absolute paths. */
export interface NeededPaths {
  /** Where the app's data is mounted. */
  readonly data: readonly string[];
  /** Where a tmpfs is mounted that the app asks for (OCI runtime specification, `mounts`). */
  readonly tmpfs: readonly string[];
  /** Where volumes of other apps are mounted. */
  readonly volumes: readonly string[];
  /** Where directories or files of the host are mounted that the app asks for; made as directories where nothing is. */
  readonly host: readonly string[];
  /** `process.cwd`: a runtime makes it where it is missing, and the image is not to change. */
  readonly cwd: string | undefined;
  /** Files in the place of which the app sees files about its network. */
  readonly files: readonly string[];
  /** `process.user`, whose the data is unless the image says otherwise. */
  readonly user: { readonly uid: number; readonly gid: number };
}

/**
 * What a bundle's `config.json` needs of its rootfs. Values of the wrong kind need nothing: `policy/` refuses them.
 * @throws BerthError `bad_package` as {@link settingsOfConfig}
 */
export function neededPaths(text: string): NeededPaths {
  const { data, network, volumes } = settingsOfConfig(text);
  const { mounts, process } = JSON.parse(text) as { mounts?: unknown; process?: { cwd?: unknown; user?: { uid?: unknown; gid?: unknown } | null } | null };
  const given: readonly unknown[] = Array.isArray(mounts) ? mounts : [];
  const { cwd, user } = process ?? {};
  return {
    data,
    tmpfs: given.filter(isTmpfs).map((mount) => mount.destination).filter(isOwn),
    volumes: volumes.map(({ path }) => path).filter(isOwn),
    host: given.filter(isHost).map((mount) => mount.destination).filter(isOwn),
    cwd: typeof cwd === 'string' && isOwn(cwd) ? cwd : undefined,
    files: network.mode === 'none' ? [] : networkFiles,
    user: { uid: idOf(user?.uid), gid: idOf(user?.gid) },
  };
}

/** What the resolver of the C library reads (resolv.conf(5), hosts(5)). */
const networkFiles: readonly string[] = ['/etc/hosts', '/etc/resolv.conf'];

/** At and below these the runtime mounts its own file systems first. */
const standard = /^\/(proc|sys|dev|tmp|run)(\/|$)/;

function isOwn(path: string): boolean {
  return isPlainAbsolutePath(path) && !standard.test(path);
}

function isTmpfs(mount: unknown): mount is { readonly destination: string } {
  const { type, destination } = (mount ?? {}) as { type?: unknown; destination?: unknown };
  return type === 'tmpfs' && typeof destination === 'string';
}

function isHost(mount: unknown): mount is { readonly destination: string } {
  const { type, destination, options } = (mount ?? {}) as { type?: unknown; destination?: unknown; options?: unknown };
  return typeof destination === 'string' && isBindMount(type, Array.isArray(options) ? options : []);
}

/**
 * True if a mount (OCI runtime specification, "Mounts") shows a directory or file of the host: of type `bind`, or of
 * another with an option that mount(8) turns into a bind mount.
 */
export function isBindMount(type: unknown, options: readonly unknown[]): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind');
}

function idOf(value: unknown): number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < idsPerApp ? (value as number) : 0;
}

function annotationsOf(text: string): Readonly<Record<string, string>> {
  const config = parseStrictJson(text, 'config.json');
  if (config === null || typeof config !== 'object' || Array.isArray(config)) throw new BerthError('bad_package', 'config.json: not a JSON object');
  const { annotations = {} } = config as { annotations?: unknown };
  if (annotations === null || typeof annotations !== 'object' || Array.isArray(annotations)) throw new BerthError('bad_package', 'config.json: annotations: not a JSON object');
  for (const [name, value] of Object.entries(annotations)) {
    if (typeof value !== 'string') throw new BerthError('bad_package', `config.json: annotations["${name}"]: not text`);
  }
  return annotations as Readonly<Record<string, string>>;
}
