import { isBindMount, isPlainAbsolutePath } from '../image/index.ts';
import { stepTo } from '../lib/json-path.ts';
import type { Decisions } from './decisions.ts';
import { grantHostPath, hostPathMount } from './host-paths.ts';
import { busDirectory, limits, standardMounts, type Mount } from './profile.ts';
import type { Request } from './request.ts';
import type { HostPathGrant } from './rights.ts';
import { grantSize, grantTmpfs } from './tmpfs.ts';
import type { GrantContext } from './types.ts';

/** Where exports and imports appear in a container. */
const exportsRoot = '/run/exports';
const importsRoot = '/run/imports';

/** Types of what the profile mounts, by their places; the control groups it leaves out. */
const standardTypes: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ...standardMounts.map(({ destination, type }) => [destination, [type]] as const),
  ['/sys/fs/cgroup', ['cgroup', 'cgroup2']],
]);

/** Standard places whose size an app may say. */
const sized: ReadonlySet<string> = new Set(['/dev/shm', '/tmp', '/run']);
/** Standard places that are read-only. */
const readOnly: ReadonlySet<string> = new Set(['/sys', '/sys/fs/cgroup']);

/** Nothing of an app's is mounted at or below these. */
const kept = /^\/(proc|sys|dev|run\/berth|run\/exports|run\/imports|run\/volumes)(\/|$)/;

/** Options of mount(8) that give nothing that an app is not to have. */
const harmless = /^(nosuid|nodev|noexec|ro|defaults|private|rprivate|async|sync|(no)?atime|(no)?diratime|(no)?relatime|(no)?strictatime|lazytime)$/;
/** Options of the standard file systems (proc(5), tmpfs(5), devpts in the kernel's documentation), which the profile answers. */
const ofStandard = /^(newinstance|ptmxmode=[0-7]{3,4}|mode=[0-7]{3,4}|[ug]id=\d+|size=\d+[kmg%]?|nr_inodes=\d+[kmg]?|hidepid=\w+|subset=pid|nsdelegate|rw)$/i;

export interface MountGrant {
  /** `mounts` of the config that runs: the standard ones, requested tmpfs, paths of the host, then Berth's own directories for the app. */
  readonly mounts: readonly Mount[];
  /** Those of `mounts` that show the host: whoever starts the app looks where they lead. */
  readonly hostPaths: readonly HostPathGrant[];
}

/** Judges `mounts` (OCI runtime specification, "Mounts"). */
export function grantMounts(requests: readonly Request[], context: GrantContext, decide: Decisions): MountGrant {
  const judging: Judging = { context, sizes: new Map(), taken: new Set(), hostPaths: [], decide };
  const requested = requests.flatMap((request, index) => grantMount(request, index, judging) ?? []);
  const mounts = [
    ...standardMounts.map((mount) => resized(mount, judging.sizes.get(mount.destination))),
    ...requested,
    ...judging.hostPaths.map(hostPathMount),
    ...[...context.dataPaths].map(([destination, source]) => bind(source, destination, 'rw')),
    ...[...context.exportPaths].map(([name, source]) => bind(source, `${exportsRoot}/${name}`, 'rw', 'noexec')),
    ...[...context.importPaths].map(([name, source]) => bind(source, `${importsRoot}/${name}`, 'ro', 'noexec')),
    // The last one, so that nothing of the app's hides it.
    ...(context.busPath === undefined ? [] : [bind(context.busPath, busDirectory, 'ro', 'noexec')]),
  ];
  return { mounts, hostPaths: judging.hostPaths };
}

function bind(source: string, destination: string, ...options: string[]): Mount {
  return { destination, type: 'bind', source, options: ['bind', 'nosuid', 'nodev', ...options] };
}

function resized(mount: Mount, bytes: number | undefined): Mount {
  return bytes === undefined ? mount : { ...mount, options: mount.options.map((option) => (option.startsWith('size=') ? `size=${bytes}` : option)) };
}

interface Judging {
  readonly context: GrantContext;
  /** Sizes of standard places that were granted. */
  readonly sizes: Map<string, number>;
  /** Destinations so far. */
  readonly taken: Set<string>;
  readonly hostPaths: HostPathGrant[];
  readonly decide: Decisions;
}

function grantMount(request: Request, index: number, { context, sizes, taken, hostPaths, decide }: Judging): Mount | undefined {
  const { rights } = context.entitlement;
  const destination = request.string('destination') ?? '';
  const type = request.string('type') ?? '';
  const options = request.strings('options') ?? [];
  const refuse = (why: string): undefined => {
    // Told as a whole, not field by field.
    request.ignore(...request.names);
    decide.refused(request.path, request.all, why);
  };
  // What it is made of matters for host paths only.
  request.string('source');
  if (index >= limits.mounts.most) return refuse(`only the first ${limits.mounts.most} mounts are looked at`);
  if (taken.has(destination)) return refuse(`a second mount at ${destination}`);
  taken.add(destination);
  if (isBindMount(type, options)) {
    const hostPath = kept.test(destination) ? refuse(`${destination} is where the mounts of every app are`) : grantHostPath(request, rights, decide);
    if (hostPath !== undefined) hostPaths.push(hostPath);
    return undefined;
  }
  if (!isPlainAbsolutePath(destination)) return refuse(`"${destination}" is not a plain absolute path below /`);
  const standard = standardTypes.get(destination);
  if (standard?.includes(type) === true) {
    judgeOptions(request, options, (option) => ofStandard.test(option) && !(option === 'rw' && readOnly.has(destination)), decide);
    const bytes = sized.has(destination) ? grantSize(request, options, rights, decide) : undefined;
    if (bytes !== undefined) sizes.set(destination, bytes);
    return undefined;
  }
  if (type !== 'tmpfs') return refuse(`a mount of type "${type}" at ${destination}: only tmpfs is granted`);
  if (kept.test(destination)) return refuse(`${destination} is where the mounts of every app are`);
  judgeOptions(request, options, (option) => /^(rw|size=.*|mode=.*)$/.test(option), decide);
  return grantTmpfs(request, destination, options, rights, decide);
}

/** @param isKnown options besides the harmless ones that are answered for this mount */
function judgeOptions(request: Request, options: readonly string[], isKnown: (option: string) => boolean, decide: Decisions): void {
  for (const [index, option] of options.entries()) {
    if (!harmless.test(option) && !isKnown(option)) decide.refused(stepTo(request.at('options'), index), option, `the option "${option}" is not granted for a mount`);
  }
}
