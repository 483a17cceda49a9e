import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { removeTree } from './durable.ts';

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'berth-durable-'));
  t.after(() => {
    execFileSync('rm', ['-rf', directory]);
  });
  return directory;
}

test('a tree is removed whatever it holds; links are not followed', async (t) => {
  const work = place(t);
  const tree = join(work, 'tree');
  mkdirSync(join(work, 'outside'));
  writeFileSync(join(work, 'outside', 'kept'), '');
  mkdirSync(join(tree, 'closed', 'inner'), { recursive: true });
  chmodSync(join(tree, 'closed'), 0);
  symlinkSync('../outside', join(tree, 'link'));
  symlinkSync('nowhere', join(tree, 'dangling'));
  writeFileSync(Buffer.from(`${tree}/not \xff UTF-8`, 'latin1'), '');
  await removeTree(tree);
  assert.deepEqual(readdirSync(work), ['outside']);
  assert.deepEqual(readdirSync(join(work, 'outside')), ['kept']);
});

test('a file, a link and nothing at all are removed as well', async (t) => {
  const work = place(t);
  mkdirSync(join(work, 'outside'));
  symlinkSync('outside', join(work, 'link'));
  writeFileSync(join(work, 'file'), '');
  for (const name of ['link', 'file', 'nothing']) await removeTree(join(work, name));
  assert.deepEqual(readdirSync(work), ['outside']);
});

test('directories nested deeper than a path can name are removed with few descriptors', async (t) => {
  const work = place(t);
  const script = `mkdir tree; cd tree; for n in $(seq 400); do mkdir directory-$n; : > file; cd directory-$n; done`;
  execFileSync('bash', ['-c', script], { cwd: work });
  await removeTree(join(work, 'tree'));
  assert.equal(existsSync(join(work, 'tree')), false);
});

test('what cannot be removed is named', { skip: process.geteuid?.() === 0 ? false : 'needs root to mount' }, async (t) => {
  const work = place(t);
  const tree = join(work, 'tree');
  mkdirSync(join(tree, 'mounted'), { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', join(tree, 'mounted')]);
  try {
    await assert.rejects(removeTree(tree), (error: Error) => error.message.startsWith(`cannot remove ${tree}: EBUSY`));
  } finally {
    execFileSync('umount', [join(tree, 'mounted')]);
  }
  rmSync(tree, { recursive: true });
});
