import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync, existsSync, linkSync, lstatSync, lutimesSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, unlinkSync,
  utimesSync, writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BerthError } from '../lib/errors.ts';
import { identifyProcess, isAlive } from '../lib/process.ts';
import { openCopy, type CopyLimits } from './copy.ts';
import { AheadClock, assertSame, isRoot, nextTick, roomy, script, sides, worker, type Sides } from './copy-fixtures.ts';
import { TreeCopier } from './tree-copier.ts';

/** As an app might leave its data. */
function fill(from: string): void {
  mkdirSync(join(from, 'data/deep/deeper'), { recursive: true });
  chmodSync(join(from, 'data'), 0o2775);
  chmodSync(join(from, 'data/deep'), 0o1700);
  writeFileSync(join(from, 'data/empty'), '', { mode: 0o400 });
  writeFileSync(join(from, 'data/deep/deeper/file'), 'contents', { mode: 0o640 });
  writeFileSync(Buffer.from(`${from}/data/not \xff UTF-8`, 'latin1'), 'x');
  linkSync(join(from, 'data/deep/deeper/file'), join(from, 'data/also'));
  linkSync(join(from, 'data/deep/deeper/file'), join(from, 'data/deep/third'));
  symlinkSync('/nowhere/at all', join(from, 'data/link'));
  lutimesSync(join(from, 'data/link'), 5, 1_234_567.890123);
  utimesSync(join(from, 'data/empty'), 5, 1_700_000_000.654321);
  utimesSync(join(from, 'data/deep'), 5, 7);
}

function copier({ from, to }: Sides, limits: CopyLimits = roomy): { copier: TreeCopier; clock: AheadClock } {
  const clock = new AheadClock();
  return { copier: new TreeCopier({ from, to, limits }, clock), clock };
}

test('a copy has names, contents, modes, times and links as the app has them', async (t) => {
  const { from, to } = sides(t);
  fill(from);
  await using copy = openCopy({ worker, from, to, limits: roomy });
  // Also when only the last pass is made.
  const report = await copy.last();
  assertSame(to, from);
  assert.deepEqual(report, { bytes: 8 + 1 + 15, entries: 9, copied: 9, leftOut: 0 });
});

test('a copy has the owners of files, directories and links', { skip: isRoot ? false : 'needs root to change owners' }, async (t) => {
  const { from, to } = sides(t);
  fill(from);
  execFileSync('chown', ['-hR', '123456:654321', from]);
  chmodSync(join(from, 'data'), 0o2775);
  const { copier: tree } = copier({ work: '', from, to });
  await tree.last();
  assertSame(to, from);
});

test('no copy of a file is a set-user-ID or set-group-ID program', async (t) => {
  const { from, to } = sides(t);
  writeFileSync(join(from, 'program'), '');
  chmodSync(join(from, 'program'), 0o7755);
  await copier({ work: '', from, to }).copier.last();
  assert.equal(lstatSync(join(to, 'program')).mode & 0o7777, 0o1755);
});

test('sockets and pipes are left out and counted', async (t) => {
  const { from, to } = sides(t);
  execFileSync('mkfifo', [join(from, 'pipe')]);
  const server = createServer();
  await new Promise<void>((resolve) => { server.listen(join(from, 'socket'), resolve); });
  t.after(() => { server.close(); });
  writeFileSync(join(from, 'file'), '');
  assert.deepEqual(await copier({ work: '', from, to }).copier.first(), { bytes: 0, entries: 1, copied: 1, leftOut: 2 });
  assert.deepEqual(readdirSync(to), ['file']);
});

test('holes of sparse files stay holes', async (t) => {
  const { from, to } = sides(t);
  writeFileSync(join(from, 'sparse'), 'begin');
  truncateSync(join(from, 'sparse'), 50_000_000);
  await copier({ work: '', from, to }).copier.last();
  const { size, blocks } = statSync(join(to, 'sparse'));
  assert.equal(size, 50_000_000);
  assert.ok(blocks * 512 < 100_000, `${blocks} blocks`);
  assert.equal(readFileSync(join(to, 'sparse'), 'latin1').replaceAll('\0', ''), 'begin');
});

