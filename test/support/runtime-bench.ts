import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { openRuntime, type InstanceExit, type InstanceRecord, type InstanceSpec, type LogLine, type LogQuery, type Runtime, type RuntimeOptions } from '../../src/runtime/index.ts';
import { makeRootfs } from './rootfs.ts';
import { safeConfig, type SafeConfigOptions } from './runtime-config.ts';

type Overrides = Partial<SafeConfigOptions> & Partial<Omit<InstanceSpec, 'id' | 'config'>>;

/** A runtime with directories and a cgroup of its own; when disposed of, it checks that nothing is left. */
export class RuntimeBench {
  readonly directory: string;
  readonly cgroupParent: string;
  readonly journal: string[] = [];
  runtime: Runtime;
  readonly #options: RuntimeOptions;
  readonly #exits: InstanceExit[] = [];
  readonly #waiting = new Map<string, (exit: InstanceExit) => void>();

  private constructor(directory: string, options: RuntimeOptions, runtime: Runtime, journal: string[]) {
    this.directory = directory;
    this.cgroupParent = options.cgroupParent!;
    this.#options = options;
    this.runtime = runtime;
    this.journal = journal;
    this.#listen();
  }

  static async open(options: Partial<RuntimeOptions> = {}): Promise<RuntimeBench> {
    const directory = mkdtempSync('/run/berth-test-');
    // A container's root passes through here, whoever it is.
    chmodSync(directory, 0o711);
    await makeRootfs(join(directory, 'rootfs'));
    const journal: string[] = [];
    const all: RuntimeOptions = {
      runDir: join(directory, 'r'),
      logDir: join(directory, 'logs'),
      cgroupParent: `/${directory.slice('/run/'.length)}`,
      // Another than the first that works, to run the same tests with it.
      ...(process.env['BERTH_TEST_OCI'] === undefined ? {} : { oci: process.env['BERTH_TEST_OCI'] }),
      clock: systemClock,
      journal: (level, message) => journal.push(`${level}: ${message}`),
      ...options,
    };
    return new RuntimeBench(directory, all, await openRuntime(all), journal);
  }

  /** Lets the runtime go and opens it again on the same directories, as a daemon that was restarted does. */
  async reopen(): Promise<void> {
    await this.runtime.close();
    this.runtime = await openRuntime(this.#options);
    this.#listen();
  }

  /** Runs a shell script (or a program with its arguments) as an instance. */
  async start(program: string | readonly string[], overrides: Overrides = {}): Promise<InstanceRecord> {
    const app = overrides.app ?? 'demo';
    const args = typeof program === 'string' ? ['/bin/sh', '-c', program] : program;
    const config = safeConfig({ rootfs: join(this.directory, 'rootfs'), cgroupPath: this.runtime.cgroupPath(app), args, ...overrides });
    const { hostPaths, busNames } = overrides;
    return await this.runtime.start({ id: randomBytes(32).toString('hex'), app, config, ...(hostPaths === undefined ? {} : { hostPaths }), ...(busNames === undefined ? {} : { busNames }) });
  }

  /** How an instance ends, or has ended. */
  async exit(record: InstanceRecord): Promise<InstanceExit> {
    const done = this.#exits.find((exit) => exit.id === record.id);
    return done ?? (await new Promise((resolve) => this.#waiting.set(record.id, resolve)));
  }

  /** How often an end was told. */
  exitCount(record: InstanceRecord): number {
    return this.#exits.filter((exit) => exit.id === record.id).length;
  }

  async lines(app: string, query: LogQuery = {}): Promise<readonly LogLine[]> {
    const lines: LogLine[] = [];
    for await (const line of this.runtime.logs(app, query)) lines.push(line);
    return lines;
  }

  /** The text of an app's output once `enough` says so. */
  async output(app: string, enough: (texts: readonly string[]) => boolean): Promise<readonly string[]> {
    const stop = new AbortController();
    const texts: string[] = [];
    for await (const line of this.runtime.logs(app, { follow: true, signal: stop.signal })) {
      texts.push(line.text);
      if (enough(texts)) stop.abort();
    }
    return texts;
  }

  /** What of this bench is left on the host: cgroups, processes, mounts, files of instances. */
  leftovers(): readonly string[] {
    const name = this.directory.slice('/run/'.length);
    const cgroups = readdirSync('/sys/fs/cgroup').flatMap((hierarchy) => directoriesIn(join('/sys/fs/cgroup', hierarchy, name)));
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(name));
    const processes = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && readOrEmpty(`/proc/${pid}/cmdline`).includes(`${this.directory}/`));
    const files = ['bundles', 'exits', 'syncs', 'execs', 'oci', 'attach', 'host-paths', 'bus-names'].flatMap((part) => namesIn(join(this.directory, 'r', part)).map((file) => `${part}/${file}`));
    return [...cgroups, ...mounts, ...processes.map((pid) => `process ${pid}`), ...files];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.runtime.sweep(new Set());
      assert.deepEqual(this.leftovers(), [], 'left behind');
    } finally {
      await this.runtime.close();
      rmSync(this.directory, { recursive: true });
    }
  }

  #listen(): void {
    this.runtime.onExit((exit) => {
      this.#exits.push(exit);
      this.#waiting.get(exit.id)?.(exit);
    });
  }
}

/** Directories below, but not the parent itself, which stays until the runtime is closed. */
function directoriesIn(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
  } catch {
    return [];
  }
}

function namesIn(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
