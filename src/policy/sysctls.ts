/**
 * Kernel settings that a namespace has for itself (namespaces(7)): of its network, System V IPC and POSIX message
 * queues. Every other one is the host's.
 */
const ownSysctl = /^(net\.[a-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*|kernel\.(msg(max|mnb|mni|_next_id)|shm(all|max|mni|_next_id|_rmid_forced)|sem(_next_id)?|msg\*|shm\*)|fs\.mqueue\.[a-z0-9_*]+)$/;

/** True for the name of a sysctl (or a pattern of such names) that a container can have for itself. */
export function isOwnSysctl(name: string): boolean {
  return ownSysctl.test(name);
}
