import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import type { BerthError } from '../lib/errors.ts';
import { freeRoom, requireRoom } from './space.ts';

const MiB = 1024 ** 2;

test('what fits exactly is taken', () => {
  requireRoom({ bytes: MiB, inodes: 10 }, { bytes: MiB, inodes: 10 }, 'for this test');
});

test('a byte too much is refused, with what it takes and what is free', () => {
  assert.throws(
    () => { requireRoom({ bytes: 5 * MiB, inodes: 10 }, { bytes: 5 * MiB - 1, inodes: 10 }, 'for this test'); },
    (error: BerthError) => error.code === 'no_space' && /for this test: it takes 5\.0 MiB, and 5\.0 MiB are free/.test(error.message),
  );
});

test('an inode too many is refused, and files are named, not bytes', () => {
  assert.throws(
    () => { requireRoom({ bytes: 0, inodes: 11 }, { bytes: 0, inodes: 10 }, 'for this test'); },
    (error: BerthError) => error.code === 'no_space' && error.message.includes('11 files and directories, and 10 can still be made'),
  );
});

test('a real file system has room', async () => {
  const { bytes, inodes } = await freeRoom(tmpdir());
  assert.equal(bytes > 0 && inodes > 0, true);
});
