import type { HealthCheck } from '../image/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { ExecSession } from '../runtime/index.ts';
import { Alarm } from './alarm.ts';
import { type Check, type CheckResult, runCheck } from './check.ts';
import type { HealthState } from './types.ts';

/** The first check comes this soon, so that apps that wait for this one need not wait for a whole interval. */
export const firstCheckMs = 1000;

/** What the checks so far say. */
export interface Pulse {
  readonly health: Exclude<HealthState, 'none'>;
  /** Failed checks in a row. */
  readonly failures: number;
}

/**
 * What one more check makes of it. Until the first success an app has its start period and `retries` intervals to
 * become healthy; after that, `retries` failures in a row make it unhealthy. `aliveMs`: since the start, without the
 * time it was suspended.
 */
export function judgeCheck(pulse: Pulse, passed: boolean, aliveMs: number, check: HealthCheck): Pulse {
  if (passed) return { health: 'healthy', failures: 0 };
  const failures = pulse.failures + 1;
  const tooMany = pulse.health === 'starting' ? aliveMs >= check.startPeriodMs + check.retries * check.intervalMs : failures >= check.retries;
  return { health: tooMany ? 'unhealthy' : pulse.health, failures };
}

/** Time to the next check: the interval; until the first success less, doubling from {@link firstCheckMs}. */
export function nextCheckMs(pulse: Pulse, check: HealthCheck): number {
  return pulse.health === 'starting' ? Math.min(check.intervalMs, firstCheckMs * 2 ** pulse.failures) : check.intervalMs;
}

export interface HealthTools {
  readonly check: HealthCheck;
  readonly clock: Clock;
  /** Runs the check's command in the instance. */
  readonly exec: () => Promise<ExecSession>;
  /** Called when the health has changed, with what the check that changed it printed. */
  readonly changed: (health: HealthState, output: string) => void;
}

/** Watches the health of one instance: one timer, and never more than one check at a time. */
export class HealthMonitor {
  readonly #tools: HealthTools;
  #pulse: Pulse = { health: 'starting', failures: 0 };
  readonly #alarm: Alarm;
  #check: Check | undefined;
  /** When it would have started had it never been suspended. */
  #startedAt: number;
  #heldAt: number | undefined;
  #healthySince: number | undefined;
  #watching = true;

  constructor(tools: HealthTools) {
    this.#tools = tools;
    this.#alarm = new Alarm(tools.clock);
    this.#startedAt = tools.clock.monotonic();
    this.#arm();
  }

  get health(): HealthState {
    return this.#pulse.health;
  }

  /** When it became healthy, monotonic milliseconds; undefined if it never did. */
  get healthySince(): number | undefined {
    return this.#healthySince;
  }

  /** The instance is suspended: no checks, and no time passes. */
  hold(): void {
    this.#heldAt ??= this.#tools.clock.monotonic();
    this.end();
  }

  resume(): void {
    if (this.#heldAt === undefined) return;
    this.#startedAt += this.#tools.clock.monotonic() - this.#heldAt;
    this.#heldAt = undefined;
    this.#watching = true;
    this.#arm();
  }

  /** No more checks; one that runs is killed. */
  end(): void {
    this.#watching = false;
    this.#alarm.cancel();
    this.#check?.cancel();
  }

  #arm(): void {
    this.#alarm.set(nextCheckMs(this.#pulse, this.#tools.check), () => {
      if (this.#check === undefined) this.#run();
      // A check that does not even die is as good as failed, and a second one beside it would not help.
      else this.#judge({ passed: false, output: 'the check before it has still not ended' });
    });
  }

  #run(): void {
    const { exec, check: { timeoutMs }, clock } = this.#tools;
    const check = runCheck(exec, timeoutMs, clock);
    this.#check = check;
    void this.#follow(check);
  }

  async #follow(check: Check): Promise<void> {
    const result = await check.result;
    if (result !== undefined) this.#judge(result);
    await check.gone;
    this.#check = undefined;
  }

  #judge(result: CheckResult): void {
    if (!this.#watching) return;
    const { check, clock, changed } = this.#tools;
    const before = this.#pulse;
    this.#pulse = judgeCheck(before, result.passed, clock.monotonic() - this.#startedAt, check);
    if (this.#pulse.health !== before.health) {
      if (result.passed) this.#healthySince = clock.monotonic();
      // The owner may hold or end this monitor in the call.
      changed(this.#pulse.health, result.output);
    }
    if (this.#watching && this.#pulse.health !== 'unhealthy') this.#arm();
  }
}
