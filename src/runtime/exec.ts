import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { asBerthError, BerthError } from '../lib/errors.ts';
import { ifThere, parsePid, readIfThere } from './files.ts';
import { plainMessage } from './oci-runtime.ts';
import { bundleFiles } from './places.ts';
import type { Room } from './room.ts';
import type { ExecSession, ExecSpec } from './types.ts';

/** An OCI `process` (config.md, "Process"), as far as it matters here. */
type OciProcess = Readonly<Record<string, unknown>>;

/** What a command runs as: the container's own process, with no more rights than that, but for what is asked for. */
export function execProcess(own: OciProcess, spec: ExecSpec): OciProcess {
  const { consoleSize: _, ...rest } = own;
  return {
    ...rest,
    terminal: false,
    args: spec.command,
    ...(spec.env === undefined ? {} : { env: spec.env }),
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    ...(spec.user === undefined ? {} : { user: { uid: spec.user.uid, gid: spec.user.gid } }),
  };
}

/** Exit codes of a shell for a program that cannot be run (POSIX.1, Shell 2.8.2). */
const notFoundCode = 127;
const notExecutableCode = 126;

/**
 * Exit code for a command that was never run, from the message of runc (1.1) or crun (1.8); undefined if the runtime
 * itself is at fault.
 */
export function codeOfFailedExec(message: string): number | undefined {
  if (/executable file (.* )?not found|\bexec: .*no such file or directory/i.test(message)) return notFoundCode;
  if (/\bexec: .*(permission denied|is a directory)|exec format error|^open executable: /i.test(message)) return notExecutableCode;
  return undefined;
}

/** Runs a command in a running instance. */
export function execInInstance(room: Room, id: string, spec: ExecSpec): ExecSession {
  const config = JSON.parse(readFileSync(bundleFiles(room.places, id).config, 'utf8')) as { process: OciProcess };
  const name = randomBytes(8).toString('hex');
  const at = (suffix: string): string => join(room.places.execs, `${name}.${suffix}`);
  writeFileSync(at('json'), JSON.stringify(execProcess(config.process, spec)), { mode: 0o600 });
  const { path, globalArguments } = room.oci;
  const child = spawn(
    path,
    [...globalArguments, '--log', at('log'), '--log-format', 'json', 'exec', '--process', at('json'), '--pid-file', at('pid'), id],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  // A command that does not read all its input closes the pipe; that is no fault.
  child.stdin.on('error', () => undefined);

  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', (error) => { reject(asBerthError(error)); });
    child.on('close', (code, signal) => { resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])); });
  });
  const killIfStarted = (): void => {
    const pid = parsePid(readIfThere(at('pid')));
    // Only while it is the child of our own runtime process can the number not have gone to another.
    if (pid !== undefined && child.exitCode === null && parentOf(pid) === child.pid) ifThere(() => process.kill(pid, 'SIGKILL'));
  };
  let unwatch: (() => void) | undefined;
  const finish = async (): Promise<number> => {
    try {
      const code = await ended;
      if (readIfThere(at('pid')) !== undefined) return code;
      const message = plainMessage(readIfThere(at('log')) ?? '');
      const failure = codeOfFailedExec(message);
      if (failure === undefined) throw new BerthError('runtime', `the command could not be run: ${message}`);
      return failure;
    } finally {
      unwatch?.();
      for (const suffix of ['json', 'pid', 'log']) await rm(at(suffix), { force: true });
    }
  };
  const done = finish();
  // Who only reads the output need not look at how it ended.
  done.catch(() => undefined);
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    done,
    kill: () => {
      // Not started yet: as soon as it is.
      unwatch ??= room.execs.on(`${name}.pid`, killIfStarted);
      killIfStarted();
    },
  };
}

function parentOf(pid: number): number | undefined {
  const match = /^PPid:\t(\d+)$/m.exec(readIfThere(`/proc/${pid}/status`) ?? '');
  return match === null ? undefined : Number(match[1]);
}
