/**
 * What is in the /dev of every container (OCI runtime specification, "Default Devices"): nodes that do no harm, links
 * and the places where the runtime mounts the container's own file systems.
 */
export const standardNodes = [
  { path: 'null', major: 1, minor: 3 },
  { path: 'zero', major: 1, minor: 5 },
  { path: 'full', major: 1, minor: 7 },
  { path: 'random', major: 1, minor: 8 },
  { path: 'urandom', major: 1, minor: 9 },
  { path: 'tty', major: 5, minor: 0 },
] as const;

export const standardLinks: Readonly<Record<string, string>> = {
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
  ptmx: 'pts/ptmx',
};

export const standardDirectories = ['pts', 'shm', 'mqueue'] as const;

/** Names in /dev that no declaration may have. */
export const standardNames: ReadonlySet<string> = new Set([...standardNodes.map(({ path }) => path), ...Object.keys(standardLinks), ...standardDirectories, 'console']);
