import { chmodSync, chownSync, existsSync, lchownSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BerthError, isErrno } from '../lib/errors.ts';
import { run } from '../lib/process.ts';
import { standardDirectories, standardLinks, standardNodes } from '../policy/index.ts';
import type { LentNode } from './wanted.ts';

/** Room for nodes, not for data. Without `nodev`, or nothing could be opened. */
const tmpfsOptions = 'mode=755,size=64k,nr_inodes=1024,nosuid,noexec';

/** Node cannot call mknod(2), so one shell makes all nodes of a change. */
const makeNodes = `set -e
while [ $# -gt 0 ]; do
  mknod -m 600 "$1" "$2" "$3" "$4"
  shift 4
done`;

/** What a node is called until it has its owner and mode. */
const newName = '.new';

/**
 * A whole app is one party, whichever of its users opens a device; and the directory of all these is root's, so that
 * nobody else on the host gets there.
 */
const modes = { r: 0o444, w: 0o222, rw: 0o666 } as const;

/** What it takes to make a node. */
interface NewNode extends Pick<LentNode, 'path' | 'access'> {
  readonly node: Pick<LentNode['node'], 'type' | 'major' | 'minor'>;
}

/**
 * The /dev of each app that devices are lent to: a small tmpfs of Berth's own, which its container has mounted read-only.
 * What is made or removed here is there or gone in the running container at once.
 */
export class PrivateDevs {
  readonly #root: string;

  /** @param root directory that holds them; gone after a restart of the machine */
  constructor(root: string) {
    this.#root = root;
  }

  path(app: string): string {
    return join(this.#root, app);
  }

  /**
   * Makes an app's /dev anew, with the standard nodes.
   * @param owner host id of the app's root
   */
  async open(app: string, owner: number): Promise<void> {
    await this.close(app);
    const directory = this.path(app);
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    mkdirSync(directory, { mode: 0o711 });
    await must('mount', ['-t', 'tmpfs', '-o', tmpfsOptions, 'berth', directory], `the /dev of ${app} cannot be mounted`);
    for (const name of standardDirectories) mkdirSync(join(directory, name), { mode: 0o755 });
    for (const [name, target] of Object.entries(standardLinks)) {
      symlinkSync(target, join(directory, name));
      lchownSync(join(directory, name), owner, owner);
    }
    await this.#make(app, owner, standardNodes.map(({ path, major, minor }) => ({ path, node: { type: 'c', major, minor }, access: 'rw' })));
  }

  async make(app: string, owner: number, nodes: readonly LentNode[]): Promise<void> {
    if (nodes.length === 0) return;
    for (const { path } of nodes) {
      const directory = dirname(join(this.path(app), path));
      if (directory === this.path(app)) continue;
      mkdirSync(directory, { recursive: true });
      chmodSync(directory, 0o755);
    }
    await this.#make(app, owner, nodes);
  }

  remove(app: string, paths: readonly string[]): void {
    for (const path of paths) rmSync(join(this.path(app), path), { force: true });
  }

  /** Paths of all nodes that are not standard ones, below /dev. */
  lent(app: string): readonly string[] {
    const standard: ReadonlySet<string> = new Set(standardNodes.map(({ path }) => path));
    const entries = readdirSync(this.path(app), { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isCharacterDevice() || entry.isBlockDevice())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.path(app).length + 1))
      .filter((path) => !standard.has(path));
  }

  isOpen(app: string): boolean {
    return mountPoints().has(this.path(app));
  }

  /** No error if there is none. */
  async close(app: string): Promise<void> {
    const directory = this.path(app);
    // Lazily: a process of the app that hangs in the kernel may still have it.
    if (this.isOpen(app)) await must('umount', ['-l', directory], `the /dev of ${app} cannot be taken away`);
    if (existsSync(directory)) rmdirSync(directory);
  }

  /** Takes away those of all other apps. */
  async retain(apps: ReadonlySet<string>): Promise<void> {
    for (const app of namesIn(this.#root)) if (!apps.has(app)) await this.close(app);
  }

  async #make(app: string, owner: number, nodes: readonly NewNode[]): Promise<void> {
    const temporary = (index: number): string => join(this.path(app), `${newName}${index}`);
    const args = nodes.flatMap(({ node: { type, major, minor } }, index) => [temporary(index), type, String(major), String(minor)]);
    try {
      await must('sh', ['-c', makeNodes, 'sh', ...args], `nodes in the /dev of ${app} cannot be made`);
      for (const [index, { path, access }] of nodes.entries()) {
        chownSync(temporary(index), owner, owner);
        chmodSync(temporary(index), modes[access]);
        renameSync(temporary(index), join(this.path(app), path));
      }
    } finally {
      for (const index of nodes.keys()) rmSync(temporary(index), { force: true });
    }
  }
}

/** proc_pid_mountinfo(5): the fifth field is the mount point; names of apps need no unescaping. */
function mountPoints(): ReadonlySet<string> {
  return new Set(readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[4] ?? ''));
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

async function must(command: string, args: readonly string[], problem: string): Promise<void> {
  const { code, stderr } = await run(command, args);
  if (code !== 0) throw new BerthError('io', `${problem}: ${stderr.trim()}`);
}
