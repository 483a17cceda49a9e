import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { dataDirectory } from '../store/index.ts';
import { makeDataDirectories } from './data.ts';

const root = process.getuid!();

function places(t: TestContext): { readonly data: string; readonly rootfs: string; readonly elsewhere: string } {
  const directory = mkdtempSync(join(tmpdir(), 'berth-data-'));
  t.after(() => { rmSync(directory, { recursive: true }); });
  const [data, rootfs, elsewhere] = [join(directory, 'app/1'), join(directory, 'rootfs'), join(directory, 'elsewhere')];
  mkdirSync(rootfs);
  mkdirSync(elsewhere);
  return { data, rootfs, elsewhere };
}

test('data directories are made as the image has them, and then left alone', async (t) => {
  const { data, rootfs } = places(t);
  mkdirSync(join(rootfs, 'var/lib/app'), { recursive: true });
  chmodSync(join(rootfs, 'var/lib/app'), 0o2750);
  await makeDataDirectories(data, root, ['/var/lib/app', '/data'], rootfs);
  const path = dataDirectory(data, '/var/lib/app');
  assert.equal(lstatSync(path).mode & 0o7777, 0o750);
  writeFileSync(join(path, 'kept'), '');
  chmodSync(path, 0o700);
  await makeDataDirectories(data, root, ['/var/lib/app', '/data'], rootfs);
  assert.equal(lstatSync(path).mode & 0o7777, 0o700);
  assert.deepEqual(readdirSync(data).length, 2);
  assert.deepEqual(readdirSync(path), ['kept']);
});

test('links that an app left in its data lead nowhere when a later version names a path below', async (t) => {
  const { data, rootfs, elsewhere } = places(t);
  await makeDataDirectories(data, root, ['/data'], rootfs);
  symlinkSync(elsewhere, join(dataDirectory(data, '/data'), 'link'));
  await makeDataDirectories(data, root, ['/data/link/below', '/data/link'], rootfs);
  assert.deepEqual(readdirSync(elsewhere), []);
  for (const path of ['/data/link', '/data/link/below']) assert.equal(lstatSync(dataDirectory(data, path)).isDirectory(), true, path);
});

test('a directory that a power cut left half made is made anew', async (t) => {
  const { data, rootfs } = places(t);
  mkdirSync(join(data, ':new'), { recursive: true, mode: 0o777 });
  writeFileSync(join(data, ':new/x'), '');
  await makeDataDirectories(data, root, ['/data'], rootfs);
  assert.deepEqual(readdirSync(data, { recursive: true }), ['data']);
});

test('a link in place of a data directory is refused, since it would be mounted', async (t) => {
  const { data, rootfs, elsewhere } = places(t);
  mkdirSync(data, { recursive: true });
  symlinkSync(elsewhere, dataDirectory(data, '/data'));
  await assert.rejects(makeDataDirectories(data, root, ['/data'], rootfs), /data\/?.* is not a directory/);
});
