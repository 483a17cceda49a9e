import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../src/lib/process.ts';
import { everyDirectory, parseCgroupLayout } from '../src/runtime/cgroup-layout.ts';

/** conmon ends within moments of its container; the benchmark looks this often. */
const lookMs = 2;

/** An OCI config as far as it is changed here. */
export interface BareConfig {
  readonly linux: Readonly<Record<string, unknown>>;
}

/** How long the two steps of a start took, in milliseconds. */
export interface BareStart {
  readonly createMs: number;
  readonly startMs: number;
}

export interface BareOptions {
  /** For bundles, exit files and what runc keeps. */
  readonly directory: string;
  /** For what the containers print. */
  readonly logs: string;
  /** Absolute path of a control group that nobody else uses. */
  readonly cgroup: string;
  /** Path of the program. */
  readonly runc: string;
}

/** Containers run by conmon and runc with nothing around them: what a start through Berth is compared with. */
export class BareContainers implements AsyncDisposable {
  readonly #directory: string;
  readonly #logs: string;
  readonly #cgroup: string;
  readonly #runc: string;
  readonly #started = new Set<string>();

  constructor({ directory, logs, cgroup, runc }: BareOptions) {
    this.#directory = directory;
    this.#logs = logs;
    this.#cgroup = cgroup;
    this.#runc = runc;
    for (const name of ['bundles', 'exits', 'attach']) mkdirSync(join(directory, name), { recursive: true, mode: 0o711 });
  }

  /** Makes a bundle; `root.path` of the config must be absolute. */
  bundle(id: string, config: BareConfig): void {
    const path = this.#bundle(id);
    mkdirSync(path, { recursive: true, mode: 0o711 });
    const placed = { ...config, linux: { ...config.linux, cgroupsPath: `${this.#cgroup}/${id}` } };
    writeFileSync(join(path, 'config.json'), JSON.stringify(placed));
  }

  /** From conmon's start until `runc start` has returned. */
  async start(id: string): Promise<BareStart> {
    this.#started.add(id);
    const begin = performance.now();
    await this.#create(id);
    const created = performance.now();
    await this.#run('start', id);
    return { createMs: created - begin, startMs: performance.now() - created };
  }

  /** Kills a container and takes it away; resolves when conmon has reported its end. */
  async end(id: string): Promise<void> {
    await this.#run('kill', id, 'KILL');
    const exit = join(this.#directory, 'exits', id);
    while (!existsSync(exit)) await delay(lookMs);
    rmSync(exit);
    await this.#run('delete', id);
    rmSync(join(this.#directory, 'attach', id), { force: true });
    this.#started.delete(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#started) await this.end(id);
    const layout = parseCgroupLayout(readFileSync('/proc/self/mountinfo', 'utf8'));
    for (const path of everyDirectory(layout, this.#cgroup)) if (existsSync(path)) rmdirSync(path);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #bundle(id: string): string {
    return join(this.#directory, 'bundles', id);
  }

  /** conmon tells the first process's number on the sync pipe once the container is created. */
  async #create(id: string): Promise<void> {
    const bundle = this.#bundle(id);
    const conmon = spawn(
      'conmon',
      [
        '--api-version', '1', '--cid', id, '--cuuid', id, '--name', id,
        '--runtime', this.#runc, '--runtime-arg', '--root', '--runtime-arg', join(this.#directory, 'oci'),
        '--bundle', bundle, '--persist-dir', bundle,
        '--container-pidfile', join(bundle, 'init.pid'), '--conmon-pidfile', join(bundle, 'conmon.pid'),
        '--log-path', `k8s-file:${join(this.#logs, id)}`, '--log-size-max', '1048576',
        '--exit-dir', join(this.#directory, 'exits'), '--socket-dir-path', join(this.#directory, 'attach'),
        '--no-new-keyring',
      ],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], env: { ...process.env, _OCI_SYNCPIPE: '3', _OCI_STARTPIPE: '4' } },
    );
    const [, , , sync, start] = conmon.stdio as [null, null, null, Readable, Writable];
    const told = once(sync, 'data');
    start.end('\n');
    const message = String((await told)[0]);
    sync.destroy();
    if (!/"data": *[1-9]/.test(message)) throw new Error(`bare container ${id} was not created: ${message}`);
  }

  async #run(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await run(this.#runc, ['--root', join(this.#directory, 'oci'), ...args]);
    if (code !== 0) throw new Error(`runc ${args.join(' ')}: ${stderr}`);
  }
}
