import type { LaunchSettings } from '../image/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { ExecSession, ExecSpec } from '../runtime/index.ts';
import { HealthMonitor } from './health.ts';
import { duration } from './reason.ts';
import type { HealthState } from './types.ts';
import { Watchdog } from './watchdog.ts';

export interface WatchTools {
  readonly settings: Pick<LaunchSettings, 'health' | 'watchdogMs'>;
  readonly clock: Clock;
  /** Runs a command in the instance. */
  readonly exec: (spec: ExecSpec) => Promise<ExecSession>;
  /** Called when the health has changed, with what the check that changed it printed. */
  readonly changed: (health: HealthState, output: string) => void;
  /** It must not go on like this: why, for people. */
  readonly ailing: (because: 'unhealthy' | 'watchdog', message: string) => void;
}

/** Looks after one instance from when it runs (or was taken over) to its end: its health and its watchdog. */
export class Watch {
  readonly #health: HealthMonitor | undefined;
  readonly #watchdog: Watchdog | undefined;
  /** When it began, monotonic milliseconds. */
  readonly #since: number;

  constructor({ settings: { health: check, watchdogMs }, clock, exec, changed, ailing }: WatchTools) {
    this.#since = clock.monotonic();
    if (check !== undefined) {
      const told = (health: HealthState, output: string): void => {
        changed(health, output);
        if (health === 'unhealthy') ailing('unhealthy', `its health check failed: ${output}`);
      };
      this.#health = new HealthMonitor({ check, clock, exec: async () => exec({ command: check.command }), changed: told });
    }
    if (watchdogMs > 0) {
      this.#watchdog = new Watchdog(clock, watchdogMs, () => {
        ailing('watchdog', `its watchdog was not fed for ${duration(watchdogMs)}`);
      });
    }
  }

  get health(): HealthState {
    return this.#health?.health ?? 'none';
  }

  /** Since when it runs well, monotonic milliseconds: healthy if it has a check, else simply running. */
  get wellSince(): number | undefined {
    return this.#health === undefined ? this.#since : this.#health.healthySince;
  }

  feed(): void {
    this.#watchdog?.feed();
  }

  /** The instance is suspended: nothing is checked, and no time passes. */
  hold(): void {
    this.#health?.hold();
    this.#watchdog?.hold();
  }

  resume(): void {
    this.#health?.resume();
    this.#watchdog?.resume();
  }

  /** Nothing is looked after any more; a check that runs is killed. */
  end(): void {
    this.#health?.end();
    this.#watchdog?.hold();
  }
}
