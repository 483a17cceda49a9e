import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { arArchive, berthMembers, classicPackage, pieces, smallLimits, type EntrySpec } from './test-fixtures.ts';
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

test('a full disk: what is missing is told from the manifest, and nothing is left', { skip }, async () => {
  const { message, detail } = await onFullDisk('size=2m', arArchive(berthMembers(large)));
  const { missingBytes } = detail as { missingBytes: number };
  assert.ok(missingBytes >= 1 << 20 && missingBytes < 2 << 20, message);
  assert.match(message, /no space left for "[bc]": 1\.\d MiB are missing/);
});

test('without a manifest, the missing space is a lower bound', { skip }, async () => {
  assert.match((await onFullDisk('size=2m', classicPackage(large))).message, /at least .* are missing/);
});

test('inodes that run out are named', { skip }, async () => {
  const { message, detail } = await onFullDisk('nr_inodes=50', arArchive(berthMembers(many)));
  assert.match(message, /inodes/);
  const { missingInodes } = detail as { missingInodes: number };
  assert.ok(missingInodes > 50 && missingInodes < 60, message);
});
