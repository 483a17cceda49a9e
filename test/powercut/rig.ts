/** The rig that records a disk and cuts its power, `../shared/powercut`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../src/lib/process.ts';
import { projectRoot } from '../support/berthd.ts';

const rig = join(projectRoot, '../shared/powercut/powercut');

/** Why no power can be cut here, or undefined. In CI it must be possible: then this throws. */
export function whyNoPowerCuts(): string | undefined {
  if (existsSync(rig)) return undefined;
  if (process.env['CI'] !== undefined) throw new Error('the power-cut rig (../shared/powercut) is not here, and in CI it must be');
  return 'the power-cut rig (../shared/powercut) is not here';
}

/** One moment that was tried. */
export interface Point {
  /** Its number; with the seed and the log it names the moment. */
  readonly k: number;
  readonly label: string;
  readonly failed: string | null;
  /** What the checker printed. */
  readonly out: string;
}

export interface Exploration {
  readonly log: string;
  readonly points: number;
  readonly seed: number;
  readonly jobs: number;
}

/** A command, with the variables that it gets. */
export interface Command {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The rig, with what it needs in a directory. */
export class Rig {
  readonly #node: string;

  constructor(directory: string) {
    this.#node = join(directory, 'node');
    // With threads of its own, Node hangs now and then when it is told to exit while V8 compiles in the background.
    writeFileSync(this.#node, `#!/bin/sh\nexec '${process.execPath}' --single-threaded "$@"\n`, { mode: 0o755 });
  }

  /** Records what a command does to an ext4, which is mounted at `mount`; throws if the command fails. */
  async record(log: string, mount: string, options: readonly string[], command: Command): Promise<void> {
    await this.#must(['record', '--dir', mount, '--log', log, ...options], command);
  }

  /** Runs a checker on the disk as cuts at many moments leave it; passes are in the result as failures are. */
  async explore({ log, points, seed, jobs }: Exploration, checker: Command): Promise<readonly Point[]> {
    const report = `${log}.report`;
    const { code, stdout, stderr } = await this.#call(['explore', '--log', log, '--points', `${points}`, '--seed', `${seed}`, '--jobs', `${jobs}`, '--report', report, '--quiet'], checker);
    // 1: moments were not survived, which the report tells.
    if (code !== 0 && code !== 1) throw new Error(`powercut explore ended with ${code}:\n${stdout}\n${stderr}`);
    return (JSON.parse(readFileSync(report, 'utf8')) as { readonly results: readonly Point[] }).results;
  }

  /** Writes the disk as the cut at one moment leaves it, and gives the marks made before. */
  async saveCut({ log, seed }: Pick<Exploration, 'log' | 'seed'>, k: number, image: string): Promise<string> {
    const marks = `${image}.marks`;
    await this.#must(['replay', '--log', log, '--seed', `${seed}`, '--point', `${k}`, '--image', image], { words: ['sh', '-c', `cp "$POWERCUT_MARKS" '${marks}'`], env: {} });
    return readFileSync(marks, 'utf8');
  }

  /** What to type to see a moment again. */
  again(log: string, seed: number, k: number, { words, env }: Command): string {
    const variables = Object.entries({ ...env, POWERCUT_NODE: this.#node }).map(([name, value]) => `${name}='${value}'`).join(' ');
    return `${variables} ../shared/powercut/powercut replay --log ${log} --seed ${seed} --point ${k} -- ${words.join(' ')}`;
  }

  async #must(args: readonly string[], command: Command): Promise<void> {
    const { code, stdout, stderr } = await this.#call(args, command);
    if (code !== 0) throw new Error(`powercut ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`);
  }

  async #call(args: readonly string[], { words, env }: Command): ReturnType<typeof run> {
    return run(rig, [...args, '--', ...words], { env: { ...process.env, ...env, POWERCUT_NODE: this.#node } });
  }
}
