import { deviceEventTypes, type LeaseStatus } from '../devices/index.ts';
import type { Digest } from '../lib/digest.ts';
import type { NetworkMode } from '../lib/network.ts';
import type { Decision } from '../policy/index.ts';
import type { ExecSession, ExecSpec, InstanceExit, InstanceFigures, LogLine, LogQuery } from '../runtime/index.ts';
import type { DataUse } from './data-watch.ts';
import type { AppRow, DesiredState } from '../store/index.ts';

/** States of an app's supervisor. `backoff`: ended by itself, will be started again at `nextStartAt`. */
export type AppStateName = 'stopped' | 'starting' | 'running' | 'suspended' | 'stopping' | 'backoff' | 'failed';

export type HealthState = 'none' | 'starting' | 'healthy' | 'unhealthy';

/** Codes of reasons; `docs/supervision.md` says what each means. */
export const reasonCodes = [
  'exited', 'signalled', 'out-of-memory', 'unhealthy', 'watchdog', 'data-full', 'start-failed', 'monitor-lost', 'lost', 'restart-limit',
  'stopped', 'killed', 'stop-timeout', 'shutdown', 'updating', 'device-busy', 'recalled',
] as const;

/** Why an app is not running, or was restarted: a code for programs and a sentence for people. */
export interface Reason {
  readonly code: (typeof reasonCodes)[number];
  readonly message: string;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
}

/** How the last instance ended, as kept in the database. */
export interface LastExit extends InstanceExit {
  readonly reason: Reason;
}

/** All that can be told of an app at this moment. */
export interface AppStatus {
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
  readonly signed: boolean;
  /** The authority that vouches for its image; absent if it is unsigned. */
  readonly authority?: string;
  readonly description: string;
  readonly state: AppStateName;
  readonly desired: DesiredState;
  readonly health: HealthState;
  readonly instance?: { readonly id: string; readonly pid: number; readonly startedAt: number };
  /** Restarts by the supervisor since a person last started the app. */
  readonly restarts: number;
  /** Wall clock of the next attempt, in `backoff`. */
  readonly nextStartAt?: number;
  readonly lastExit?: LastExit;
  /** Why the state is as it is, where that needs a reason. */
  readonly reason?: Reason;
  /** It must say at least this often that it lives; absent if its image declares no watchdog. */
  readonly watchdogMs?: number;
  /** Absent for an app without a network. */
  readonly network?: NetworkStatus;
  /** Devices that it has; absent if it has none. */
  readonly devices?: readonly LeaseStatus[];
  /** User of the host that is root in the app; those after it are its other users. Absent where that is not known. */
  readonly hostUser?: number;
  /** What its data takes and may take; absent for an app without data, or of which nothing is known. */
  readonly data?: DataUse;
  /** What the app's config asks for and gets less of, which the policy tolerates. */
  readonly degraded: readonly Decision[];
}

/** How an app is on a network, as it is written in policies and packages. */
export interface NetworkStatus {
  readonly mode: NetworkMode;
  /** Of its instance on the bridge, with the length of their networks. */
  readonly addresses: readonly string[];
  /** `8080:80/tcp`: port of the device, port of the app. */
  readonly ports: readonly string[];
  /** Where it may connect to; absent: the public internet, or with `host` everywhere. */
  readonly outbound?: readonly string[];
  /** Bits a second. */
  readonly bandwidth?: { readonly in?: number; readonly out?: number };
}

export interface AppFigures extends InstanceFigures {
  readonly name: string;
  readonly restarts: number;
  /** Wall clock, milliseconds since 1970: two readings give a rate. */
  readonly at: number;
}

export const eventTypes = [
  'app.state', 'app.health', 'app.exit', 'app.installed', 'app.removed', 'app.recalled', 'app.warning',
  ...deviceEventTypes, 'update.phase', 'update.waiting', 'update.committed', 'update.rolled-back', 'update.failed',
] as const;

/** One thing that happened; kept in a ring in memory and sent to whoever follows. */
export interface BerthEvent {
  /** Counts up from 1 in each daemon's life. */
  readonly seq: number;
  readonly at: number;
  readonly type: (typeof eventTypes)[number];
  readonly app?: string;
  readonly message: string;
  /** Data of the type: `{from, to}` of `app.state`, the exit of `app.exit`, `{update, …}` (its id) of `update.…`, … */
  readonly detail?: unknown;
}

