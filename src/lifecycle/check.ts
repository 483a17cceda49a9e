import type { Clock } from '../lib/clock.ts';
import type { ExecSession } from '../runtime/index.ts';
import { duration } from './reason.ts';

/** Kept of what a check prints, in bytes. */
export const maxCheckOutput = 4096;

export interface CheckResult {
  readonly passed: boolean;
  /** What it printed, or why it could not be run; cut at {@link maxCheckOutput}. */
  readonly output: string;
}

/** One run of a health check's command. */
export interface Check {
  /** Within the timeout; undefined if it was cancelled. */
  readonly result: Promise<CheckResult | undefined>;
  /** Nothing of it runs any more. May come well after the result, if the command is slow to die. */
  readonly gone: Promise<void>;
  cancel(): void;
}

/** Runs a check. Never rejects: what goes wrong is a failed check. The session is killed at the timeout or on `cancel`. */
export function runCheck(exec: () => Promise<ExecSession>, timeoutMs: number, clock: Clock): Check {
  let unwanted = false;
  let session: ExecSession | undefined;
  const drop = (): void => {
    unwanted = true;
    session?.kill();
  };
  const { promise: result, resolve } = Promise.withResolvers<CheckResult | undefined>();
  const cancelTimer = clock.after(timeoutMs, () => {
    drop();
    resolve({ passed: false, output: `no answer within ${duration(timeoutMs)}` });
  });
  const work = async (): Promise<void> => {
    try {
      session = await exec();
      if (unwanted) session.kill();
      const output = collect(session);
      const code = await session.done;
      resolve({ passed: code === 0, output: output() || `exit code ${code}` });
    } catch (error) {
      resolve({ passed: false, output: (error as Error).message });
    } finally {
      cancelTimer();
    }
  };
  return {
    result,
    gone: work(),
    cancel: () => {
      cancelTimer();
      drop();
      resolve(undefined);
    },
  };
}

/** Reads both outputs to their end, so that the command never blocks, and keeps the beginning. */
function collect(session: ExecSession): () => string {
  const chunks: Buffer[] = [];
  let room = maxCheckOutput;
  const take = (chunk: Buffer): void => {
    if (room > 0) chunks.push(chunk.subarray(0, room));
    room -= chunk.length;
  };
  for (const stream of [session.stdout, session.stderr]) stream.on('data', take);
  // A broken pipe shows in the exit code.
  for (const stream of [session.stdin, session.stdout, session.stderr]) stream.on('error', () => undefined);
  session.stdin.end();
  return () => Buffer.concat(chunks).toString('utf8').trim();
}
