import { copyFile, mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';

/** What tests run in their containers. */
const applets = ['sh', 'awk', 'cat', 'chmod', 'date', 'dd', 'echo', 'env', 'false', 'grep', 'head', 'id', 'kill', 'ls', 'mkdir', 'nc', 'printf', 'ps', 'pwd', 'rm', 'seq', 'sleep', 'tail', 'test', 'touch', 'tr', 'true', 'wc', 'yes'];

/** Makes a small root file system of a statically linked BusyBox (Debian's busybox-static). */
export async function makeRootfs(directory: string): Promise<void> {
  for (const name of ['bin', 'dev', 'etc', 'proc', 'run', 'sys', 'tmp']) await mkdir(join(directory, name), { recursive: true });
  await copyFile(await staticBusybox(), join(directory, 'bin', 'busybox'));
  for (const applet of applets) await symlink('busybox', join(directory, 'bin', applet));
}

async function staticBusybox(): Promise<string> {
  for (const path of ['/bin/busybox', '/usr/bin/busybox']) {
    // A dynamically linked program names its loader (ELF segment PT_INTERP).
    const program = await readFile(path).catch(() => undefined);
    if (program !== undefined && !program.includes('/ld-linux') && !program.includes('/ld-musl')) return path;
  }
  throw new Error('no statically linked busybox here; install the package busybox-static');
}
