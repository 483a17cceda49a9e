import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readContent } from './content.ts';

void test('a file that shrank, vanished or became something else since it was described is an error', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-content-'));
  t.after(() => {
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'file');
  writeFileSync(file, 'abc');
  symlinkSync('file', join(folder, 'link'));
  const read = (path: string, size: number): string => Buffer.concat([...readContent({ kind: 'span', file: path, offset: 1, size })]).toString();
  assert.equal(read(file, 2), 'bc');
  assert.throws(() => read(file, 3), { code: 'conflict', message: /changed while it was being read/ });
  for (const path of [join(folder, 'none'), join(folder, 'link'), folder]) assert.throws(() => read(path, 1), { code: 'conflict' });
});
