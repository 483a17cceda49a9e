/** The rig that records a disk and cuts its power, `../shared/powercut`. */
import { existsSync, readFileSync } from 'node:fs';
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

/** Records what a command does to an ext4, which is mounted at `mount`; throws if the command fails. */
export async function record(log: string, mount: string, options: readonly string[], command: Command): Promise<void> {
  await must(['record', '--dir', mount, '--log', log, ...options], command);
}

/** Runs a checker on the disk as cuts at many moments leave it; passes are in the result as failures are. */
export async function explore({ log, points, seed, jobs }: Exploration, checker: Command): Promise<readonly Point[]> {
  const report = `${log}.report`;
  const { code, stdout, stderr } = await call(['explore', '--log', log, '--points', `${points}`, '--seed', `${seed}`, '--jobs', `${jobs}`, '--report', report, '--quiet'], checker);
  // 1: moments were not survived, which the report tells.
  if (code !== 0 && code !== 1) throw new Error(`powercut explore ended with ${code}:\n${stdout}\n${stderr}`);
  return (JSON.parse(readFileSync(report, 'utf8')) as { readonly results: readonly Point[] }).results;
}

/** Writes the disk as the cut at one moment leaves it, and gives the marks made before. */
export async function saveCut({ log, seed }: Pick<Exploration, 'log' | 'seed'>, k: number, image: string): Promise<string> {
  const marks = `${image}.marks`;
  await must(['replay', '--log', log, '--seed', `${seed}`, '--point', `${k}`, '--image', image], { words: ['sh', '-c', `cp "$POWERCUT_MARKS" '${marks}'`], env: {} });
  return readFileSync(marks, 'utf8');
}

async function must(args: readonly string[], command: Command): Promise<void> {
  const { code, stdout, stderr } = await call(args, command);
  if (code !== 0) throw new Error(`powercut ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`);
}

async function call(args: readonly string[], { words, env }: Command): ReturnType<typeof run> {
  return run(rig, [...args, '--', ...words], { env: { ...process.env, ...env, POWERCUT_NODE: process.execPath } });
}
