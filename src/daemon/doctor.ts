import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { examineDevices, type DeviceStatus } from '../devices/index.ts';
import type { BerthError } from '../lib/errors.ts';
import { run } from '../lib/process.ts';
import { formatSize } from '../lib/units.ts';
import { busNamesReadiness, examineNetwork, type NetworkOptions } from '../runtime/index.ts';
import type { IdPool } from '../store/index.ts';
import type { TrustedTime } from '../trust/index.ts';
import { earliestPossible, type AuthorityStatus, type DoctorCheck, type DoctorReport, type TrustRules } from '../update/index.ts';
import { examineUsers } from './host-users.ts';

export interface DoctorContext {
  readonly root: string;
  readonly run: string;
  readonly policy: { readonly directory: string; readonly fault: BerthError | undefined };
  /** Name of the chosen OCI runtime. */
  readonly runtime: string;
  readonly ids: IdPool;
  readonly network: NetworkOptions;
  readonly devices: readonly DeviceStatus[];
  /** What is wrong with their declarations. */
  readonly deviceFaults: readonly string[];
  /** As whom apps are seen on the system bus. */
  readonly busUser: string;
  readonly trust: TrustRules & { readonly statuses: readonly AuthorityStatus[]; readonly time: TrustedTime };
  readonly now: number;
}


/** Looks at the host: everything that Berth stands on, and what to do where it does not hold. */
export async function examineHost(context: DoctorContext): Promise<DoctorReport> {
  return {
    checks: [
      kernel(),
      cgroups(),
      namespaces(),
      examineUsers(context.ids),
      await program('runtime', context.runtime, 'install runc or crun'),
      await program('monitor', 'conmon', 'install conmon'),
      await program('xz', 'xz', 'install xz-utils; packages with data.tar.xz cannot be read without it'),
      disk('disk', context.root, 64 * 1024 * 1024),
      disk('run', context.run, 4 * 1024 * 1024),
      dataLimits(context.root),
      policy(context.policy),
      ...examineTrust(context.trust),
      clock(context.now, context.trust.time),
      ...examineDevices(context.devices, context.deviceFaults),
      ...(await examineNetwork(context.network, context.run)),
      await busNames(context.busUser),
    ],
  };
}

/** Only a warning: not every device has a system bus, nor apps that are to be on it. */
async function busNames(user: string): Promise<DoctorCheck> {
  try {
    const { filter } = await busNamesReadiness(user);
    return ok('bus names', `${filter}, as ${user}`);
  } catch (error) {
    return { name: 'bus names', outcome: 'warning', found: (error as Error).message, advice: 'only apps that are granted names on the system bus need it (docs/bus-names.md)' };
  }
}

function ok(name: string, found: string): DoctorCheck {
  return { name, outcome: 'ok', found };
}

function kernel(): DoctorCheck {
  const release = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  const [major = 0, minor = 0] = release.split('.').map(Number);
  if (major > 4 || (major === 4 && minor >= 14)) return ok('kernel', `Linux ${release}`);
  return { name: 'kernel', outcome: 'warning', found: `Linux ${release}`, advice: 'Berth is tried on Linux 4.14 and newer' };
}

/** Controllers that limits and figures need, by their names in cgroup v1 and v2. */
const controllers = ['cpu', 'memory', 'pids'] as const;

function cgroups(): DoctorCheck {
  const root = '/sys/fs/cgroup';
  const v2 = existsSync(`${root}/cgroup.controllers`);
  const available = v2
    ? new Set(readFileSync(`${root}/cgroup.controllers`, 'utf8').trim().split(' '))
    : new Set(controllers.filter((name) => existsSync(`${root}/${name}`)));
  const missing = [...controllers, ...(v2 ? [] : ['freezer'])].filter((name) => !available.has(name) && !existsSync(`${root}/${name}`));
  const found = `version ${v2 ? 2 : 1}${missing.length === 0 ? '' : `, without ${missing.join(', ')}`}`;
  if (missing.length === 0) return ok('cgroups', found);
  return { name: 'cgroups', outcome: 'failure', found, advice: `enable ${missing.join(', ')} in the kernel (CONFIG_CGROUP_…) and mount them under ${root}` };
}

