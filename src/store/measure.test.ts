import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../lib/digest.ts';
import { measureTree, storageOf } from './measure.ts';
import type { ImageRow } from './types.ts';

function place(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'berth-measure-'));
  t.after(() => {
    execFileSync('rm', ['-rf', directory]);
  });
  return directory;
}

test('apparent sizes and names are counted; links are not followed, a file with two names counts once', async (t) => {
  const root = place(t);
  const tree = join(root, 'tree');
  mkdirSync(join(tree, 'inner'), { recursive: true });
  writeFileSync(join(root, 'outside'), 'x'.repeat(1000));
  writeFileSync(join(tree, 'sparse'), '');
  truncateSync(join(tree, 'sparse'), 1e9);
  writeFileSync(Buffer.from(`${tree}/inner/\xff`, 'latin1'), '12345');
  linkSync(Buffer.from(`${tree}/inner/\xff`, 'latin1'), join(tree, 'again'));
  symlinkSync('../outside', join(tree, 'link'));
  symlinkSync('..', join(tree, 'up'));
  assert.deepEqual(await measureTree(tree), { bytes: 1e9 + 5 + 10 + 2, entries: 6 });
});

test('nothing, and what is no directory, count as nothing', async (t) => {
  const root = place(t);
  mkdirSync(join(root, 'outside/inner'), { recursive: true });
  symlinkSync('outside', join(root, 'link'));
  for (const name of ['nothing', 'link']) assert.deepEqual(await measureTree(join(root, name)), { bytes: 0, entries: 0 });
});

test('directories nested deeper than a path can name do not stop it', async (t) => {
  const root = place(t);
  execFileSync('bash', ['-c', 'mkdir tree; cd tree; for n in $(seq 400); do mkdir directory-$n; echo > file; cd directory-$n; done'], { cwd: root });
  const { bytes, entries } = await measureTree(join(root, 'tree'));
  assert.equal(bytes, 129);
  assert.equal(entries, 258);
});

test('what an app takes: its images, all generations of its data, its logs', async (t) => {
  const root = place(t);
  for (const [path, bytes] of [['data/app/1/data/x', 10], ['data/app/2/data/x', 20], ['data/other/1/x', 500], ['logs/app/0.log', 7]] as const) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), 'x'.repeat(bytes));
  }
  const [now, before, unknown] = [digestOf('2'), digestOf('1'), digestOf('0')];
  const sizes = new Map([[now, 100], [before, 40]]);
  const store = { root, image: (digest: typeof now) => (sizes.has(digest) ? ({ bytes: sizes.get(digest) } as ImageRow) : undefined) };
  assert.deepEqual(
    await storageOf(store, { name: 'app', image: now, previous: [before, unknown] }, join(root, 'logs')),
    { app: 'app', image: 100, previous: 40, data: 30, logs: 7 },
  );
});
