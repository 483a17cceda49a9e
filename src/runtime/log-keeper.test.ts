import assert from 'node:assert/strict';
import { appendFileSync, linkSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, it } from 'node:test';
import { fileNumbers, numberedFile } from './log-files.ts';
import { logBounds, LogKeeper, prepareLog, type LogKeeping } from './log-keeper.ts';

const bounds = { rotateBytes: 1000, keepBytes: 5000 };
let root: string;
let directory: string;
/** What conmon has written in its life, as the kernel tells it; it has written some before its log. */
let written: number | undefined;
let keeping: LogKeeping;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'berth-log-'));
  directory = join(root, 'demo');
  written = 123;
  keeping = { directory, bounds, countFile: join(root, 'count'), written: () => written, now: () => 0 };
});
afterEach(() => { rmSync(root, { recursive: true }); });

/** One line of `size` bytes, as conmon appends it. */
function write(name: string, size = 400): void {
  appendFileSync(join(directory, 'current'), `time stdout F ${name} ${'x'.repeat(size - 16 - name.length)}\n`);
  if (written !== undefined) written += size;
}

/** What conmon does at its maximum size. */
function beginAgain(): void {
  writeFileSync(join(directory, 'current.tmp'), '');
  renameSync(join(directory, 'current.tmp'), join(directory, 'current'));
}

/** Words of the numbered files in order; `!` for a mark. */
function kept(): string {
  const text = fileNumbers(directory).map((number) => readFileSync(numberedFile(directory, number), 'utf8')).join('');
  return text.trimEnd().split('\n').map((line) => (line.includes(' berth F ') ? '!' : line.split(' ')[3])).join(' ');
}

it('nothing is lost when conmon begins one file between two looks', () => {
  prepareLog(directory, bounds);
  const keeper = LogKeeper.begin(keeping);
  for (const name of ['a', 'b', 'c']) {
    write(`${name}1`);
    write(`${name}2`);
    beginAgain();
    keeper.check();
  }
  write('d1');
  assert.equal(kept(), 'a1 a2 b1 b2 c1 c2 d1');
});

it('a mark tells how much is missing when it begins two', () => {
  prepareLog(directory, bounds);
  const keeper = LogKeeper.begin(keeping);
  write('a');
  beginAgain();
  for (const name of ['lost', 'too']) write(name);
  beginAgain();
  write('c');
  keeper.check();
  assert.equal(kept(), 'a ! c');
  assert.match(readFileSync(numberedFile(directory, 1), 'utf8'), /berth F 800 B of output are missing here/);
  beginAgain();
  write('d');
  keeper.check();
  assert.equal(kept(), 'a ! c d');
});

it('the next daemon goes on counting where the last one stopped, wherever that was', () => {
  prepareLog(directory, bounds);
  LogKeeper.begin(keeping);
  write('a');
  beginAgain();
  write('b');
  // The last thing it did was to number the new file.
  linkSync(join(directory, 'current'), numberedFile(directory, 2));
  beginAgain();
  write('c');
  LogKeeper.takeOver(keeping)?.check();
  assert.equal(kept(), 'a b c');
  beginAgain();
  for (const name of ['lost', 'too']) write(name);
  beginAgain();
  LogKeeper.takeOver(keeping)?.check();
  assert.equal(kept(), 'a b c !');
});

it('what cannot be known is marked as such, and only when conmon has begun a file', () => {
  prepareLog(directory, bounds);
  const keeper = LogKeeper.begin(keeping);
  write('a');
  written = undefined;
  keeper.check();
  assert.equal(kept(), 'a');
  beginAgain();
  write('b');
  keeper.check();
  assert.equal(kept(), 'a ! b');
  assert.match(readFileSync(numberedFile(directory, 1), 'utf8'), /may be missing/);
});

it('an instance without a log of its own is not looked after', () => {
  assert.equal(LogKeeper.takeOver(keeping), undefined);
});

it('short runs share a file up to half its size, and what they fill is bounded', () => {
  for (let run = 0; run < 60; run += 1) {
    prepareLog(directory, bounds);
    LogKeeper.begin(keeping);
    write(`r${run}`, 200);
  }
  const sizes = fileNumbers(directory).map((number) => statSync(numberedFile(directory, number)).size);
  assert.ok(sizes.every((size) => size === 600 || size === sizes.at(-1)), sizes.join(' '));
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= bounds.keepBytes);
  assert.match(kept(), /r56 r57 r58 r59$/);
});

it('a file that ends in the middle of a line is not added to', () => {
  prepareLog(directory, bounds);
  appendFileSync(join(directory, 'current'), 'time stdout F cut o');
  prepareLog(directory, bounds);
  write('next');
  assert.equal(readFileSync(numberedFile(directory, 2), 'utf8').split(' ')[3], 'next');
});

it('a file that nobody numbered gets its number before the next run', () => {
  prepareLog(directory, bounds);
  write('a');
  beginAgain();
  write('b');
  prepareLog(directory, bounds);
  write('c');
  assert.equal(kept(), 'a b c');
});

it('bounds fit each other', () => {
  assert.deepEqual(logBounds(), { rotateBytes: 2 * 1024 * 1024, keepBytes: 10 * 1024 * 1024 });
  assert.deepEqual(logBounds({ keepBytes: 1_000_000 }), { rotateBytes: 200_000, keepBytes: 1_000_000 });
  assert.throws(() => logBounds({ rotateBytes: 1_000_000, keepBytes: 2_000_000 }), /keep at least 2.5 times/);
  assert.throws(() => logBounds({ keepBytes: 1000 }), { code: 'usage' });
});
