import { BerthError } from '../lib/errors.ts';

/** @throws BerthError `cancelled` once the signal has been aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new BerthError('cancelled', 'it was cancelled', { cause: signal.reason });
}
