import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TarParser, type TarEntry } from './tar-reader.ts';
import { tarEnd, tarEntrySize, tarHeaderBytes } from './tar-writer.ts';
import type { PackEntry } from './tree.ts';

const meta = { mode: 0o644, uid: 1, gid: 2, mtime: 3 };

/** The entry as Berth's own reader finds it. */
function reread(entry: PackEntry): TarEntry {
  const parser = new TarParser('test', 4096);
  for (const event of parser.push(tarHeaderBytes(entry))) if (event.kind === 'entry') return event.entry;
  throw new Error('no entry');
}

void test('names of every length are read back, also where they do not fit in the header', () => {
  for (const length of [1, 95, 98, 99, 100, 101, 154, 155, 156, 255]) {
    for (const letter of ['a', 'ü', '\u{1f600}']) {
      const name = letter.repeat(Math.floor(length / Buffer.byteLength(letter)) || 1);
      const path = `${name}/${name}/${name}`;
      assert.equal(reread({ ...meta, type: 'symlink', path, target: path }).name, `./${path}`);
      assert.equal(reread({ ...meta, type: 'symlink', path, target: path }).linkName, path);
      assert.equal(reread({ ...meta, type: 'hardlink', path: 'x', target: path }).linkName, `./${path}`);
      assert.equal(reread({ ...meta, type: 'dir', path }).name, `./${path}/`);
    }
  }
});

void test('a file of more than 8 GiB keeps its size', () => {
  const size = 9 * 1024 ** 3 + 1;
  const entry: PackEntry = { ...meta, type: 'file', path: 'x'.repeat(200), content: { kind: 'span', file: '/none', offset: 0, size } };
  assert.equal(reread(entry).size, size);
  assert.equal(tarEntrySize(entry) - tarHeaderBytes(entry).length, size + 511);
});

void test('an archive ends with two blocks of zeros', () => {
  assert.ok(tarEnd.equals(Buffer.alloc(1024)));
});
