import type { LaunchSettings } from '../image/index.ts';
import type { Reason } from './types.ts';

/** What the policy remembers of an app's restarts. Kept in memory only: a new `berthd` begins anew. */
export interface RestartMemory {
  /** When it was restarted, monotonic milliseconds, oldest first; only those within the window. */
  readonly times: readonly number[];
  /** Restarts since it last ran well for `restartResetMs`: the next wait follows from it. */
  readonly inARow: number;
}

export const noRestarts: RestartMemory = { times: [], inARow: 0 };

/** How an instance ended, as far as the policy cares. */
export interface Ending {
  readonly code: Reason['code'];
  readonly exitCode?: number;
  /** How long it had run well before it ended: healthy if it has a check, else simply running. */
  readonly wellMs: number;
}

export type Verdict =
  /** Start again at once. */
  | { readonly kind: 'restart'; readonly memory: RestartMemory }
  | { readonly kind: 'wait'; readonly afterMs: number; readonly memory: RestartMemory }
  /** `limit`: the restart limit is reached; else the policy does not try again: it could not be started, or filled the disk. */
  | { readonly kind: 'failed'; readonly limit: boolean; readonly memory: RestartMemory }
  /** It has ended and the policy leaves it at that. */
  | { readonly kind: 'done'; readonly memory: RestartMemory };

type RestartSettings = Pick<
  LaunchSettings,
  'restart' | 'restartDelayMs' | 'restartDelayMaxMs' | 'restartResetMs' | 'restartLimit' | 'restartWindowMs'
>;

/**
 * What to do about an instance that ended without having been asked to (or for being unhealthy), or that could not be
 * started. The first restart comes at once (after a failed start: after the first wait), then the waits double from
 * `restartDelayMs` to `restartDelayMaxMs`. `now` is monotonic milliseconds.
 */
export function decideRestart(ending: Ending, settings: RestartSettings, memory: RestartMemory, now: number): Verdict {
  // It would only go on filling the disk.
  if (ending.code === 'data-full') return { kind: 'failed', limit: false, memory };
  if (!wantsRestart(ending, settings)) {
    return ending.code === 'start-failed' ? { kind: 'failed', limit: false, memory } : { kind: 'done', memory };
  }
  const times = memory.times.filter((time) => now - time < settings.restartWindowMs);
  if (times.length >= settings.restartLimit) return { kind: 'failed', limit: true, memory: { ...memory, times } };
  const before = ending.wellMs >= settings.restartResetMs ? 0 : memory.inARow;
  const next: RestartMemory = { times: [...times, now], inARow: before + 1 };
  if (before === 0 && ending.code !== 'start-failed') return { kind: 'restart', memory: next };
  const doublings = Math.max(before - 1, 0);
  const afterMs = Math.min(settings.restartDelayMs * 2 ** doublings, settings.restartDelayMaxMs);
  return { kind: 'wait', afterMs, memory: next };
}

/** The verdict on an end that was asked for. */
export function leaveIt(memory: RestartMemory): Verdict {
  return { kind: 'done', memory };
}

function wantsRestart(ending: Ending, settings: RestartSettings): boolean {
  if (settings.restart === 'never') return false;
  if (settings.restart === 'always') return true;
  return !(ending.code === 'exited' && ending.exitCode === 0);
}
