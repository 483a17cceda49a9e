import type { LaunchSettings } from '../image/index.ts';
import type { BerthError } from '../lib/errors.ts';
import { formatDuration } from '../lib/units.ts';
import type { InstanceExit } from '../runtime/index.ts';
import type { Because } from './machine.ts';
import type { LastExit, Reason } from './types.ts';

/** Why an instance that ended did so, from what was seen and from what had been asked of it. */
export function explainEnd(
  exit: InstanceExit,
  asked: { readonly because: Because; readonly message: string } | undefined,
  stopSignal: string,
  stopTimeoutMs: number,
): Reason {
  const reason = (code: Reason['code'], message: string): Reason => ({ code, message, at: exit.at });
  switch (asked?.because) {
    case 'stopped':
      return reason('stopped', `stopped (${howItEnded(exit)})`);
    case 'stop-timeout':
      // It may have ended by itself in the very moment.
      return exit.signal === 'SIGKILL'
        ? reason('stop-timeout', `did not end within ${duration(stopTimeoutMs)} of ${stopSignal} and was killed`)
        : reason('stopped', `stopped (${howItEnded(exit)})`);
    case 'killed':
      return reason('killed', 'killed');
    case 'shutdown':
      return reason('shutdown', `stopped for the shutdown of the device (${howItEnded(exit)})`);
    case 'updating':
      return reason('updating', `stopped for an update (${howItEnded(exit)})`);
    case 'unhealthy':
    case 'watchdog':
    case 'data-full':
      return reason(asked.because, asked.message);
    case undefined:
      break;
  }
  if (exit.cause === 'lost') return reason('lost', 'it was gone, and so was its monitor (conmon): how it ended is not known');
  if (exit.cause === 'monitor-lost') return reason('monitor-lost', 'its monitor (conmon) was gone, so it was ended');
  if (exit.oom && exit.exitCode !== 0) return reason('out-of-memory', `the kernel killed a process of it for want of memory (${howItEnded(exit)})`);
  if (exit.signal !== undefined) return reason('signalled', `ended by ${exit.signal}`);
  return reason('exited', howItEnded(exit));
}

/** The end of an instance of an earlier boot; not a crash, so it counts for nothing. */
export function lostByReboot(app: string, id: string, at: number): LastExit {
  return { id, app, at, oom: false, cause: 'lost', reason: { code: 'lost', message: 'the machine restarted', at } };
}

/** The end of an instance that never ran. */
export function failedStart(app: string, id: string, error: BerthError, at: number): LastExit {
  // What is not trusted now was when it was installed: it has been recalled since.
  const code = error.code === 'untrusted' ? 'recalled' : 'start-failed';
  return { id, app, at, oom: false, cause: 'ended', reason: { code, message: error.message, at } };
}

/** Why the restart policy gave up. */
export function limitReached(last: Reason, settings: Pick<LaunchSettings, 'restartLimit' | 'restartWindowMs'>): Reason {
  const { restartLimit, restartWindowMs } = settings;
  const times = restartLimit === 1 ? '1 restart' : `${restartLimit} restarts`;
  return { code: 'restart-limit', message: `${times} within ${duration(restartWindowMs)}; the last time: ${last.message}`, at: last.at };
}

/** What is under way or has been asked for, before an end explains itself. */
export const intentions: Readonly<Record<Because, string>> = {
  stopped: 'a person stopped it',
  killed: 'a person killed it',
  'stop-timeout': 'it did not end within its stop timeout',
  unhealthy: 'its health check failed',
  watchdog: 'its watchdog was not fed',
  'data-full': 'its data takes more of the disk than it may',
  shutdown: 'the device shuts down',
  updating: 'an update stops it',
};

function howItEnded(exit: InstanceExit): string {
  if (exit.signal !== undefined) return `ended by ${exit.signal}`;
  if (exit.exitCode !== undefined) return `exited with code ${exit.exitCode}`;
  return 'how it ended is not known';
}

/** Whole seconds and more for people; less in milliseconds. */
export function duration(ms: number): string {
  return ms < 1000 ? `${ms} ms` : formatDuration(ms);
}
