import { isPlainAbsolutePath } from '../image/index.ts';
import { busDirectory, limits, standardMounts, type Mount } from './profile.ts';
import type { Decisions } from './decisions.ts';
import type { Request } from './request.ts';
import type { GrantContext } from './types.ts';

/** Where exports and imports appear in a container. */
const exportsRoot = '/run/exports';
const importsRoot = '/run/imports';

/** Destinations that the profile decides about; a request for one of them is answered by it. */
const decided = new Set([...standardMounts.map((mount) => mount.destination), '/sys/fs/cgroup']);

/** `mounts` of the config that runs: the standard ones, requested tmpfs, then Berth's own directories for the app. */
export function grantMounts(requests: readonly Request[], context: GrantContext, decide: Decisions): readonly Mount[] {
  const requested = requests.flatMap((request, index) => grantMount(request, index, decide) ?? []);
  return [
    ...standardMounts,
    ...requested,
    ...[...context.dataPaths].map(([destination, source]) => bind(source, destination, 'rw')),
    ...[...context.exportPaths].map(([name, source]) => bind(source, `${exportsRoot}/${name}`, 'rw', 'noexec')),
    ...[...context.importPaths].map(([name, source]) => bind(source, `${importsRoot}/${name}`, 'ro', 'noexec')),
    // The last one, so that nothing of the app's hides it.
    ...(context.busPath === undefined ? [] : [bind(context.busPath, busDirectory, 'ro', 'noexec')]),
  ];
}

function bind(source: string, destination: string, ...options: string[]): Mount {
  return { destination, type: 'bind', source, options: ['bind', 'nosuid', 'nodev', ...options] };
}

function grantMount(request: Request, index: number, decide: Decisions): Mount | undefined {
  const destination = request.string('destination') ?? '';
  const type = request.string('type') ?? '';
  const options = request.strings('options') ?? [];
  const refuse = (why: string): undefined => {
    decide.refused(request.path, request.all, why);
  };
  if (decided.has(destination) && type !== 'bind') return undefined;
  if (type !== 'tmpfs') return refuse(`a mount of type "${type}" at ${destination}: only tmpfs is granted`);
  if (!isPlainAbsolutePath(destination)) {
    return refuse(`"${destination}" is not a plain absolute path below /`);
  }
  if (['/proc', '/sys', '/dev'].some((top) => destination.startsWith(`${top}/`))) return refuse('no mounts below /proc, /sys and /dev');
  if (index >= limits.mounts.most) return refuse(`only the first ${limits.mounts.most} mounts are looked at`);
  const mode = options.find((option) => /^mode=[01]?[0-7]{3}$/.test(option)) ?? 'mode=755';
  const bytes = tmpfsBytes(options);
  // Zero would be no limit at all.
  if (bytes === undefined || bytes === 0 || bytes > limits.tmpfsBytes.most) return refuse(`its size is not one of 1 to ${limits.tmpfsBytes.most} bytes`);
  return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', mode, `size=${bytes}`] };
}

/** The option `size=` of tmpfs(5), in bytes; undefined if it is not a number with k, m or g. */
function tmpfsBytes(options: readonly string[]): number | undefined {
  const option = options.find((candidate) => candidate.startsWith('size='));
  if (option === undefined) return limits.tmpfsBytes.default;
  const match = /^size=(\d+)([kmg]?)$/i.exec(option);
  return match === null ? undefined : Number(match[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf(match[2]!.toLowerCase());
}
