import { spawn } from 'node:child_process';
import { BerthError } from '../../lib/errors.ts';
import { identifyProcess, type ProcessIdentity } from '../../lib/process.ts';
import type { InstanceBusName } from '../types.ts';

/** Whom the system bus takes the filters for. */
export interface BusUser {
  readonly uid: number;
  readonly gid: number;
}

/** Arguments of xdg-dbus-proxy(1): nothing but these names, and the bus itself as far as the filter shows it. */
export function filterArguments(address: string, socket: string, names: readonly InstanceBusName[]): readonly string[] {
  return [address, socket, '--filter', ...names.map(({ name, access }) => `--${access}=${name}`)];
}

/** What a process begins as: it gains no privileges and waits until it is where it belongs, before it does anything. */
const waitForStart = 'read start && exec "$@"';

/**
 * Starts a process that outlives this one, as an unprivileged user.
 * @param place is called with it before it does anything
 */
export async function startDetached(command: readonly string[], cwd: string, { uid, gid }: BusUser, place: (pid: number) => void): Promise<ProcessIdentity> {
  const user = ['setpriv', '--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--no-new-privs', '--'];
  const child = spawn('sh', ['-c', waitForStart, 'sh', ...user, ...command], { cwd, detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // How it ends is seen by looking at the process.
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  const { pid } = child;
  const process = pid === undefined ? undefined : identifyProcess(pid);
  if (pid === undefined || process === undefined) throw new BerthError('runtime', `${command[0]} cannot be started`);
  try {
    place(pid);
  } finally {
    child.stdin.end('\n');
    child.unref();
  }
  return process;
}
