import * as v from 'valibot';
import type { RestartPolicy } from '../image/index.ts';
import type { AppStatus, LastExit } from '../lifecycle/index.ts';
import { formatDuration } from '../lib/units.ts';

/** What one app of an update is to prove, and what it has proved; plain data, kept in the database as JSON. */
export interface AppTrial {
  readonly app: string;
  readonly wanted: {
    readonly uptimeMs: number;
    readonly health: boolean;
    readonly confirm: boolean;
  };
  readonly restart: RestartPolicy;
  /** The app itself said that it runs well. */
  readonly confirmed: boolean;
  /** A person's word, which counts for everything. */
  readonly vouched: boolean;
  /** It ended with 0, which is well unless its restart policy is `always`. */
  readonly endedWell: boolean;
  /** Monotonic milliseconds; undefined while it does not run. */
  readonly runningSince?: number;
  readonly healthy: boolean;
}

const schema = v.object({
  wanted: v.object({ uptimeMs: v.number(), health: v.boolean(), confirm: v.boolean() }),
  restart: v.picklist(['never', 'on-failure', 'always']),
  confirmed: v.boolean(),
  vouched: v.boolean(),
  endedWell: v.boolean(),
  /** Of the boot whose clock the next one is of. */
  bootId: v.string(),
  runningSince: v.exactOptional(v.number()),
});

/** What of a trial must be known after a restart. */
export function writeTrial({ wanted, restart, confirmed, vouched, endedWell, runningSince }: AppTrial, bootId: string): string {
  return JSON.stringify({ wanted, restart, confirmed, vouched, endedWell, bootId, runningSince });
}

/** In another boot the app runs anew. */
export function readTrial(app: string, text: string, bootId: string): AppTrial {
  const { bootId: writtenIn, runningSince, ...rest } = v.parse(schema, JSON.parse(text));
  return { app, healthy: false, ...rest, ...(runningSince === undefined || writtenIn !== bootId ? {} : { runningSince }) };
}

/** False for what {@link readTrial} cannot read: another version of Berth may have written it. */
export function isTrial(text: string): boolean {
  try {
    readTrial('', text, '');
    return true;
  } catch {
    return false;
  }
}

/** What is still to be proved, in words; empty once it has passed. */
export function unproved(trial: AppTrial, now: number): readonly string[] {
  const { wanted, confirmed, vouched, endedWell } = trial;
  if (vouched) return [];
  const confirm = wanted.confirm && !confirmed ? ['its own confirmation'] : [];
  if (endedWell) return confirm;
  const due = dueAt(trial);
  const up = due !== undefined && now >= due ? [] : [`running for ${wanted.uptimeMs < 1000 ? `${wanted.uptimeMs} ms` : formatDuration(wanted.uptimeMs)}`];
  return [...up, ...(wanted.health && !trial.healthy ? ['its health check'] : []), ...confirm];
}

/** When it will have run long enough, monotonic milliseconds; undefined while it does not run. */
export function dueAt({ wanted, runningSince }: AppTrial): number | undefined {
  return runningSince === undefined ? undefined : runningSince + wanted.uptimeMs;
}

/** What an app's state says. @param now monotonic milliseconds */
export function seen(trial: AppTrial, status: Pick<AppStatus, 'state' | 'health'>, now: number): AppTrial {
  const { runningSince, ...rest } = trial;
  const healthy = status.health === 'healthy';
  return status.state === 'running' ? { ...rest, healthy, runningSince: runningSince ?? now } : { ...rest, healthy };
}

/** What the end of an instance says of the new version: good, bad (why), or nothing, if somebody else ended it. */
export function judgeEnd(trial: Pick<AppTrial, 'restart'>, exit: LastExit): 'well' | 'nothing' | { readonly failure: string } {
  const { code, message } = exit.reason;
  switch (code) {
    case 'stopped':
    case 'killed':
    case 'stop-timeout':
    case 'shutdown':
    case 'updating':
    case 'lost':
    case 'device-busy':
      return 'nothing';
    case 'exited':
      return exit.exitCode === 0 && trial.restart !== 'always' ? 'well' : { failure: message };
    default:
      return { failure: message };
  }
}