test('the last pass copies what has changed since the first began, and nothing else', async (t) => {
  const place = sides(t);
  const { from, to, work } = place;
  fill(from);
  for (const name of ['grown', 'same size', 'back-dated', 'chmod', 'gone', 'file to directory', 'to link']) writeFileSync(join(from, name), 'old');
  mkdirSync(join(from, 'directory to file'));
  writeFileSync(join(from, 'directory to file', 'inside'), '');
  mkdirSync(join(from, 'gone directory'));
  writeFileSync(join(from, 'gone directory', 'inside'), '');
  utimesSync(join(from, 'back-dated'), 5, 5);
  linkSync(join(from, 'grown'), join(from, 'grown too'));
  linkSync(join(from, 'same size'), join(from, 'parted'));
  const { copier: tree } = copier(place);
  nextTick(work);
  await tree.first();
  nextTick(work);
  assertSame(to, from);
  assert.equal((await tree.last()).copied, 0);

  writeFileSync(join(from, 'grown'), 'old and new');
  unlinkSync(join(from, 'parted'));
  writeFileSync(join(from, 'parted'), 'own');
  writeFileSync(join(from, 'same size'), 'new');
  writeFileSync(join(from, 'back-dated'), 'new');
  utimesSync(join(from, 'back-dated'), 5, 5);
  chmodSync(join(from, 'chmod'), 0o600);
  for (const name of ['gone', 'file to directory', 'to link']) unlinkSync(join(from, name));
  mkdirSync(join(from, 'file to directory'));
  symlinkSync('x', join(from, 'to link'));
  for (const name of ['directory to file', 'gone directory']) rmSync(join(from, name), { recursive: true });
  writeFileSync(join(from, 'directory to file'), '');
  writeFileSync(join(from, 'fresh'), '');
  const report = await tree.last();
  assertSame(to, from);
  assert.equal(report.copied, 10, 'grown and its other name, same size, parted, back-dated, chmod, three of another kind, fresh');
});

test('files that came with a renamed directory are copied although their own times are old', async (t) => {
  const place = sides(t);
  const { from, to, work } = place;
  for (const name of ['current', 'next']) {
    mkdirSync(join(from, name));
    mkdirSync(join(from, name, 'inner'));
    for (const file of ['file', 'inner/file']) {
      writeFileSync(join(from, name, file), name.slice(0, 4));
      utimesSync(join(from, name, file), 5, 5);
    }
  }
  const { copier: tree } = copier(place);
  nextTick(work);
  await tree.first();
  nextTick(work);
  renameSync(join(from, 'current'), join(from, 'previous'));
  renameSync(join(from, 'next'), join(from, 'current'));
  await tree.last();
  assertSame(to, from);
});

test('after the wall clock was set back, the last pass copies everything', async (t) => {
  const place = sides(t);
  fill(place.from);
  const { copier: tree, clock } = copier(place);
  nextTick(place.work);
  const { entries } = await tree.first();
  assert.equal((await tree.last()).copied, 0);
  clock.backMs = 3_600_000;
  // Directories are there already.
  assert.equal((await tree.last()).copied, entries - 3);
});

test('what changed while the wall clock was back for a time is found by size, mode and time', async (t) => {
  const place = sides(t);
  const { from, to, work } = place;
  for (const name of ['size', 'mode', 'time', 'gone']) writeFileSync(join(from, name), 'old');
  const { copier: tree, clock } = copier(place);
  // As if the first pass had begun in an hour: by their ctime alone, no change after it shows.
  clock.backMs = -3_600_000;
  await tree.first();
  nextTick(work);
  writeFileSync(join(from, 'size'), 'new size');
  writeFileSync(join(from, 'time'), 'new');
  chmodSync(join(from, 'mode'), 0o600);
  unlinkSync(join(from, 'gone'));
  assert.equal((await tree.last()).copied, 3);
  assertSame(to, from);
});

test('what an earlier attempt left is made to match', async (t) => {
  const { from, to } = sides(t);
  fill(from);
  mkdirSync(join(to, 'data', 'also', 'in the way'), { recursive: true });
  symlinkSync(from, join(to, 'data', 'deep'));
  writeFileSync(join(to, 'data', 'empty'), 'half a fi');
  await copier({ work: '', from, to }).copier.first();
  assertSame(to, from);
});

