import { matches } from '../lib/pattern.ts';
import type { Decisions } from './decisions.ts';
import type { Request } from './request.ts';
import type { Rights } from './rights.ts';

/**
 * Kernel settings that a namespace has for itself (namespaces(7)): of its network, System V IPC and POSIX message
 * queues. Every other one is the host's.
 */
const ownSysctl = /^(net\.[a-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*|kernel\.(msg(max|mnb|mni|_next_id)|shm(all|max|mni|_next_id|_rmid_forced)|sem(_next_id)?|msg\*|shm\*)|fs\.mqueue\.[a-z0-9_*]+)$/;

/** True for the name of a sysctl (or a pattern of such names) that a container can have for itself. */
export function isOwnSysctl(name: string): boolean {
  return ownSysctl.test(name);
}

/**
 * `linux.sysctl`: those among the rights, as far as the app has them for itself.
 * @param ownNetwork false if the app is on the network of the host, whose settings those of `net` then would be
 */
export function grantSysctls(request: Request | undefined, { sysctls }: Pick<Rights, 'sysctls'>, ownNetwork: boolean, decide: Decisions): Readonly<Record<string, string>> {
  const granted: [string, string][] = [];
  for (const name of request?.names ?? []) {
    const path = request!.at(name);
    const value = request!.string(name);
    if (value === undefined) continue;
    const why = whyNot(name, value, sysctls ?? [], ownNetwork);
    if (why === undefined) {
      decide.granted(path, value);
      granted.push([name, value]);
    } else decide.refused(path, value, why);
  }
  return Object.fromEntries(granted);
}

function whyNot(name: string, value: string, rights: readonly string[], ownNetwork: boolean): string | undefined {
  if (name.includes('*') || !isOwnSysctl(name)) return `"${name}" is no setting that a container has for itself (net.*, kernel.msg*, kernel.shm*, kernel.sem, fs.mqueue.*)`;
  if (!/^[\w \t.:,-]{1,200}$/.test(value)) return 'its value is not a short plain text';
  if (name.startsWith('net.') && !ownNetwork) return 'the app is on the network of the host, whose setting it would be';
  return rights.some((pattern) => matches(pattern, name)) ? undefined : `${name} is not among the rights of the app (rights: sysctls)`;
}
