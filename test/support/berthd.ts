/**
 * A real `berthd` for a test: built bundles, a private root and run directory, a cgroup parent of its own. Whatever the
 * test does, nothing of it is left when it ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { verifyImage } from '../../src/image/index.ts';
import { digestHex, type Digest } from '../../src/lib/digest.ts';
import { run, type RunResult } from '../../src/lib/process.ts';

export const projectRoot = join(import.meta.dirname, '../..');
/** The policy for packages of Mbed Linux OS, as it is shipped. */
export const mblCompat = join(projectRoot, 'packaging/policy.d/mbl-compat.yaml');
export const berthdBundle = join(projectRoot, 'dist/berthd.cjs');
export const berthBundle = join(projectRoot, 'dist/berth.cjs');

/** Why container tests cannot run here, or undefined. In CI they must: then this throws. */
export function whyNoContainers(): string | undefined {
  const reason = process.getuid?.() === 0 ? undefined : 'containers need root';
  if (reason !== undefined && process.env['CI'] !== undefined) throw new Error(`${reason}, and in CI container tests must run`);
  return reason;
}

export interface TestDaemonOptions {
  /** Lines for the daemon's configuration. */
  readonly config?: string;
  /** Files of its policy by name; by default the one that takes packages of Mbed Linux OS. */
  readonly policy?: Readonly<Record<string, string>>;
  /** Default: true, so that tests of other things need no signatures. */
  readonly allowUnsigned?: boolean;
  /** Where the store lives, if not in the test's own directory. */
  readonly root?: string;
  /** Where its run directory and configuration are put, if not in a directory of the test's own; a short path. */
  readonly directory?: string;
  /** What is run with the daemon's options; by default Node with the built bundle. */
  readonly program?: readonly string[];
}

/** A daemon under test. */
export class TestDaemon {
  readonly directory: string;
  readonly root: string;
  readonly runDir: string;
  readonly cgroup: string;
  readonly socket: string;
  /** All that the daemon wrote to standard error. */
  log = '';
  readonly #program: readonly string[];
  #process: ChildProcess | undefined;

  constructor(options: TestDaemonOptions) {
    const name = `berth-test-${randomBytes(4).toString('hex')}`;
    this.directory = options.directory ?? `/run/${name}`;
    this.root = options.root ?? join(this.directory, 'root');
    this.runDir = join(this.directory, 'run');
    this.cgroup = `/${name}`;
    this.socket = join(this.runDir, 'berth.sock');
    this.#program = options.program ?? [process.execPath, berthdBundle];
    mkdirSync(join(this.directory, 'platform.d'), { recursive: true, mode: 0o711 });
    mkdirSync(this.policy, { recursive: true });
    const files = Object.entries(options.policy ?? { 'mbl-compat.yaml': readFileSync(mblCompat, 'utf8') });
    for (const [name, text] of files) writeFileSync(join(this.policy, name), text);
    const trust = `trust: { authorities: ${this.directory}/authorities.d, recalls: ${this.directory}/recalls.d, allow-unsigned: ${options.allowUnsigned ?? true} }\n`;
    const config = `cgroup-parent: ${this.cgroup}\nplatform: ${this.directory}/platform.d\ndevices: ${this.directory}/devices.d\npolicy: ${this.policy}\n${options.config?.includes('trust:') === true ? '' : trust}${options.config ?? ''}`;
    writeFileSync(join(this.directory, 'berthd.yaml'), config);
  }

  /** Its `policy.d`. */
  get policy(): string {
    return join(this.directory, 'policy.d');
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  /** Starts it and waits until it serves its socket. */
  async start(): Promise<void> {
    const command = [...this.#program, '--root', this.root, '--run', this.runDir, '--config', join(this.directory, 'berthd.yaml')];
    // In a mount namespace of its own with another boot id, once it was rebooted. The kernel mounts no proc in a user
    // namespace where there is none on which nothing is mounted, so there is a second one.
    const proc = join(this.directory, 'proc');
    const asBooted = ['unshare', '--mount', 'sh', '-c', `mkdir -p ${proc} && mount -t proc proc ${proc} && mount --bind ${this.#bootId} /proc/sys/kernel/random/boot_id && exec "$@"`, 'sh'];
    const [program, ...args] = existsSync(this.#bootId) ? [...asBooted, ...command] : command;
    const child = spawn(program!, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    const lines = createInterface({ input: child.stderr });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        this.log += `${line}\n`;
        if (line.includes('is ready')) resolve();
      });
      child.once('exit', (code, signal) => {
        reject(new Error(`berthd ended before it was ready (${code ?? signal}):\n${this.log}`));
      });
    });
  }