function namespaces(): DoctorCheck {
  const wanted = ['pid', 'mnt', 'ipc', 'uts', 'net', 'cgroup'];
  const missing = wanted.filter((name) => !existsSync(`/proc/self/ns/${name}`));
  if (missing.length === 0) return ok('namespaces', wanted.join(', '));
  return { name: 'namespaces', outcome: 'failure', found: `without ${missing.join(', ')}`, advice: 'enable CONFIG_NAMESPACES and its parts in the kernel' };
}

async function program(name: string, command: string, advice: string): Promise<DoctorCheck> {
  try {
    const { code, stdout } = await run(command, ['--version'], { timeoutMs: 10_000 });
    if (code === 0) return ok(name, stdout.split('\n')[0]!.trim());
    return { name, outcome: 'failure', found: `${command} --version ended with ${code}`, advice };
  } catch (error) {
    return { name, outcome: 'failure', found: (error as Error).message, advice };
  }
}

function disk(name: string, path: string, least: number): DoctorCheck {
  const { bavail, bsize, ffree, files } = statfsSync(path);
  const free = bavail * bsize;
  const found = `${formatSize(free)} free in ${path}`;
  if (free < least) return { name, outcome: 'warning', found, advice: `make room: less than ${formatSize(least)} is left` };
  if (files > 0 && ffree < 1000) return { name, outcome: 'warning', found: `${ffree} inodes free in ${path}`, advice: 'make room: hardly an inode is left' };
  return ok(name, found);
}

function policy({ directory, fault }: DoctorContext['policy']): DoctorCheck {
  if (fault === undefined) return ok('policy', existsSync(directory) ? directory : `${directory} is not there: every app has the default rights`);
  return { name: 'policy', outcome: 'failure', found: fault.message, advice: 'correct the file; until then nothing is installed, and apps start by the policy as it was before' };
}

/** Who may sign here. */
function examineTrust({ authorities, allowUnsigned, statuses }: DoctorContext['trust']): readonly DoctorCheck[] {
  const good = statuses.filter(({ fault }) => fault === undefined);
  const faults = statuses.flatMap(({ name, fault }): readonly DoctorCheck[] => (fault === undefined ? [] : [{ name: 'authority', outcome: 'warning', found: `${name}: ${fault}`, advice: 'its apps take no updates; put its file in order, or hand them over: berth authority hand-over' }]));
  if (allowUnsigned) return [{ name: 'trust', outcome: 'warning', found: 'packages that nobody has signed are taken: a device for development', advice: 'take allow-unsigned out of berthd.yaml before it is used for more' }, ...faults];
  if (good.length > 0) return [ok('trust', `signed packages only, by ${good.map(({ name }) => name).join(', ')}`), ...faults];
  return [{ name: 'trust', outcome: 'warning', found: `no authority in ${authorities}: no package can be installed`, advice: 'add one: berth authority add FILE' }, ...faults];
}

/** How limits of data are kept, and what of the disk apps cannot reach whatever they do (docs/storage.md). */
function dataLimits(root: string): DoctorCheck {
  const { bfree, bavail, bsize } = statfsSync(root);
  const forRoot = (bfree - bavail) * bsize;
  return ok('data limits', `kept by measuring; ${forRoot === 0 ? 'no room of the disk is' : `${formatSize(forRoot)} of the disk are`} reserved for root`);
}

function clock(now: number, { now: bound, isKnown }: TrustedTime): DoctorCheck {
  const found = new Date(now).toISOString();
  if (isKnown) return ok('clock', found);
  if (now >= earliestPossible) return { name: 'clock', outcome: 'warning', found: `${found}, although ${new Date(bound).toISOString()} is over`, advice: 'the clock runs behind what this device knows: set it, or start a time service, or, if it once ran far ahead, run `berth authority forget-time`; until then certificates are judged by what is known' };
  return { name: 'clock', outcome: 'warning', found, advice: 'the clock is wrong: set it, or start a time service; times in logs and history will be off' };
}
