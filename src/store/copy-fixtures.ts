/** What the tests of copies share. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, opendirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { WorkerCommand } from '../image/index.ts';
import type { Clock } from '../lib/clock.ts';
import { HandClock } from '../lib/handclock.ts';
import type { CopyLimits } from './copy.ts';

export const roomy: CopyLimits = { bytes: 1e9, entries: 10_000, depth: 32 };

export const isRoot = process.geteuid?.() === 0;

export function script(code: string): WorkerCommand {
  return { command: process.execPath, args: ['--input-type=module', '--eval', code, '--'] };
}

const module = JSON.stringify(join(import.meta.dirname, 'copy-worker.ts'));
export const worker = script(`import { copyWorkerMain } from ${module}; await copyWorkerMain(process.argv.slice(1));`);

export interface Sides {
  /** Private to the test. */
  readonly work: string;
  /** A directory, empty as yet. */
  readonly from: string;
  readonly to: string;
}

export function sides(t: TestContext, parent = tmpdir()): Sides {
  const work = mkdtempSync(join(parent, 'berth-copy-'));
  t.after(() => {
    rmSync(work, { recursive: true, force: true });
  });
  const from = join(work, 'from');
  mkdirSync(from);
  return { work, from, to: join(work, 'to') };
}

/**
 * A real clock that runs ahead by the margin that a copy leaves: it counts as changed exactly what changes after the
 * first pass began, and no test has to wait.
 */
export class AheadClock extends HandClock implements Clock {
  backMs = 0;

  override now(): number {
    return Date.now() + 2000 - this.backMs;
  }

  override monotonic(): number {
    return performance.now();
  }
}

/** Waits until files that change from now on get other times than those that changed before. */
export function nextTick(work: string): void {
  const probe = join(work, 'probe');
  const now = Date.now();
  do writeFileSync(probe, 'x');
  while (lstatSync(probe).ctimeMs < now + 1);
  rmSync(probe);
}

/** Asserts that `copy` has all that a copy must keep: times to a microsecond. */
export function assertSame(copy: string, from: string): void {
  const [actual, expected] = [describe(copy), describe(from)];
  assert.deepEqual(actual.lines, expected.lines);
  for (const [index, mtimeNs] of actual.mtimesNs.entries()) {
    const difference = mtimeNs - expected.mtimesNs[index]!;
    assert.ok(difference < 1000n && difference > -1000n, `${actual.lines[index]}: time differs by ${difference} ns`);
  }
}

/** A line and a time for each name. Names of one file have the same number. */
function describe(root: string): { readonly lines: readonly string[]; readonly mtimesNs: readonly bigint[] } {
  const numbers = new Map<bigint, number>();
  const lines: string[] = [];
  const mtimesNs: bigint[] = [];
  const visit = (path: string): void => {
    const raw = Buffer.from(path, 'latin1');
    const stat = lstatSync(raw, { bigint: true });
    if (!numbers.has(stat.ino)) numbers.set(stat.ino, numbers.size);
    const isDirectory = stat.isDirectory();
    const content = isDirectory ? '' : stat.isSymbolicLink() ? readlinkSync(raw, 'latin1') : readFileSync(raw, 'latin1');
    const number = isDirectory || stat.nlink === 1n ? '' : `#${numbers.get(stat.ino)}`;
    lines.push([path.slice(root.length), stat.mode.toString(8), stat.uid, stat.gid, content, number].join(' '));
    mtimesNs.push(stat.mtimeNs);
    if (!isDirectory) return;
    using entries = opendirSync(Buffer.from(path, 'latin1'), { encoding: 'latin1' });
    const names: string[] = [];
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) names.push(entry.name);
    for (const name of names.toSorted()) visit(`${path}/${name}`);
  };
  visit(root);
  return { lines, mtimesNs };
}

/** Why no Python program can play the app; undefined if one can. In CI it must. */
export function whyNoPython(): string | undefined {
  return process.env['CI'] !== undefined || spawnSync('python3', ['--version']).status === 0 ? undefined : 'there is no python3 to play the app';
}

/** Why disks of this kind cannot be made here; undefined if they can. In CI they must. */
export function whyNoDisk(mkfs: string): string | undefined {
  if (!isRoot) return 'needs root to mount a disk';
  return process.env['CI'] !== undefined || spawnSync(mkfs, ['-V'], { env: diskPrograms }).status === 0 ? undefined : `${mkfs} is not installed`;
}

const diskPrograms = { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } as const;

/** A small disk of its own; its directory. */
export function mountDisk(t: TestContext, [mkfs, ...options]: readonly [string, ...string[]], size: string): string {
  const work = mkdtempSync(join('/var/tmp', 'berth-disk-'));
  const disk = join(work, 'disk');
  t.after(() => {
    if (existsSync(disk)) spawnSync('umount', ['-l', disk]);
    rmSync(work, { recursive: true, force: true });
  });
  mkdirSync(disk);
  execFileSync('truncate', ['-s', size, `${disk}.img`]);
  execFileSync(mkfs, ['-q', ...options, `${disk}.img`], { env: diskPrograms });
  execFileSync('mount', ['-o', 'loop', `${disk}.img`, disk], { env: diskPrograms });
  return disk;
}