/** A command that is run in place of an app. */
export interface RunOnceOptions {
  /** From its start; then it is killed. */
  readonly timeoutMs: number;
  /** Kills it when it aborts. */
  readonly signal?: AbortSignal;
}

/** How such a command ended: by itself, with an exit code; or by a signal. */
export interface RunOnceResult {
  readonly exitCode?: number;
  readonly signal?: string;
  /** It was killed because its time was over. */
  readonly timedOut: boolean;
}

/** The façade over the supervisor: everything that starts, stops or looks at apps goes through it. */
export interface Lifecycle {
  list(): readonly AppStatus[];
  /** @throws BerthError `not_found` naming the app, here and in all that take a name. */
  show(name: string): AppStatus;
  /** Makes `running` the desired state. Resolves when the app runs (or rejects with why it could not start). */
  start(name: string): Promise<AppStatus>;
  /** Stop signal, then SIGKILL at the stop timeout. Resolves when nothing of it runs. Stopped already: no error. */
  stop(name: string, options?: { readonly timeoutMs?: number }): Promise<AppStatus>;
  /** SIGKILL at once; stays stopped. */
  kill(name: string): Promise<AppStatus>;
  /** @throws BerthError `conflict` unless it runs. */
  suspend(name: string): Promise<AppStatus>;
  resume(name: string): Promise<AppStatus>;
  /** Stops it as `stop` does and starts it again; what is not running is started. */
  restart(name: string, options?: { readonly timeoutMs?: number }): Promise<AppStatus>;
  exec(name: string, spec: ExecSpec): Promise<ExecSession>;
  logs(name: string, query: LogQuery): AsyncIterable<LogLine>;
  figures(name?: string): readonly AppFigures[];
  /** Events kept in memory with a higher `seq`, oldest first. */
  eventsSince(seq: number): readonly BerthEvent[];
  onEvent(listener: (event: BerthEvent) => void): () => void;

  /**
   * Stops all apps in reverse order without changing what is desired, for the shutdown of the device. From then on no
   * command is taken; what is left at the deadline is killed.
   */
  shutdown(options: { readonly deadlineMs: number }): Promise<void>;

  /** For `update/`: the app's row was inserted or its image changed while it was stopped; supervise it from now on. */
  admit(name: string): void;
  /** For `update/`: the app is stopped and its row is gone; forget it. */
  withdraw(name: string): void;
  /**
   * For `update/`: until they are released, nothing starts these apps. A person's start or restart waits for the
   * release, or for a stop that takes it back; boot and the restart policy pass them by. All else works as ever. May be
   * called before `boot`; names that are held, or not (yet) of apps, are taken too, and `admit` and `withdraw` end no hold.
   */
  hold(names: readonly string[]): void;
  /**
   * For `update/`: stops apps that are held, in the reverse order of start and otherwise side by side, without changing
   * what is desired. Resolves when nothing of them is left.
   * @throws BerthError the first error of one that cannot be stopped (`timeout`), after all were tried; `unavailable` if
   * berthd ends meanwhile
   */
  halt(names: readonly string[]): Promise<void>;
  /**
   * For `update/`: ends the hold, and in the order of start starts those that are to run: each when those before it are
   * ready, as at boot. What failed for good or has done its work stays down, unless its image changed meanwhile. Resolves
   * when every start was tried; what came of each, its state and the events tell. Does nothing when berthd ends.
   */
  release(names: readonly string[]): Promise<void>;
  /**
   * For `update/`: runs a command with image, data and rights of this row, which need not be in the database, in place of
   * the app's own. The app must be held and halted. The command's output goes to the app's log; nothing else of it is
   * left when this settles.
   * @throws BerthError saying why it could not be run; `cancelled` if the signal or the end of berthd broke it off
   */
  runOnce(row: AppRow, command: readonly string[], options: RunOnceOptions): Promise<RunOnceResult>;
  /** The app says that it lives. @throws BerthError `conflict` if its image declares no watchdog */
  feedWatchdog(name: string): void;
  /** For `update/`: tells followers. */
  announce(event: Pick<BerthEvent, 'type' | 'app' | 'message' | 'detail'>): void;
}

/** What `berthd` itself uses besides the façade. */
export interface Supervisor extends Lifecycle {
  /** Takes over what runs, sweeps what nobody knows, then starts what should run, in order. Resolves when every start was tried. */
  boot(): Promise<void>;
  /** Resolves when what runs has been taken over. */
  readonly tookOver: Promise<void>;
  /** Stops supervising; instances go on (daemon upgrade). */
  detach(): Promise<void>;
}
