/** A disk that is too small: nothing changes, and the error says how much is missing. */
import assert from 'node:assert/strict';
import { readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startBerthd, whyNoContainers, type TestDaemon } from './support/berthd.ts';
import { makePackage } from './support/packages.ts';
import { SmallDisk } from './support/small-disk.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

/** A daemon whose store is on a small ext4 of its own. */
async function onSmallDisk(t: TestContext, mkfs: readonly string[]): Promise<{ daemon: TestDaemon; disk: string }> {
  const { path } = new SmallDisk(t, '24M', ['-m', '5', ...mkfs]);
  return { daemon: await startBerthd(t, { root: join(path, 'berth') }), disk: path };
}

function store(daemon: TestDaemon): string[] {
  return readdirSync(daemon.root, { recursive: true, encoding: 'utf8' }).filter((path) => !path.includes('berth.db') && !path.startsWith('logs')).toSorted();
}

test('a disk full during an install leaves everything as before and says how much is missing', options, async (t) => {
  const { daemon, disk } = await onSmallDisk(t, []);
  const small = await makePackage(daemon.directory, { name: 'small', script: 'while :; do echo tick; sleep 1; done' });
  const big = await makePackage(daemon.directory, { name: 'big', files: { 'big/one': 'x'.repeat(12e6), 'big/two': 'y'.repeat(18e6) } });
  await daemon.json('install', small);
  const before = store(daemon);
  const freeBefore = statfsSync(disk).bfree;
  const running = await daemon.json('show', 'small');

  const { code, stdout } = await daemon.berth('--json', 'install', big);
  assert.equal(code, 1);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string; detail: { missingBytes: number } } };
  assert.equal(error.code, 'no_space');
  assert.match(error.message, /missing/);
  // 30 MB are to be stored on a disk of 24 MB, some of which is taken.
  assert.equal(error.detail.missingBytes > 30e6 - 24 * 1024 * 1024 && error.detail.missingBytes < 30e6, true, error.message);

  assert.deepEqual(store(daemon), before);
  assert.deepEqual(await daemon.json('show', 'small'), running);
  assert.equal(Math.abs(statfsSync(disk).bfree - freeBefore) < 100, true);
  const { code: again } = await daemon.berth('install', await makePackage(daemon.directory, { name: 'other' }));
  assert.equal(again, 0);
});

test('inodes that run out during an install leave everything as before and are named', options, async (t) => {
  const { daemon } = await onSmallDisk(t, ['-N', '256']);
  const files = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`many/${index}`, '']));
  const many = await makePackage(daemon.directory, { name: 'many', files });
  const before = store(daemon);
  const { code, stderr } = await daemon.berth('install', many);
  assert.equal(code, 1);
  assert.match(stderr, /inode/);
  assert.deepEqual(store(daemon), before);
});
