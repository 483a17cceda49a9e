import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, rmdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { syncFileSystem } from '../src/lib/durable.ts';
import { run } from '../src/lib/process.ts';
import { findProgram } from '../src/runtime/program.ts';
import { berthdBundle, projectRoot, TestDaemon, type TestDaemonOptions } from '../test/support/berthd.ts';
import { Town } from '../test/support/town.ts';
import { BareContainers } from './bare.ts';
import { succeed } from './succeed.ts';

export interface WorkbenchOptions {
  /** Fewer rounds: to see that everything works, not to compare. */
  readonly quick: boolean;
  /** Runs `berthd` with Node's own settings instead of those it is shipped with. */
  readonly plainNode: boolean;
}

/** Room for the largest package, twice; the file is sparse. */
const diskBytes = 4 * 1024 ** 3;

/**
 * What all figures share: a file system of their own, daemons, and the end of everything that was started.
 *
 * The file system is ext4 in a file, mounted by a loop device: what other programs write meanwhile is not synced with
 * what is measured, and how the machine's own was made (without a journal, nearly full) does not matter.
 */
export class Workbench implements AsyncDisposable {
  readonly quick: boolean;
  /** On the disk; containers can pass through it. */
  readonly directory: string;
  readonly #name: string;
  /** In memory, as `/run` is on a device; a short path, since sockets are put there. */
  readonly #runDirectory: string;
  readonly #launcher: string | undefined;
  readonly #things: AsyncDisposable[] = [];
  #count = 0;

  private constructor(options: WorkbenchOptions) {
    const id = randomBytes(2).toString('hex');
    this.quick = options.quick;
    this.#name = `berth-bench-${id}`;
    this.directory = join('/var/tmp', this.#name);
    this.#runDirectory = `/run/bb-${id}`;
    this.#launcher = options.plainNode ? undefined : join(this.directory, 'berthd');
  }

  static async make(options: WorkbenchOptions): Promise<Workbench> {
    const bench = new Workbench(options);
    try {
      await bench.#mount();
      if (bench.#launcher !== undefined) writeLauncher(bench.#launcher);
    } catch (error) {
      await bench[Symbol.asyncDispose]();
      throw error;
    }
    return bench;
  }

  /** How many rounds to measure, of those that a full run takes. */
  rounds(full: number): number {
    return this.quick ? Math.max(3, Math.round(full / 10)) : full;
  }

  /** A new directory on the disk. */
  folder(): string {
    return this.#makeIn(this.directory);
  }

  /** A daemon with a store of its own, running; `within` comes before the command that starts it. */
  async startDaemon(config = '', { within = [], ...options }: Pick<TestDaemonOptions, 'policy'> & { readonly within?: readonly string[] } = {}): Promise<TestDaemon> {
    const program = [...within, ...(this.#launcher === undefined ? [process.execPath, berthdBundle] : [this.#launcher])];
    const daemon = new TestDaemon({ directory: this.#makeIn(this.#runDirectory), root: this.folder(), config, program, ...options });
    this.#things.push({ [Symbol.asyncDispose]: () => daemon.destroy() });
    await daemon.start();
    return daemon;
  }

  async bareContainers(): Promise<BareContainers> {
    const runc = await findProgram('runc');
    if (runc === undefined) throw new Error('runc is not there; install the package runc');
    const containers = new BareContainers({ directory: this.#makeIn(this.#runDirectory), logs: this.folder(), cgroup: `/${this.#name}`, runc });
    this.#things.push(containers);
    return containers;
  }

  /** A network of its own for a daemon. */
  async town(): Promise<Town> {
    const town = new Town();
    this.#things.push({ [Symbol.asyncDispose]: () => town.close() });
    await town.open();
    return town;
  }

  /** Waits until the disk has nothing to do, so that the next measurement does not pay for what was before. */
  async settle(): Promise<void> {
    await syncFileSystem(this.directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const thing of this.#things.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
    for (const path of [this.#runDirectory, this.directory]) {
      if (!existsSync(path)) continue;
      if (await isMounted(path)) await succeed('/', 'umount', path);
      rmdirSync(path);
    }
    rmSync(this.#disk, { force: true });
  }

  get #disk(): string {
    return `${this.directory}.ext4`;
  }

  async #mount(): Promise<void> {
    closeSync(openSync(this.#disk, 'wx'));
    truncateSync(this.#disk, diskBytes);
    await succeed('/', 'mkfs.ext4', '-q', this.#disk);
    for (const path of [this.directory, this.#runDirectory]) mkdirSync(path);
    await succeed('/', 'mount', '-o', 'loop', this.#disk, this.directory);
    await succeed('/', 'mount', '-t', 'tmpfs', '-o', 'mode=0711', 'berth-bench', this.#runDirectory);
    chmodSync(this.directory, 0o711);
  }

  #makeIn(parent: string): string {
    const path = join(parent, String((this.#count += 1)));
    mkdirSync(path, { mode: 0o711 });
    return path;
  }
}

/** The shipped program, which knows Node's options, with the paths of this checkout. */
function writeLauncher(path: string): void {
  const shipped = readFileSync(join(projectRoot, 'packaging/deb/berthd'), 'utf8');
  writeFileSync(path, shipped.replaceAll('/usr/lib/berth/node', process.execPath).replaceAll('/usr/lib/berth/berthd.cjs', berthdBundle));
  chmodSync(path, 0o755);
}

async function isMounted(path: string): Promise<boolean> {
  return (await run('mountpoint', ['-q', path])).code === 0;
}
