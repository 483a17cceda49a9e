/** Copies of a tree whose owner does all he can, while it is copied, to get something else into the copy. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { removeTree } from '../lib/durable.ts';
import { openCopy } from './copy.ts';
import { assertSame, roomy, sides, whyNoPython, worker } from './copy-fixtures.ts';
import { measureTree } from './measure.ts';

/** Python, because it can exchange two names at once (RENAME_EXCHANGE), which makes the race likely. */
const options = { skip: whyNoPython() ?? false, timeout: 120_000 };

/** Names are bytes. */
const prelude = `
import os
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_EXCHANGE = -100, 2
def exchange(a, b):
    if libc.renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE): raise OSError(ctypes.get_errno(), a)
`;

/** Runs a Python program in `from` until it is stopped. Resolves when it is at work, which it says by a line. */
async function attack(from: string, program: string): Promise<AsyncDisposable & { stop(): Promise<void> }> {
  const child = spawn('python3', ['-c', prelude + program], { cwd: from, stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise<void>((resolve) => { child.once('close', () => { resolve(); }); });
  await new Promise((resolve) => { child.stdout.once('data', resolve); });
  return {
    stop: async () => {
      assert.equal(child.exitCode, null, 'it was at work until now');
      child.kill('SIGKILL');
      await gone;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

test('directories and files that are exchanged for links lead nothing from outside into the copy', options, async (t) => {
  const { work, from, to } = sides(t);
  mkdirSync(join(work, 'outside/inner'), { recursive: true });
  for (const name of ['outside/secret', 'outside/file', 'outside/inner/secret', 'outside/inner/file']) writeFileSync(join(work, name), 'SECRET');
  for (let number = 0; number < 20; number += 1) {
    mkdirSync(join(from, `d${number}/inner`), { recursive: true });
    for (const name of ['file', 'inner/file', 'inner/other']) writeFileSync(join(from, `d${number}`, name), 'own');
  }
  symlinkSync(join(work, 'outside'), join(from, 'link'));
  symlinkSync(join(work, 'outside/inner'), join(from, 'link-inner'));
  symlinkSync(join(work, 'outside/secret'), join(from, 'link-file'));
  // At every level, each name is a link half of the time: a directory, one within it, a file.
  await using app = await attack(from, `
pairs = [(name % n, link) for n in range(20) for name, link in ((b'd%d', b'link'), (b'd%d/inner', b'link-inner'), (b'd%d/inner/file', b'link-file'), (b'd%d/file', b'link-file'))]
print('at work', flush=True)
while True:
    for name, link in pairs:
        for _ in range(20): exchange(name, link)
`);
  {
    await using copy = openCopy({ worker, from, to, limits: roomy });
    for (let round = 0; round < 30; round += 1) {
      await copy.first();
      assert.equal(filesWith(to, 'SECRET'), '');
    }
    await app.stop();
    await copy.last();
  }
  assertSame(to, from);
});

/** A tree in which directories are exchanged for links to one outside, which holds a file of a gigabyte. */
async function exchanging(t: TestContext): Promise<{ readonly from: string; readonly outside: string; readonly app: Awaited<ReturnType<typeof attack>> }> {
  const { work, from } = sides(t);
  const outside = join(work, 'outside');
  mkdirSync(join(outside, 'inner'), { recursive: true });
  for (const name of ['file', 'inner/file', 'inner/other']) {
    writeFileSync(join(outside, name), 'SECRET');
    truncateSync(join(outside, name), 2 ** 30);
  }
  for (let number = 0; number < 20; number += 1) {
    mkdirSync(join(from, `d${number}/inner`), { recursive: true });
    for (const name of ['file', 'inner/file', 'inner/other']) writeFileSync(join(from, `d${number}`, name), 'own');
  }
  symlinkSync(outside, join(from, 'link'));
  symlinkSync(join(outside, 'inner'), join(from, 'link-inner'));
  const app = await attack(from, `
pairs = [(name % n, link) for n in range(20) for name, link in ((b'd%d', b'link'), (b'd%d/inner', b'link-inner'))]
print('at work', flush=True)
while True:
    for name, link in pairs:
        for _ in range(20):
            try: exchange(name, link)
            except OSError: pass
`);
  return { from, outside, app };
}

test('directories that are exchanged for links while a tree is measured add nothing from outside', options, async (t) => {
  const { from, app: running } = await exchanging(t);
  await using app = running;
  for (let round = 0; round < 40; round += 1) {
    const { bytes } = await measureTree(from);
    assert.equal(bytes < 2 ** 30, true, `${bytes} bytes`);
  }
  await app.stop();
});

test('directories that are exchanged for links while a tree is removed take nothing outside with them', options, async (t) => {
  for (let round = 0; round < 4; round += 1) {
    const { from, outside, app: running } = await exchanging(t);
    await using app = running;
    // It may fail while somebody works in it.
    await removeTree(from).catch(() => undefined);
    await app.stop();
    assert.deepEqual(readdirSync(outside).toSorted(), ['file', 'inner']);
    assert.deepEqual(readdirSync(join(outside, 'inner')).toSorted(), ['file', 'other']);
    await removeTree(from);
    assert.equal(existsSync(from), false);
  }
});

/** Names of files below `root` that contain a text. */
function filesWith(root: string, text: string): string {
  // Follows no link; exit status 1: there is none.
  return spawnSync('grep', ['-rl', text, root], { encoding: 'utf8' }).stdout;
}

test('files that come, go and turn into pipes do not hold up or fail the first pass; the last is exact', options, async (t) => {
  const { from, to } = sides(t);
  execFileSync('mkfifo', [join(from, 'pipe')]);
  for (let number = 0; number < 20; number += 1) writeFileSync(join(from, `f${number}`), 'own');
  await using app = await attack(from, `
print('at work', flush=True)
while True:
    for f in (b'f%d' % n for n in range(20)):
        for _ in range(100): exchange(f, b'pipe')
        os.unlink(f); os.mkdir(f); os.rmdir(f); os.symlink('x', f); os.unlink(f)
        open(f, 'w').write('own'); os.link(f, 'l'); os.unlink('l')
`);
  await using copy = openCopy({ worker, from, to, limits: roomy });
  for (let round = 0; round < 20; round += 1) await copy.first();
  await app.stop();
  const report = await copy.last();
  assert.equal(report.leftOut, 1);
  const files = readdirSync(from).filter((name) => !lstatSync(join(from, name)).isFIFO());
  assert.deepEqual(readdirSync(to).toSorted(), files.toSorted());
});

test('a file that grows without end is copied within the bound', options, async (t) => {
  const { from, to } = sides(t);
  const file = join(from, 'log');
  writeFileSync(file, '');
  truncateSync(file, 300_000_000);
  await using app = await attack(from, `
print('at work', flush=True)
log = open('log', 'ab', 0)
while True:
    log.write(bytes(1000)); log.truncate(300_000_000) if log.tell() > 400_000_000 else None
`);
  await using copy = openCopy({ worker, from, to, limits: { ...roomy, bytes: 700_000_000 } });
  for (let round = 0; round < 3; round += 1) {
    const { bytes } = await copy.first();
    assert.equal(bytes, statSync(join(to, 'log')).size);
  }
  await app.stop();
  assert.equal((await copy.last()).bytes, statSync(file).size);
});

