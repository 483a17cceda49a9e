import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FileNode, FileTree } from './tree.ts';

const meta = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
const file = (text: string): FileNode => ({ ...meta, type: 'file', content: { kind: 'bytes', bytes: Buffer.from(text) } });

function paths(tree: FileTree): readonly string[] {
  return [...tree.entries()].map((entry) => (entry.type === 'hardlink' ? `${entry.path} = ${entry.target}` : entry.path));
}

void test('entries are sorted by the bytes of their whole path', () => {
  const tree = new FileTree(meta);
  for (const path of ['a/b', 'a-b', 'a.b', 'a0', 'B', '\u{1f600}', '\uffee', 'é', 'a/b-c/d']) tree.put(path, file(''));
  const expected = ['a', 'a-b', 'a.b', 'a/b', 'a/b-c', 'a/b-c/d', 'a0', 'B', '\u{1f600}', '\uffee', 'é'].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual(paths(tree), expected);
});

void test('one file at several places is a hard link to the first path', () => {
  const tree = new FileTree(meta);
  const shared = file('x');
  for (const path of ['z', 'b/c', 'm']) tree.put(path, shared);
  assert.deepEqual(paths(tree), ['b', 'b/c', 'm = b/c', 'z = b/c']);
  tree.remove('b');
  assert.deepEqual(paths(tree), ['m', 'z = m']);
});

void test('links on the way are followed within the tree only', () => {
  const tree = new FileTree(meta);
  const link = (path: string, target: string): void => {
    tree.put(path, { ...meta, type: 'symlink', target });
  };
  link('bin', 'usr/bin');
  link('usr/out', '../../../../etc');
  link('abs', '/usr');
  link('loop', 'loop');
  assert.equal(tree.resolveParents('bin/sh'), 'usr/bin/sh');
  assert.equal(tree.resolveParents('bin'), 'bin');
  assert.equal(tree.resolve('bin'), 'usr/bin');
  assert.equal(tree.resolveParents('usr/out/passwd'), 'etc/passwd');
  assert.equal(tree.resolveParents('abs/out/x'), 'etc/x');
  assert.throws(() => tree.resolveParents('loop/x'), { code: 'bad_package', message: /too many symbolic links/ });
});

void test('what is put replaces what is there, with everything below it', () => {
  const tree = new FileTree(meta);
  tree.put('a/b', file('1'));
  tree.put('a', file('2'));
  assert.deepEqual(paths(tree), ['a']);
  tree.put('a/c', file('3'));
  assert.deepEqual(paths(tree), ['a', 'a/c']);
  tree.directory('a', { ...meta, mode: 0o700 });
  assert.deepEqual(paths(tree), ['a', 'a/c']);
  assert.equal(tree.get('a')?.mode, 0o700);
  tree.clear('a');
  assert.deepEqual(paths(tree), ['a']);
});
