/**
 * The demonstration's own place on this machine: outside the working copy, which may be in a closed home directory
 * that containers cannot pass through, and with a short path, since socket addresses hold 107 bytes.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BerthError, isErrno } from '../../src/lib/errors.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from '../../src/lib/process.ts';
import { removeRemains, type Territory } from './remains.ts';

const state = '/var/lib/berth-demo';
const run = '/run/berth-demo';

export const place = {
  state,
  /** `--root` of berthd. */
  root: join(state, 'root'),
  /** Where the packages are made. */
  packages: join(state, 'packages'),
  /** `--run` of berthd. */
  run,
  config: join(state, 'berthd.yaml'),
  /** Whom its berthd trusts. */
  authorities: join(state, 'authorities.d'),
  log: join(state, 'berthd.log'),
  socket: join(run, 'berth.sock'),
  cgroup: '/berth-demo',
} as const;

/** All that is the demonstration's on this machine, besides the note of its processes. */
export const territory: Territory = { directories: [place.state, place.run], cgroup: place.cgroup };
/** Outside the directories, so that it is the last thing to go. */
const claimFile = '/run/berth-demo.json';

/** Processes of a demonstration, noted down so that the next one finds what SIGKILL has left. */
interface Claim {
  readonly demo: ProcessIdentity;
  readonly berthd?: ProcessIdentity;
}

/**
 * Takes the place for this process, and away what an earlier demonstration has left in it.
 * @throws BerthError `busy` if another demonstration runs.
 */
export async function claimPlace(): Promise<'clean' | 'leftover'> {
  const earlier = readClaim();
  if (earlier !== undefined && isAlive(earlier.demo)) {
    throw new BerthError('busy', `another demonstration runs on this machine (process ${earlier.demo.pid}); end it with Ctrl-C first`);
  }
  if (earlier !== undefined) await vacatePlace();
  try {
    writeFileSync(claimFile, JSON.stringify({ demo: identify(process.pid) }), { flag: 'wx' });
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw new BerthError('busy', 'another demonstration began on this machine at the same moment', { cause: error });
    throw error;
  }
  for (const directory of [place.state, place.packages, place.run]) mkdirSync(directory, { recursive: true, mode: 0o711 });
  // berthd gets a configuration of its own, so that one of this machine's does not matter, and the policy for packages of Mbed Linux OS, which are not signed.
  mkdirSync(join(place.state, 'platform.d'));
  writeFileSync(place.config, `cgroup-parent: ${place.cgroup}\nplatform: ${place.state}/platform.d\npolicy: ${join(import.meta.dirname, '../../packaging/policy.d')}\ntrust: { authorities: ${place.authorities}, recalls: ${place.state}/recalls.d, allow-unsigned: true }\n`);
  return earlier === undefined ? 'clean' : 'leftover';
}

/** Notes down which process is berthd now. */
export function noteBerthd(pid: number): void {
  writeFileSync(claimFile, JSON.stringify({ demo: identify(process.pid), berthd: identify(pid) }));
}

/** Ends and removes everything in the place, and gives it back. */
export async function vacatePlace(): Promise<void> {
  const berthd = readClaim()?.berthd;
  // Children of berthd that unpack outlive it for a moment. If its number is another's now, so may be that of its group.
  const isOurs = berthd !== undefined && (isAlive(berthd) || identifyProcess(berthd.pid) === undefined);
  await removeRemains({ ...territory, ...(isOurs ? { processGroup: berthd.pid } : {}) });
  rmSync(claimFile, { force: true });
}

function identify(pid: number): ProcessIdentity {
  const identity = identifyProcess(pid);
  if (identity === undefined) throw new BerthError('internal', `process ${pid} has ended`);
  return identity;
}

function readClaim(): Claim | undefined {
  try {
    return JSON.parse(readFileSync(claimFile, 'utf8')) as Claim;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
