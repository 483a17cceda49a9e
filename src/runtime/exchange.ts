import { mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openNewFiles } from '../lib/acl.ts';
import { BerthError, isErrno } from '../lib/errors.ts';
import { run } from '../lib/process.ts';

/**
 * Room for sockets, not for data: what an exporting app can take of the host's memory. Every user may write, since the
 * app may run as any of its own; of containers only the exporting one has it writable, and on the host nobody but root
 * gets there.
 */
const tmpfsOptions = 'size=1m,nr_inodes=64,mode=1777,nosuid,nodev,noexec';

/**
 * The directories that apps export to each other, each a small tmpfs of its own so that no app can fill the host's.
 * They live from the first start of an app that exports or imports them until the exporting app is removed.
 */
export interface Exchange {
  /** The host directory of an export, mounted if it was not yet; `owner` is the user of the host that the exporting app's root is. */
  open(app: string, name: string, owner: number): Promise<string>;
  /** Takes away all exports of an app; who still has them mounted keeps what was in them. */
  forget(app: string): Promise<void>;
  /** Takes away the exports of all apps but these. */
  retain(apps: ReadonlySet<string>): Promise<void>;
}

/** Exports under `<runDir>/exchange/<app>/<name>`. */
export function openExchange(runDir: string): Exchange {
  const root = join(runDir, 'exchange');
  const opening = new Map<string, Promise<string>>();
  const openOnce = async (path: string, owner: number): Promise<string> => {
    if (!(await isMounted(path))) {
      await mkdir(root, { recursive: true, mode: 0o700 });
      await mkdir(path, { recursive: true, mode: 0o711 });
      await must('mount', ['-t', 'tmpfs', '-o', `${tmpfsOptions},uid=${owner},gid=${owner}`, 'berth', path]);
      // Who imports is another user: to connect to a socket takes the permission to write to it.
      await openNewFiles(path);
    }
    return path;
  };
  const forget = async (app: string): Promise<void> => {
    const directory = join(root, app);
    for (const name of await entries(directory)) {
      const path = join(directory, name);
      opening.delete(path);
      if (await isMounted(path)) await must('umount', ['-l', path]);
      await rmdir(path);
    }
    await rm(directory, { recursive: true, force: true });
  };
  return {
    open: (app, name, owner) => {
      const path = join(root, app, name);
      const opened = opening.get(path) ?? openOnce(path, owner);
      opening.set(path, opened);
      opened.catch(() => opening.delete(path));
      return opened;
    },
    forget,
    retain: async (apps) => {
      for (const app of await entries(root)) if (!apps.has(app)) await forget(app);
    },
  };
}

async function isMounted(path: string): Promise<boolean> {
  // proc_pid_mountinfo(5): the fifth field is the mount point; names of apps and exports need no unescaping.
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  return mounts.split('\n').some((line) => line.split(' ')[4] === path);
}

async function entries(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, args);
  if (code !== 0) throw new BerthError('io', `${command} ${args.at(-1)} failed: ${stderr.trim()}`);
}