  /** Ends it with a signal; apps go on. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** What a power cut and the next boot do: no process goes on, the run directory is empty, the boot id is another. */
  async reboot(): Promise<void> {
    await this.cutPower();
    await this.start();
  }

  /** A reboot up to where the daemon would be started. */
  async cutPower(): Promise<void> {
    await this.#stopEverything();
    rmSync(this.runDir, { recursive: true, force: true });
    writeFileSync(this.#bootId, `${randomUUID()}\n`);
  }

  /** Runs `berth` against it. */
  berth(...args: string[]): Promise<RunResult> {
    return run(process.execPath, [berthBundle, '--host', `unix://${this.socket}`, ...args]);
  }

  /** Runs `berth --json`, which must succeed, and gives the document. */
  async json<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.berth('--json', ...args);
    if (code !== 0) throw new Error(`berth ${args.join(' ')} ended with ${code}: ${stdout}${stderr}\n${this.log}`);
    return JSON.parse(stdout) as T;
  }

  /** Everything of it that is there outside its own directory: processes, mounts, cgroups. */
  traces(): string[] {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(this.directory)).map((line) => `mount ${line.split(' ')[4]}`);
    return [...mounts, ...this.cgroups().map((path) => `cgroup ${path}`), ...this.processes().map((pid) => `process ${pid}`)];
  }

  cgroups(): string[] {
    const top = '/sys/fs/cgroup';
    return ['', ...readdirSync(top)].map((hierarchy) => join(top, hierarchy, this.cgroup)).filter((path) => existsSync(path)).flatMap(withChildren);
  }

  /** Processes in its cgroups. */
  processes(): number[] {
    const pids = this.cgroups().flatMap((path) => readIfThere(join(path, 'cgroup.procs')).split('\n').filter((line) => line !== ''));
    return [...new Set(pids.map(Number))];
  }

  /** Takes away all of it, in whatever state it is. */
  async destroy(): Promise<void> {
    await this.#stopEverything();
    rmSync(this.directory, { recursive: true, force: true });
  }

  get #bootId(): string {
    return join(this.directory, 'boot-id');
  }

  async #stopEverything(): Promise<void> {
    await this.end('SIGKILL');
    for (const pid of this.processes()) killIfThere(pid);
    // What is frozen cannot end.
    for (const path of this.cgroups()) if (existsSync(join(path, 'freezer.state'))) writeFileSync(join(path, 'freezer.state'), 'THAWED');
    while (this.processes().length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const path of this.cgroups().toReversed()) removeCgroup(path);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[4] ?? '').filter((path) => path.startsWith(this.directory));
    for (const path of mounts.toReversed()) await run('umount', ['-l', path]);
  }
}

/** What differs between an image of a store and its manifest; whose its app is shows in the root directory. */
export async function imageDifferences(root: string, digest: Digest): Promise<readonly string[]> {
  const directory = join(root, 'images', digestHex(digest));
  return verifyImage(directory, { digest, idBase: statSync(join(directory, 'bundle/rootfs')).uid });
}

/** A file that may vanish at any moment, empty then. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENODEV'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

/** One that another process still leaves takes a moment; whoever looks for traces finds it. */
function removeCgroup(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!['ENOENT', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A cgroup and all below it, parents first; of one that ends meanwhile nothing. */
function withChildren(path: string): string[] {
  try {
    const children = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [path, ...children.flatMap((entry) => withChildren(join(path, entry.name)))];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Starts a daemon for this test; it is taken away when the test ends. */
export async function startBerthd(t: TestContext, options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const daemon = new TestDaemon(options);
  t.after(() => daemon.destroy());
  await daemon.start();
  return daemon;
}

/** Waits until `check` gives something; the test's own time limit is the only one. */
export async function until<T>(check: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
