import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { BerthError, isErrno } from './errors.ts';
import { faultDirectory } from './faults.ts';
import { idsPerApp } from './id-range.ts';

/** A program and its arguments. */
export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

/** Users, and groups, of a user namespace and of the host (user_namespaces(7), "uid_map"). */
export interface IdMapping {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

export interface ConfinementOptions {
  readonly ids: readonly IdMapping[];
  /** Directories and files, absolute, that are seen where they are on the host, besides the system's programs. */
  readonly readable: readonly string[];
  /** The same, and may be changed by those whose they are. */
  readonly writable: readonly string[];
}

/** Where programs and their libraries are (Filesystem Hierarchy Standard), and what the dynamic linker reads. */
const systemPaths = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/usr', '/etc/ld.so.cache', '/etc/alternatives'];

/**
 * Builds the root of the confinement, and waits in a user namespace that has no users yet. It needs a directory to build
 * on that nothing else is needed of: /sys. Arguments: `ro` or `rw` before each path. No name of the host's is left in
 * the mount namespace, which belongs to the host's root, so that nobody inside can change it.
 */
const buildRoot = `set -e
mount -t tmpfs -o mode=755,size=1m confined /sys
while [ $# -gt 0 ]; do
  at=/sys$2
  mkdir -p "\${at%/*}"
  if [ -L "$2" ]; then
    cp -P "$2" "$at"
  else
    if [ -d "$2" ]; then mkdir -p "$at"; else [ -e "$at" ] || : > "$at"; fi
    mount --bind "$2" "$at"
    mount -o remount,bind,nosuid,$1 "$at"
  fi
  shift 2
done
mkdir -p /sys/proc /sys/.host
mount -t proc -o nosuid,nodev,noexec proc /sys/proc
cd /sys
pivot_root . .host
umount -l /.host
mount -o remount,ro,nosuid /
exec unshare --user cat`;

/**
 * Runs a program as root of the user namespace in the file $0. The first process of its pid namespace is a shell that is
 * the host's root: the kernel ends it together with its parent, and with it all that is in the namespace.
 */
const enter = `exec 9<"$0"
exec unshare --pid --fork --kill-child --mount-proc -- sh -c '"$@"; exit $?' sh nsenter --user=/proc/self/fd/9 --setuid=0 --setgid=0 -- "$@"`;

/** Namespaces of a confinement, by their names in /proc/PID/ns. */
const kinds = ['mnt', 'net', 'ipc', 'user'] as const;

/**
 * A place for children that read what strangers wrote: they are root there, which is nobody on the host, see nothing of
 * the host but what they need, and have no network. Each has a pid namespace of its own besides, so that nothing which
 * it started outlives it.
 */
export class Confinement implements Disposable {
  readonly #descriptors: Readonly<Record<(typeof kinds)[number], number>>;
  #isOpen = true;

  private constructor(pid: number) {
    this.#descriptors = openAll(pid);
  }

  /**
   * Makes one. No process stays in it: it lasts as long as this process holds it, or a child is in it.
   * @throws BerthError `unavailable` if the system does not let it be made
   */
  static async open({ ids, readable, writable }: ConfinementOptions): Promise<Confinement> {
    const seen = [...systemPaths.filter((path) => existsSync(path)), '/dev/null', ...readable].map((path) => ['ro', path]);
    const changed = [...writable, ...faultDirectory()].map((path) => ['rw', path]);
    const paths = [...seen, ...changed];
    for (const [, path] of paths) if (!isAbsolute(path!)) throw new BerthError('internal', `not an absolute path: ${path}`);
    // Ends with its input, so at the latest when this process does.
    const holder = spawn('unshare', ['--mount', '--net', '--ipc', 'sh', '-c', buildRoot, 'sh', ...paths.flat()], { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/' });
    const ended = once(holder, 'close').catch((error: unknown) => [error]);
    let fault = '';
    holder.stderr.setEncoding('utf8').on('data', (text: string) => {
      fault += text;
    });
    holder.stdin.on('error', () => undefined);
    try {
      // What goes in comes back out once it has its user namespace.
      holder.stdin.write('\n');
      await Promise.race([once(holder.stdout, 'data'), ended]);
      if (holder.exitCode !== null || holder.signalCode !== null || holder.pid === undefined) {
        const [error] = await ended;
        throw new BerthError('unavailable', `cannot make a place for children to work in: ${fault.trim() || (error instanceof Error ? error.message : 'unshare ended')}; \`berth doctor\` looks at user namespaces`);
      }
      const map = ids.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join('');
      for (const file of ['uid_map', 'gid_map']) writeFileSync(`/proc/${holder.pid}/${file}`, map);
      return new Confinement(holder.pid);
    } finally {
      holder.kill('SIGKILL');
      await ended;
    }
  }

  /** What runs a program here. When it is killed, or the program ends, nothing that the program has started goes on. */
  run({ command, args }: Command): Command {
    const at = (kind: (typeof kinds)[number]): string => `/proc/${process.pid}/fd/${this.#descriptors[kind]}`;
    return {
      command: 'nsenter',
      args: [`--mount=${at('mnt')}`, `--net=${at('net')}`, `--ipc=${at('ipc')}`, '--', 'sh', '-c', enter, at('user'), command, ...args],
    };
  }

  /** Children that are in it go on. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const descriptor of Object.values(this.#descriptors)) closeSync(descriptor);
  }
}

function openAll(pid: number): Record<(typeof kinds)[number], number> {
  const [mnt, net, ipc, user] = kinds.map((kind) => openSync(`/proc/${pid}/ns/${kind}`, 'r'));
  return { mnt: mnt!, net: net!, ipc: ipc!, user: user! };
}

/**
 * Ends what earlier children have left, however they came to: every process whose user is one of the `idsPerApp` from
 * `base` on and that sees the directory `path` there. For the start, when none should be there.
 */
export function endStrays(base: number, path: string): void {
  const ended = new Set<number>();
  const place = statSync(path);
  // By what is there, since in another mount namespace another berthd may have a directory of the same name.
  const sees = (pid: number): boolean => {
    const found = statSync(`/proc/${pid}/root${path}`, { throwIfNoEntry: false });
    return found?.ino === place.ino && found.dev === place.dev;
  };
  for (let before = -1; before < ended.size;) {
    before = ended.size;
    for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
      try {
        const { uid } = statSync(`/proc/${pid}`);
        if (ended.has(pid) || uid < base || uid >= base + idsPerApp || !sees(pid)) continue;
        process.kill(pid, 'SIGKILL');
        // It may have started others before it ended.
        ended.add(pid);
      } catch (error) {
        if (!isErrno(error, 'ENOENT', 'ESRCH')) throw error;
      }
    }
  }
}
