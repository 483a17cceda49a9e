/** Copies on file systems that are small, or share blocks, or on which an app maps its files. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { openCopy } from './copy.ts';
import { AheadClock, assertSame, mountDisk, nextTick, roomy, sides, whyNoDisk, whyNoPython, worker } from './copy-fixtures.ts';
import { TreeCopier } from './tree-copier.ts';

const megabyte = Buffer.alloc(1e6, 'x');

function onDisk(mkfs: string, other?: string): { readonly skip: string | false } {
  return { skip: whyNoDisk(mkfs) ?? other ?? false };
}

function freeBytes(disk: string): number {
  execFileSync('sync', ['-f', disk]);
  const { bavail, bsize } = statfsSync(disk);
  return bavail * bsize;
}

test('a disk that is full is told as such, and no half of a file is left', onDisk('mkfs.ext4'), async (t) => {
  const { from, to } = sides(t, mountDisk(t, ['mkfs.ext4'], '16M'));
  for (let number = 0; number < 10; number += 1) writeFileSync(join(from, String(number)), megabyte);
  await using copy = openCopy({ worker, from, to, limits: roomy });
  await assert.rejects(copy.first(), (error: unknown) => {
    assert.ok(error instanceof BerthError);
    assert.equal(error.code, 'no_space');
    assert.match(error.message, /^cannot copy "\d" from .*\/from to .*\/to: no space left on device$/);
    return true;
  });
  execFileSync('find', [to, '-type', 'f', '-not', '-size', '1000000c', '-exec', 'false', '{}', '+']);
});

test('no inodes are told as such', onDisk('mkfs.ext4'), async (t) => {
  const { from, to } = sides(t, mountDisk(t, ['mkfs.ext4', '-N', '64'], '16M'));
  for (let number = 0; number < 30; number += 1) writeFileSync(join(from, String(number)), '');
  await using copy = openCopy({ worker, from, to, limits: roomy });
  await assert.rejects(copy.first(), { code: 'no_space' });
});

test('where files can share blocks, a copy takes no room', onDisk('mkfs.xfs'), async (t) => {
  const disk = mountDisk(t, ['mkfs.xfs', '-m', 'reflink=1'], '320M');
  const { from, to } = sides(t, disk);
  for (let number = 0; number < 20; number += 1) writeFileSync(join(from, String(number)), megabyte);
  const before = freeBytes(disk);
  await using copy = openCopy({ worker, from, to, limits: roomy });
  assert.equal((await copy.first()).bytes, 20e6);
  writeFileSync(join(from, '0'), 'changed');
  await copy.last();
  assertSame(to, from);
  assert.ok(before - freeBytes(disk) < 1e6, `${before - freeBytes(disk)} bytes were taken`);
});

test('a copy onto another file system is a copy as well', onDisk('mkfs.ext4'), async (t) => {
  const { from } = sides(t);
  mkdirSync(join(from, 'inner'));
  writeFileSync(join(from, 'inner', 'file'), megabyte);
  const to = join(mountDisk(t, ['mkfs.ext4'], '16M'), 'to');
  await using copy = openCopy({ worker, from, to, limits: roomy });
  await copy.first();
  await copy.last();
  assertSame(to, from);
});

/** Maps a file and writes a letter into it for each line it is given. */
const mapper = `
import mmap, sys
with open(sys.argv[1], 'r+b') as file:
    memory = mmap.mmap(file.fileno(), 0)
    for line in sys.stdin:
        memory[0] = ord(line[0])
        print('done', flush=True)
`;

test('what an app writes through a mapping that was dirty before is copied by the last pass', onDisk('mkfs.ext4', whyNoPython()), async (t) => {
  // On a disk: in memory alone nothing is written back, and no time is ever set.
  const { work, from } = sides(t, mountDisk(t, ['mkfs.ext4'], '16M'));
  // Elsewhere, so that bringing the copy to disk does not bring the file there too.
  const { to } = sides(t);
  const file = join(from, 'mapped');
  writeFileSync(file, Buffer.alloc(100, '-'));
  const app = spawn('python3', ['-c', mapper, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => { app.once('close', resolve); });
  try {
    const done = createInterface({ input: app.stdout })[Symbol.asyncIterator]();
    const write = async (letter: string): Promise<void> => {
      app.stdin.write(`${letter}\n`);
      await done.next();
    };
    await write('A');
    nextTick(work);
    const copier = new TreeCopier({ from, to, limits: roomy }, new AheadClock());
    await copier.first();
    nextTick(work);
    assert.equal((await copier.last()).copied, 0);
    await write('B');
    app.stdin.end();
    await gone;
    assert.equal((await copier.last()).copied, 1);
    assertSame(to, from);
  } finally {
    app.kill('SIGKILL');
    await gone;
  }
});
