import { isPlainAbsolutePath } from '../image/index.ts';
import type { Decisions } from './decisions.ts';
import { standardMounts, type Mount } from './profile.ts';
import type { Request } from './request.ts';
import type { HostPathGrant, HostPathRight, Rights } from './rights.ts';

/** The kernel's own file systems: never of the host, and never covered in the container. */
const kernelTrees = ['/proc', '/sys', '/dev'] as const;

/**
 * A mount of the host's: granted if its source lies at or below a path that the operator lists, the longest such path
 * deciding about reading and writing. What the app says of options beyond `ro`, `rw` and `exec` does not count.
 *
 * Pure: where links lead is looked at when the app starts.
 */
export function grantHostPath(asked: Request, rights: Pick<Rights, 'hostPaths'>, decide: Decisions): HostPathGrant | undefined {
  const destination = asked.string('destination') ?? '';
  const source = asked.string('source') ?? '';
  const options = asked.strings('options') ?? [];
  const refuse = (why: string): undefined => {
    decide.refused(asked.path, asked.all, why);
  };
  if (!isPlainAbsolutePath(destination)) return refuse(`"${destination}" is not a plain absolute path below /`);
  if (isAny(destination, kernelTrees) || standardMounts.some((mount) => mount.destination === destination)) return refuse(`nothing of the host is mounted at ${destination}`);
  if (source === '/') return refuse('the whole host is never granted');
  if (!isPlainAbsolutePath(source)) return refuse(`its source "${source}" is not a plain absolute path`);
  if (isAny(source, kernelTrees)) return refuse('nothing of /proc, /sys and /dev of the host is ever granted; devices are asked for in linux.devices');
  const right = rightFor(source, rights.hostPaths ?? []);
  if (right === undefined) return refuse(`the policy gives this app no path of the host that holds ${source} (rights: host-paths)`);
  const wantsWrite = !options.includes('ro');
  const access = wantsWrite && right.access === 'write' ? 'write' : 'read';
  const grant: HostPathGrant = { destination, source, within: right.path, access, exec: options.includes('exec') };
  const given = { destination, source, access };
  if (wantsWrite && access === 'read') decide.limited(asked.path, asked.all, `the policy lets this app read ${right.path}, not write it (rights: host-paths, access: write); ask for it with the option "ro"`, given);
  else decide.granted(asked.path, asked.all, given);
  return grant;
}

/**
 * Its mount: never with set-user-ID programs or devices; without what is mounted below it later, which options would not
 * reach.
 */
export function hostPathMount({ destination, source, access, exec }: HostPathGrant): Mount {
  return { destination, type: 'bind', source, options: ['bind', 'private', 'nosuid', 'nodev', ...(exec ? [] : ['noexec']), access === 'read' ? 'ro' : 'rw'] };
}

/** The right about the longest path that holds this one. */
function rightFor(source: string, rights: readonly HostPathRight[]): HostPathRight | undefined {
  return rights.filter(({ path }) => isAt(source, path)).toSorted((a, b) => b.path.length - a.path.length)[0];
}

function isAny(path: string, tops: readonly string[]): boolean {
  return tops.some((top) => isAt(path, top));
}

/** True for a path and what is below it. */
function isAt(path: string, top: string): boolean {
  return path === top || top === '/' || path.startsWith(`${top}/`);
}
