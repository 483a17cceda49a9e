import assert from 'node:assert/strict';
import { chmodSync, chownSync, linkSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { digestOf } from '../lib/digest.ts';
import { classicPackage, dir, hardlink, pieces, smallLimits, symlink } from './test-fixtures.ts';
import { unpackPackage } from './unpack.ts';
import { verifyImage } from './verify-image.ts';

const work = mkdtempSync(join(tmpdir(), 'berth-verify-'));
after(() => rmSync(work, { recursive: true, force: true }));

const sample = [
  { name: 'config.json', data: '{}' },
  dir('rootfs'),
  dir('rootfs/empty'),
  { name: 'rootfs/file', data: 'contents' },
  { name: 'rootfs/large', data: Buffer.alloc(1_000_000) },
  hardlink('rootfs/same', 'rootfs/file'),
  symlink('rootfs/link', 'file'),
];

/** Every way of damage, with what is told of it. Times of the directories that are touched are put back. */
const damages: Readonly<Record<string, readonly [change: (rootfs: string) => void, told: readonly string[]]>> = {
  nothing: [() => undefined, []],
  contents: [(rootfs) => overwrite(join(rootfs, 'file'), 'CONTENTS'), ['rootfs/file: other contents']],
  'contents of a large file': [(rootfs) => overwrite(join(rootfs, 'large'), Buffer.alloc(1_000_000, 1)), ['rootfs/large: other contents']],
  size: [(rootfs) => overwrite(join(rootfs, 'file'), 'short'), ['rootfs/file: 5 bytes instead of 8']],
  mode: [(rootfs) => chmodSync(join(rootfs, 'file'), 0o600), ['rootfs/file: mode 600 instead of 644']],
  time: [(rootfs) => utimesSync(join(rootfs, 'file'), 1, 1), ['rootfs/file: time of change 1 instead of 1700000000']],
  missing: [(rootfs) => unlinkSync(join(rootfs, 'link')), ['rootfs/link: missing']],
  'missing directory': [(rootfs) => rmdirSync(join(rootfs, 'empty')), ['rootfs/empty: missing']],
  extra: [(rootfs) => writeFileSync(join(rootfs, 'extra'), ''), ['rootfs/extra: not in the manifest']],
  'something in a mount point': [(rootfs) => mkdirSync(join(rootfs, 'proc/x')), ['rootfs/proc/x: not in the manifest']],
  type: [(rootfs) => replace(join(rootfs, 'empty'), (path) => writeFileSync(path, '')), ['rootfs/empty: a file instead of a dir']],
  target: [(rootfs) => replace(join(rootfs, 'link'), (path) => symlinkSync('elsewhere', path)), ['rootfs/link: time of change', 'rootfs/link: it no longer points to file']],
  'hard link': [(rootfs) => replace(join(rootfs, 'same'), (path) => linkSync(join(rootfs, 'large'), path)), ['rootfs/same: no longer a hard link to rootfs/file']],
};

function overwrite(path: string, contents: string | Buffer): void {
  writeFileSync(path, contents);
  utimesSync(path, 1_700_000_000, 1_700_000_000);
}

function replace(path: string, make: (path: string) => void): void {
  rmSync(path, { recursive: true });
  make(path);
}

async function unpacked(): Promise<string> {
  const target = mkdtempSync(join(work, 'target-'));
  await unpackPackage(pieces(classicPackage(sample)), target, { limits: smallLimits() });
  return target;
}

for (const [name, [change, told]] of Object.entries(damages)) {
  test(`damage is told: ${name}`, async () => {
    const target = await unpacked();
    const rootfs = join(target, 'bundle/rootfs');
    change(rootfs);
    utimesSync(rootfs, 1_700_000_000, 1_700_000_000);
    const differences = await verifyImage(target);
    assert.equal(differences.length, told.length, differences.join('\n'));
    for (const [index, text] of told.entries()) assert.ok(differences[index]!.startsWith(text), differences.join('\n'));
  });
}

test('a config.json that is a second name of a script is taken as it came', async () => {
  const directory = mkdtempSync(join(work, 'script-'));
  const package_ = classicPackage([{ name: 'a', data: '#!/bin/sh' }, hardlink('config.json', 'a'), dir('rootfs')]);
  await unpackPackage(pieces(package_), directory, { limits: smallLimits() });
  assert.deepEqual(await verifyImage(directory), []);
});

test('another owner is told', { skip: process.geteuid?.() === 0 ? false : 'needs root' }, async () => {
  const target = await unpacked();
  chownSync(join(target, 'bundle/config.json'), 5, 6);
  assert.deepEqual(await verifyImage(target), ['config.json: owner 5:6 instead of 0:0']);
});

test('a manifest that was exchanged or is not there is told', async () => {
  const target = await unpacked();
  assert.deepEqual(await verifyImage(target, { digest: digestOf('other') }), [`manifest: it is not the one of ${digestOf('other')}`]);
  unlinkSync(join(target, 'manifest'));
  assert.match((await verifyImage(target)).join(), /ENOENT/);
});
