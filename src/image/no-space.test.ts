import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { needOf } from './room.ts';
import { arArchive, berthMembers, classicPackage, dir, hardlink, manifestOf, pieces, smallLimits, symlink, tinyControl, type EntrySpec } from './test-fixtures.ts';
import { unpackPackage } from './unpack.ts';

const skip = process.geteuid?.() === 0 ? false : 'needs root to mount a small file system';

async function onFullDisk(options: string, bytes: Buffer): Promise<BerthError> {
  const disk = mkdtempSync(join(tmpdir(), 'berth-full-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', disk]);
    try {
      const target = join(disk, 'target');
      mkdirSync(target);
      const error = await unpackPackage(pieces(bytes, 4096), target, { limits: smallLimits() }).then(
        () => assert.fail('it fitted'),
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof BerthError);
      assert.equal(error.code, 'no_space');
      assert.deepEqual(readdirSync(target), []);
      return error;
    } finally {
      execFileSync('umount', [disk]);
    }
  } finally {
    rmSync(disk, { recursive: true });
  }
}

const large: readonly EntrySpec[] = ['a', 'b', 'c'].map((name) => ({ name, data: Buffer.alloc(1 << 20, name) }));
const many: readonly EntrySpec[] = Array.from({ length: 100 }, (_, index) => ({ name: String(index).padStart(3, '0') }));

test('a package whose manifest tells that it does not fit is refused at once', { skip }, async () => {
  const { message, detail } = await onFullDisk('size=2m', arArchive(berthMembers(large)));
  const { missingBytes } = detail as { missingBytes: number };
  assert.ok(missingBytes >= 1 << 20 && missingBytes < 2 << 20, message);
  assert.match(message, /no space for demo: it needs 3\.0 MiB, and \d\.\d MiB are free/);
});

test('a package with too many entries for the file system is refused at once', { skip }, async () => {
  const { message, detail } = await onFullDisk('nr_inodes=50', arArchive(berthMembers(many)));
  const { missingInodes } = detail as { missingInodes: number };
  assert.ok(missingInodes > 50 && missingInodes < 60, message);
  assert.match(message, /no inodes for demo: it needs 100, and 4\d are free/);
});

test('what a manifest needs is added up, wherever its pieces are cut', () => {
  const tricky: readonly EntrySpec[] = [
    { name: 'a","size":5,"type":"hardlink"', data: 'xyz' },
    { name: 'b', data: Buffer.alloc(1234) },
    hardlink('c', 'b'),
    dir('d'),
    symlink('e', '"type":"hardlink"'),
  ];
  const manifest = manifestOf(tricky, tinyControl.replace('an example', '"size":7, "type":"hardlink"'));
  for (const pieceBytes of [1, 7, 100, manifest.length]) {
    const chunks = Array.from({ length: Math.ceil(manifest.length / pieceBytes) }, (_, index) => manifest.subarray(index * pieceBytes, (index + 1) * pieceBytes));
    assert.deepEqual(needOf(chunks), { bytes: 1237, inodes: 4 });
  }
  assert.deepEqual(needOf([]), { bytes: 0, inodes: 0 });
});

test('space that runs out on the way is told from the manifest too', { skip }, async () => {
  // Each takes a page of the file system, which the manifest does not know.
  const small: readonly EntrySpec[] = many.map(({ name }) => ({ name, data: Buffer.alloc(100, 'x') }));
  assert.match((await onFullDisk('size=256k', arArchive(berthMembers(small)))).message, /no space left for "\d+": \d.* are missing/);
});

test('without a manifest, the missing space is a lower bound', { skip }, async () => {
  assert.match((await onFullDisk('size=2m', classicPackage(large))).message, /at least .* are missing/);
});

test('inodes that run out on the way are named', { skip }, async () => {
  assert.match((await onFullDisk('nr_inodes=50', classicPackage(many))).message, /no inodes left for "\d+": at least 1 are missing/);
});
