import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { BerthError, isErrno } from '../lib/errors.ts';
import { identifyProcess, type ProcessIdentity } from '../lib/process.ts';
import { parsePid, readIfThere } from './files.ts';
import type { OciRuntime } from './oci-runtime.ts';
import type { BundleFiles, Places } from './places.ts';

/** conmon(8) for one instance. */
export interface ConmonCommand {
  readonly id: string;
  readonly places: Places;
  readonly files: BundleFiles;
  readonly oci: Pick<OciRuntime, 'path' | 'globalArguments'>;
  /** File for the app's output and the size at which conmon starts it again; without it the output is dropped. */
  readonly log?: { readonly path: string; readonly maxBytes: number };
}

/** conmon's arguments. */
export function conmonArguments({ id, places, files, oci, log }: ConmonCommand): readonly string[] {
  const runtimeArguments = [...oci.globalArguments, '--log', files.runtimeLog, '--log-format', 'json'];
  return [
    '--api-version', '1',
    '--cid', id,
    '--cuuid', id,
    '--name', id,
    '--runtime', oci.path,
    ...runtimeArguments.flatMap((argument) => ['--runtime-arg', argument]),
    '--bundle', files.directory,
    '--persist-dir', files.directory,
    '--container-pidfile', files.initPid,
    '--conmon-pidfile', files.monitorPid,
    '--exit-dir', places.exits,
    '--socket-dir-path', places.attach,
    // A log is not worth an fsync between an app's end and the news of it.
    '--no-sync-log',
    ...(log === undefined ? ['--log-path', 'off'] : ['--log-path', `k8s-file:${log.path}`, '--log-size-max', String(log.maxBytes)]),
  ];
}

/** What conmon says in the sync file: the container's first process, or why there is none. */
export type SyncMessage = { readonly pid: number } | { readonly fault: string };

/** The sync file's contents; undefined while the line is not all there. */
export function parseSyncFile(text: string): SyncMessage | undefined {
  if (!text.endsWith('\n')) return undefined;
  let message: { data?: unknown; message?: unknown };
  try {
    message = JSON.parse(text) as typeof message;
  } catch {
    // conmon does not escape all that an OCI runtime may print.
    return { fault: text.trim() };
  }
  if (typeof message.data === 'number' && message.data > 0) return { pid: message.data };
  return { fault: typeof message.message === 'string' ? message.message.trim() : '' };
}

/**
 * Starts conmon in `bundle`, which then creates the container. `place` is called with its process before it does
 * anything. The sync pipe is a file: a pipe whose reader dies would take conmon with it, and leave a container.
 * Resolves once conmon has detached itself.
 */
export async function startConmon(conmon: string, command: ConmonCommand, place: (pid: number) => void): Promise<ProcessIdentity> {
  const { files, places, id } = command;
  const descriptors: number[] = [];
  const open = (path: string): number => {
    const descriptor = openSync(path, 'w', 0o600);
    descriptors.push(descriptor);
    return descriptor;
  };
  try {
    const child = spawn(conmon, [...conmonArguments(command)], {
      cwd: files.directory,
      detached: true,
      stdio: ['ignore', 'ignore', open(files.monitorLog), open(`${places.syncs}/${id}`), 'pipe'],
      // UTC, so that time stamps in logs stay in order over changes of the zone.
      env: { PATH: process.env['PATH'] ?? '', TZ: 'UTC', _OCI_SYNCPIPE: '3', _OCI_STARTPIPE: '4' },
    });
    const detached = new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', resolve);
    });
    const startPipe = child.stdio[4] as Duplex;
    startPipe.on('error', () => undefined); // conmon's exit code tells the story
    try {
      if (child.pid !== undefined) place(child.pid);
    } finally {
      startPipe.end('\n');
    }
    const code = await detached;
    const pid = parsePid(readIfThere(files.monitorPid));
    const monitor = pid === undefined ? undefined : identifyProcess(pid);
    if (code === 0 && monitor !== undefined) return monitor;
    throw new BerthError('runtime', `conmon failed: ${monitorMessage(files) ?? `exit status ${code}`}`);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw new BerthError('unavailable', `conmon not found (${conmon}); install the package conmon`, { cause: error });
    throw error;
  } finally {
    for (const descriptor of descriptors) closeSync(descriptor);
  }
}

/** conmon's last words; undefined if it had none. */
export function monitorMessage(files: BundleFiles): string | undefined {
  const text = readIfThere(files.monitorLog)?.trim().split('\n').at(-1) ?? '';
  return text === '' ? undefined : text.replace(/^\[conmon:[a-z]\]:\s*/, '');
}
