import type { Digest } from '../lib/digest.ts';
import type { WithheldField } from '../policy/index.ts';
import type { ExecSession, ExecSpec, InstanceExit, InstanceFigures, LogLine, LogQuery } from '../runtime/index.ts';
import type { DesiredState } from '../store/index.ts';

/** States of an app's supervisor. `backoff`: ended by itself, will be started again at `nextStartAt`. */
export type AppStateName = 'stopped' | 'starting' | 'running' | 'suspended' | 'stopping' | 'backoff' | 'failed';

export type HealthState = 'none' | 'starting' | 'healthy' | 'unhealthy';

/** Why an app is not running, or was restarted: a code for programs and a sentence for people. */
export interface Reason {
  readonly code:
    | 'exited' | 'signalled' | 'out-of-memory' | 'unhealthy' | 'start-failed' | 'monitor-lost' | 'lost' | 'restart-limit'
    | 'stopped' | 'killed' | 'stop-timeout' | 'shutdown';
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
  /** What the app's config asked for and did not get: JSON path and why. */
  readonly withheld: readonly WithheldField[];
}

export interface AppFigures extends InstanceFigures {
  readonly name: string;
  readonly restarts: number;
  /** Wall clock, milliseconds since 1970: two readings give a rate. */
  readonly at: number;
}

/** One thing that happened; kept in a ring in memory and sent to whoever follows. */
export interface BerthEvent {
  /** Counts up from 1 in each daemon's life. */
  readonly seq: number;
  readonly at: number;
  readonly type: 'app.state' | 'app.health' | 'app.exit' | 'app.installed' | 'app.removed' | 'app.warning' | 'daemon.started' | 'daemon.stopping';
  readonly app?: string;
  readonly message: string;
  /** Data of the type: `{from, to}` of `app.state`, the exit of `app.exit`, … */
  readonly detail?: unknown;
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