test('an app without data has an empty copy', async (t) => {
  const { from, to } = sides(t);
  rmSync(from, { recursive: true });
  mkdirSync(join(to, 'left'), { recursive: true });
  await using copy = openCopy({ worker, from, to, limits: roomy });
  for (const pass of ['first', 'last'] as const) assert.deepEqual(await copy[pass](), { bytes: 0, entries: 0, copied: 0, leftOut: 0 });
  assert.equal(existsSync(to), false);
});

test('what exceeds a bound is refused, by its apparent size, before it is copied', async (t) => {
  const { from, to } = sides(t);
  writeFileSync(join(from, 'sparse'), '');
  truncateSync(join(from, 'sparse'), 1e12);
  mkdirSync(join(from, 'a/b/c'), { recursive: true });
  for (const [limits, what, message] of [
    [{ ...roomy, bytes: 1e12 - 1 }, 'bytes', /has files of more than 931 GiB, which is the bound/],
    [{ ...roomy, bytes: 1e13, entries: 2 }, 'entries', /has more than 2 files and directories/],
    [{ ...roomy, bytes: 1e13, depth: 2 }, 'depth', /has more than 2 directories inside one another/],
  ] as const) {
    if (what !== 'bytes') truncateSync(join(from, 'sparse'), 0);
    await using copy = openCopy({ worker, from, to, limits });
    await assert.rejects(copy.first(), (error: unknown) => {
      assert.ok(error instanceof BerthError);
      assert.deepEqual([error.code, error.detail], ['too_large', { what, limit: limits[what] }]);
      assert.match(error.message, message);
      return true;
    });
    assert.equal(existsSync(join(to, 'sparse')) && statSync(join(to, 'sparse')).size > 0, false);
  }
});

/** A tree that takes a while, unless files can share blocks. */
function large(from: string): void {
  writeFileSync(join(from, 'large'), '');
  truncateSync(join(from, 'large'), 20e9);
}

const roomiest = { ...roomy, bytes: 1e12 };

test('an abort ends the child and rejects what is under way and what comes after', async (t) => {
  const { from, to } = sides(t);
  large(from);
  const controller = new AbortController();
  await using copy = openCopy({ worker, from, to, limits: roomiest, signal: controller.signal });
  const pass = copy.first();
  while (!existsSync(join(to, 'large'))) await turn();
  controller.abort();
  await assert.rejects(pass, { code: 'cancelled' });
  await assert.rejects(copy.last(), { code: 'cancelled' });
});

test('a child that dies, cannot start or talks nonsense is told', async (t) => {
  const { from, to } = sides(t);
  for (const [command, message] of [
    [script(`process.kill(process.pid, 'SIGKILL');`), /ended by SIGKILL/],
    [script(`console.error('oh'); process.exit(3);`), /exit status 3: oh/],
    [script(`console.log('{}');`), /no answer that can be read/],
    [{ command: '/nowhere/node', args: [] }, /cannot be started/],
  ] as const) {
    await using copy = openCopy({ worker: command, from, to, limits: roomy });
    await assert.rejects(copy.first(), (error: unknown) => error instanceof BerthError && error.code === 'internal' && message.test(error.message));
  }
});

test('the child ends in the middle of a pass when nobody is left to answer', { timeout: 60_000 }, async (t) => {
  const { from, to } = sides(t);
  large(from);
  // A daemon that is killed while its child copies.
  const code = `import { spawn } from 'node:child_process';
    const child = spawn(${JSON.stringify(worker.command)}, [...${JSON.stringify(worker.args)}, ${JSON.stringify(JSON.stringify({ from, to, limits: roomiest }))}], { stdio: ['pipe', 'inherit', 'inherit'] });
    child.stdin.write('first\\n');
    process.send(child.pid);`;
  const daemon = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const pid = await new Promise<number>((resolve) => { daemon.once('message', (message) => { resolve(message as number); }); });
  const child = identifyProcess(pid)!;
  while (!existsSync(join(to, 'large'))) await turn();
  // The pipe is the child's too: it is closed when both are gone.
  const gone = new Promise((resolve) => { daemon.stdout!.resume().once('close', resolve); });
  daemon.kill('SIGKILL');
  await gone;
  while (isAlive(child)) await turn();
});
