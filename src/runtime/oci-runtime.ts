import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BerthError } from '../lib/errors.ts';
import { run } from '../lib/process.ts';

/** Longest that runc or crun may take for one command. */
const commandTimeoutMs = 60_000;

/** The OCI runtime's command line: runc(8) and crun(1) take the same. */
export class OciRuntime {
  /** Path of the program. */
  readonly path: string;
  /** Arguments before the command: where it keeps its state. */
  readonly globalArguments: readonly string[];

  constructor(path: string, root: string) {
    this.path = path;
    this.globalArguments = ['--root', root];
  }

  /** Creates a container whose output goes nowhere. */
  async create(id: string, bundle: string): Promise<void> {
    // The container inherits the output: were it a pipe, its end would come only with the container's.
    const path = join(bundle, 'runtime.log');
    const log = openSync(path, 'w', 0o600);
    try {
      const child = spawn(this.path, [...this.globalArguments, 'create', '--bundle', bundle, id], { stdio: ['ignore', log, log] });
      const code = await new Promise<number | null>((resolve, reject) => {
        child.on('error', reject);
        child.on('exit', resolve);
      });
      if (code !== 0) this.#fail('create', readFileSync(path, 'utf8'));
    } finally {
      closeSync(log);
    }
  }

  async start(id: string): Promise<void> {
    await this.#run('start', id);
  }

  /** Kills what is left of a container and takes its state and cgroups away. */
  async delete(id: string): Promise<void> {
    await this.#run('delete', '--force', id);
  }

  async #run(command: string, ...args: string[]): Promise<void> {
    const { code, stderr } = await run(this.path, [...this.globalArguments, command, ...args], { timeoutMs: commandTimeoutMs });
    if (code !== 0) this.#fail(command, stderr);
  }

  #fail(command: string, text: string): never {
    throw new BerthError('runtime', `${basename(this.path)} ${command}: ${plainMessage(text)}`);
  }
}

/**
 * What runc or crun means, from what it prints or logs: the last error, without the wrapping of its log format
 * (`time=… level=error msg="…"`, or JSON with `--log-format json`).
 */
export function plainMessage(text: string): string {
  const messages = text.split('\n').map((line) => logMessage(line.trim())).filter((line) => line !== '');
  return messages.at(-1) ?? 'it gave no reason';
}

function logMessage(line: string): string {
  const quoted = /\bmsg=("(?:[^"\\]|\\.)*")/.exec(line)?.[1] ?? (line.startsWith('{') ? line : undefined);
  if (quoted === undefined) return line;
  let value: unknown;
  try {
    value = JSON.parse(quoted);
  } catch {
    return line;
  }
  const message = typeof value === 'string' ? value : (value as { readonly msg?: unknown }).msg;
  return typeof message === 'string' ? message : line;
}
