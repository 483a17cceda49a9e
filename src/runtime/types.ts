import type { Stats } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { Destination, NetworkMode, PublishedPort } from '../lib/network.ts';
import type { ProcessIdentity } from '../lib/process.ts';

/** A final `config.json` (OCI runtime spec 1.0): what `policy/` computed, never what a package brought. */
export type OciConfig = Readonly<Record<string, unknown>>;

/** How an instance is on a network. */
export interface InstanceNetwork {
  /** `none`: its own, with loopback only. `bridge`: its own, behind the host. `host`: that of the host. */
  readonly mode: NetworkMode;
  /** Only with `bridge`, as all that follows. */
  readonly ports: readonly PublishedPort[];
  /** Where it may connect to; undefined: the public internet. Never the host or other apps. */
  readonly outbound?: readonly Destination[];
  /** Bits a second in each direction, as the app sees them; undefined: no limit. */
  readonly bandwidth?: { readonly in?: number; readonly out?: number };
}

/** A path of the host that an instance sees. */
export interface InstanceHostPath {
  /** Absolute, in the container. */
  readonly destination: string;
  /** As the app asks for it; absolute, on the host. */
  readonly source: string;
  /** The operator's path: what `source` leads to must be where this one leads to, or below. */
  readonly within: string;
}

/** A name on the system bus, and what an instance may do with it. */
export interface InstanceBusName {
  /** A well-known name; `org.example.*` for those below. */
  readonly name: string;
  /** `talk`: call it and hear its signals. `own`: be it. */
  readonly access: 'talk' | 'own';
}

/** What is needed to run one instance of an app. */
export interface InstanceSpec {
  /** 64 hexadecimal digits; the container's id in the OCI runtime, stable for the life of the instance. */
  readonly id: string;
  readonly app: string;
  /** `root.path` is absolute and `linux.cgroupsPath` is what `Runtime.cgroupPath(app)` says. */
  readonly config: OciConfig;
  /** Without, or with mode `none`: loopback only. `config` must not have a network namespace with mode `host`, and must have one of its own otherwise. */
  readonly network?: InstanceNetwork;
  /** Mounts of `config`, by destination and source, that show the host: where they lead is looked at first. */
  readonly hostPaths?: readonly InstanceHostPath[];
  /** Without any, it sees no system bus. */
  readonly busNames?: readonly InstanceBusName[];
  /** Besides those in `linux.resources` of `config`. */
  readonly limits?: InstanceLimits;
}

/** Limits that a config can say only with numbers of the host's disks. */
export interface InstanceLimits {
  /** Weight of block I/O against other apps, 1 to 1000, and bytes and operations a second on each disk of the host. */
  readonly blockIo?: { readonly weight?: number; readonly readBytes?: number; readonly writeBytes?: number; readonly readOperations?: number; readonly writeOperations?: number };
}

/** What identifies a running instance durably: kept in the database, enough to take it over after a restart. */
export interface InstanceRecord {
  readonly id: string;
  readonly app: string;
  /** `/proc/sys/kernel/random/boot_id` when it was started: of an earlier boot, nothing of it runs any more. */
  readonly bootId: string;
  /** The container's first process. */
  readonly init: ProcessIdentity;
  /** conmon, which holds its output and will report its end. */
  readonly monitor: ProcessIdentity;
  /** Wall clock, milliseconds since 1970. */
  readonly startedAt: number;
}

/** How an instance ended. */
export interface InstanceExit {
  readonly id: string;
  readonly app: string;
  /** Wall clock, milliseconds since 1970; when it was noticed, if the end itself was not seen. */
  readonly at: number;
  /** Exit code of the first process, or undefined if a signal ended it or nobody saw it end. */
  readonly exitCode?: number;
  /** Name of the signal that ended it (`SIGKILL`). conmon tells it as exit code 128 + n, so a program that itself exits with such a code looks the same. */
  readonly signal?: string;
  /** True if the kernel killed a process of the instance for want of memory. */
  readonly oom: boolean;
  /**
   * `ended`: conmon saw it end. `monitor-lost`: conmon was gone, so the instance was ended. `lost`: both were gone, or
   * the machine restarted, and how it ended is not known.
   */
  readonly cause: 'ended' | 'monitor-lost' | 'lost';
}

