import { BerthError } from '../lib/errors.ts';
import { duration } from './reason.ts';

/** A process that outlives SIGKILL for this long waits for hardware; nobody else should wait with it. */
export const killTimeoutMs = 10_000;

/** What those who wait for its end are told then. */
export function outlivesKill(what: string): BerthError {
  return new BerthError('timeout', `${what} did not end within ${duration(killTimeoutMs)} of SIGKILL: a process of it hangs in the kernel`);
}
