import { defaultRate } from './network.ts';
import type { Rights } from './rights.ts';

/** Rights in which everything is said that has a bound by default. */
export type EffectiveRights = Rights & Required<Omit<Rights, 'cpus' | 'data' | 'outbound'>>;

const KiB = 1024;
const MiB = 1024 * KiB;
/** More than any app needs; a limit that only the app itself feels. */
const unbounded = Number.MAX_SAFE_INTEGER;

/** What an app may be granted where no rule of the policy says otherwise. */
export const defaultRights: EffectiveRights = {
  /** What a daemon needs to drop its privileges and to own its files. */
  capabilities: ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_SETGID', 'CAP_SETUID'],
  memory: 512 * MiB,
  swap: 0,
  pids: 4096,
  cpuShares: 1024,
  blockIo: {},
  /** Every limit of getrlimit(2), so that a bound never gives what is not said here. */
  rlimits: {
    RLIMIT_AS: unbounded,
    RLIMIT_CORE: 0,
    RLIMIT_CPU: unbounded,
    RLIMIT_DATA: unbounded,
    RLIMIT_FSIZE: unbounded,
    RLIMIT_LOCKS: unbounded,
    RLIMIT_MEMLOCK: 64 * KiB,
    RLIMIT_MSGQUEUE: 800 * KiB,
    RLIMIT_NICE: 0,
    RLIMIT_NOFILE: 65_536,
    RLIMIT_NPROC: 4096,
    RLIMIT_RSS: unbounded,
    RLIMIT_RTPRIO: 0,
    RLIMIT_RTTIME: unbounded,
    RLIMIT_SIGPENDING: 4096,
    RLIMIT_STACK: 64 * MiB,
  },
  tmpfs: 64 * MiB,
  networks: ['none'],
  ports: [],
  bandwidth: { in: defaultRate, out: defaultRate },
  devices: [],
  hostPaths: [],
  busNames: [],
  sysctls: [],
};
