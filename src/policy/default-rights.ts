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
  /** A device with 512 MiB of memory has 4096 in all. */
  pids: 1024,
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
    /** Two queues of the usual size. The kernel counts these bytes for all apps together, too, to 800 KiB. */
    RLIMIT_MSGQUEUE: 200 * KiB,
    RLIMIT_NICE: 0,
    RLIMIT_NOFILE: 65_536,
    RLIMIT_NPROC: 4096,
    RLIMIT_RSS: unbounded,
    RLIMIT_RTPRIO: 0,
    RLIMIT_RTTIME: unbounded,
    /** Counted for all apps and the host's root together, too, which may have as few as 2000 on a small device. */
    RLIMIT_SIGPENDING: 256,
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