/** Figures of one instance, from its cgroup. */
export interface InstanceFigures {
  /** Processor time used, in nanoseconds. */
  readonly cpuNs: number;
  /** Memory in use without page cache that can be dropped at once, in bytes. */
  readonly memoryBytes: number;
  readonly memoryLimitBytes?: number;
  readonly processes: number;
}

export interface ExecSpec {
  readonly command: readonly string[];
  /** Default: the app's own. */
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
}

/** A command that runs inside an instance. */
export interface ExecSession {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Exit code (128 + n for signal n), once output has ended. Never rejects but for a runtime fault. */
  readonly done: Promise<number>;
  /** Kills the command inside the container. */
  kill(): void;
}

/** One line (or, for very long lines, a piece of one) of an app's output. */
export interface LogLine {
  /** RFC 3339 with nanoseconds, as conmon writes it. */
  readonly time: string;
  /** `berth`: a mark of Berth's own, such as a gap. */
  readonly stream: 'stdout' | 'stderr' | 'berth';
  /** Without the line's end; bytes that are not UTF-8 are replaced. */
  readonly text: string;
  /** True if the line goes on in the next one (conmon's tag `P`). */
  readonly partial: boolean;
}

export interface LogQuery {
  /** Last lines only; all that is kept if undefined. */
  readonly tail?: number;
  /** Not before this moment, milliseconds since 1970. */
  readonly sinceMs?: number;
  /** Go on with new lines until `signal` aborts. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/** Runs instances; knows nothing of why. One per `berthd`. */
export interface Runtime {
  /** Which OCI runtime was chosen, for `doctor` and `version`. */
  readonly name: string;
  /** The absolute `linux.cgroupsPath` of an app's container. */
  cgroupPath(app: string): string;
  /** Creates and starts; everything it made is gone again if it throws (`runtime`, with the runtime's own message). */
  start(spec: InstanceSpec): Promise<InstanceRecord>;
  /**
   * Takes over an instance that an earlier daemon started. `running` and `paused`: it is watched from now on, and its
   * end will be reported. An exit: it ended meanwhile (nothing is left of it but what `remove` takes away).
   */
  adopt(record: InstanceRecord): Promise<'running' | 'paused' | InstanceExit>;
  /** Sends a signal to the first process. A paused instance is thawed for SIGKILL. Ended already: no error. */
  signal(id: string, signal: string): Promise<void>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Takes away whatever is left of an ended (or half-made) instance: container, cgroups, bundle, exit file. */
  remove(id: string): Promise<void>;
  /** Takes away every instance under this daemon's run directory that is not in `known`; gives their ids. */
  sweep(known: ReadonlySet<string>): Promise<readonly string[]>;
  exec(id: string, spec: ExecSpec): Promise<ExecSession>;
  figures(id: string): InstanceFigures | undefined;
  /** Addresses of an instance on the bridge, with the length of their networks (`10.213.64.7/22`); none without a bridge. */
  addresses(id: string): readonly string[];
  /** Files without a name that an instance holds open on the file system with this `st_dev`; none if it does not run. */
  deletedFiles(id: string, device: number): readonly Pick<Stats, 'blocks'>[];
  /** Called once for each started or adopted instance that ends, whoever ended it; after `start` or `adopt` of it has resolved. */
  onExit(listener: (exit: InstanceExit) => void): () => void;
  /**
   * An app's output, oldest first; of ended instances too. Unknown app: nothing. No line is lost while an app writes less
   * than `rotateBytes` (2 MiB) between two looks, one a second, more often when it writes fast; beyond that, and while no
   * daemon is there, the bound wins and a line of stream `berth` stands at the gap.
   */
  logs(app: string, query: LogQuery): AsyncIterable<LogLine>;
  /** Takes away what an app leaves outside its instances (logs, exports) when it is removed. */
  forget(app: string): Promise<void>;
  /** Stops watching; instances go on. */
  close(): Promise<void>;
}
