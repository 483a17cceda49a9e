import { spawn, type SpawnOptions } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { BerthError, isErrno } from './errors.ts';

/**
 * How a child ended, in words. A shell that ran it says by a status above 128 which signal ended it (POSIX.1, Shell
 * 2.8.2).
 */
export function endOf(code: number | null, signal: NodeJS.Signals | null): { readonly killedBy?: string; readonly text: string } {
  const number = code !== null && code > 128 ? code - 128 : undefined;
  const killedBy = signal ?? Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return killedBy === undefined ? { text: `ended with exit status ${code}` } : { killedBy, text: `was ended by ${killedBy}` };
}

/** How a child process ended, and what it said. */
export interface RunResult {
  /** Exit code, or null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Ends the child with SIGKILL and rejects with `cancelled`. */
  readonly signal?: AbortSignal;
  /** Ends the child with SIGKILL and rejects with `timeout`; no limit by default. */
  readonly timeoutMs?: number;
  /** Kept of each of stdout and stderr; the rest is read and dropped. */
  readonly maxOutputBytes?: number;
}

/**
 * Runs a program to its end and gives what it printed; a non-zero exit is a result, not an error.
 * @throws BerthError `unavailable` if there is no such program, `timeout`, `cancelled`.
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const max = options.maxOutputBytes ?? 1024 * 1024;
  const spawnOptions: SpawnOptions = { stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] };
  if (options.env !== undefined) spawnOptions.env = options.env;
  if (options.cwd !== undefined) spawnOptions.cwd = options.cwd;
  const child = spawn(command, [...args], spawnOptions);
  const stdout = collect(child.stdout!, max);
  const stderr = collect(child.stderr!, max);
  let reason: BerthError | undefined;
  const kill = (why: BerthError): void => {
    reason = why;
    child.kill('SIGKILL');
  };
  const onAbort = (): void => {
    kill(new BerthError('cancelled', `${command} was cancelled`));
  };
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          kill(new BerthError('timeout', `${command} did not end within ${options.timeoutMs} ms`));
        }, options.timeoutMs);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted === true) onAbort();
  try {
    return await new Promise<RunResult>((resolve, reject) => {
      child.on('error', (error) => {
        reject(isErrno(error, 'ENOENT') ? new BerthError('unavailable', `program not found: ${command}`, { cause: error }) : error);
      });
      child.on('close', (code, signal) => {
        if (reason === undefined) resolve({ code, signal, stdout: stdout(), stderr: stderr() });
        else reject(reason);
      });
      if (options.input !== undefined) {
        // A child that does not read all its input closes the pipe; its exit code tells the story.
        child.stdin!.on('error', () => undefined);
        child.stdin!.end(options.input);
      }
    });
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}

function collect(stream: NodeJS.ReadableStream, max: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < max) chunks.push(chunk.subarray(0, max - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** A process of this boot that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of `/proc/PID/stat` (proc_pid_stat(5)): clock ticks after boot when it started. */
  readonly startTime: number;
}

/** The identity of a process, or undefined if there is none or it is a zombie. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
  // The second field, the program's name in brackets, may itself hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, startTime: Number(fields[19]) };
}

/** True while this very process runs (a zombie, or another process that got its number, does not count). */
export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTime === identity.startTime;
}
