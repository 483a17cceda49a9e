/** Users of apps: inside a container they are counted from 0, on the host they are nobody else's. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestHex } from '../src/lib/digest.ts';
import { idsPerApp } from '../src/lib/id-range.ts';
import { defaultIds } from '../src/store/index.ts';
import { startBerthd, until, whyNoContainers, type TestDaemon } from './support/berthd.ts';
import { startDevice, type Device } from './support/device.ts';
import { makePackage } from './support/packages.ts';
import { beginUpload } from './support/upload.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

/** The user of the host that an app's root is, as the kernel says inside (user_namespaces(7)). */
async function rootOf({ inside }: Device, app: string): Promise<number> {
  const maps = await inside(app, 'cat /proc/self/uid_map /proc/self/gid_map');
  const [users, groups] = maps.stdout.trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  assert.deepEqual(users, groups);
  const [first, outside, count] = users!;
  assert.deepEqual([first, count], [0, idsPerApp]);
  return outside!;
}

function ownerOf(path: string): readonly number[] {
  const { uid, gid } = lstatSync(path);
  return [uid, gid];
}

test('every app is root among users of its own, which no other app and nobody on the host has', options, async (t) => {
  const device = await startDevice(t);
  await device.install({ name: 'one' });
  await device.install({ name: 'two' });
  const [one, two] = [await rootOf(device, 'one'), await rootOf(device, 'two')];
  assert.deepEqual([one, two], [defaultIds.base + idsPerApp, defaultIds.base + 2 * idsPerApp]);
  const { pid } = (await device.api.app('one')).instance!;
  assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), new RegExp(`^Uid:\\t${one}\\t`, 'm'));
  assert.equal((await device.inside('one', 'busybox id -u; busybox stat -c %u:%g / /bin/busybox /tmp /dev/shm /run/berth')).stdout, `0\n${'0:0\n'.repeat(5)}`);
});

test('the users of an app stay its own over updates, the way back, and a removal that keeps its data; a purge gives them up', options, async (t) => {
  const device = await startDevice(t, { config: 'updates: {trial-uptime: 100ms}\n' });
  const { daemon, api, install, inside } = device;
  const annotations = { data: '/data' };
  await install({ name: 'before' });
  await install({ name: 'app', version: '1.0', annotations });
  const root = await rootOf(device, 'app');
  await inside('app', 'echo kept > /data/file');
  await install({ name: 'app', version: '2.0', annotations });
  assert.equal(await rootOf(device, 'app'), root);
  const { code, stdout, stderr } = await daemon.berth('rollback', 'app');
  assert.equal(code, 0, stdout + stderr);
  assert.equal(await rootOf(device, 'app'), root);
  await api.must('DELETE', '/apps/app');
  await api.must('DELETE', '/apps/before?purge=true');
  // Takes the place of the one that is gone, not of the one that has left something.
  await install({ name: 'other', annotations });
  assert.equal(await rootOf(device, 'other'), root - idsPerApp);
  await install({ name: 'app', version: '2.0', annotations });
  assert.equal(await rootOf(device, 'app'), root);
  assert.equal((await inside('app', 'cat /data/file; echo more >> /data/file')).stdout, 'kept\n');
  await api.must('DELETE', '/apps/app?purge=true');
  await install({ name: 'next', annotations });
  assert.equal(await rootOf(device, 'next'), root);
  assert.equal((await inside('next', 'ls /data')).stdout, '');
});

test('on the host, all that an app has is its own, and the way there is root\'s', options, async (t) => {
  const device = await startDevice(t);
  const { daemon, install, inside } = device;
  const process = { user: { uid: 1000, gid: 1001 }, args: ['/bin/sh', '-c', 'echo x > /data/file; echo x > /run/exports/web/file; exec sleep 1000'], env: ['PATH=/bin'], cwd: '/' };
  const { digest } = await install({ name: 'web', annotations: { data: '/data', exports: 'web' }, files: { 'etc/file': 'x' }, oci: { process } });
  await until(async () => (await inside('web', 'cat /run/exports/web/file')).code === 0);
  const root = await rootOf(device, 'web');
  const user = [root + 1000, root + 1001];
  const image = join(daemon.root, 'images', digestHex(digest));
  const owners: readonly (readonly [path: string, owner: readonly number[]])[] = [
    [daemon.root, [0, 0]], [image, [0, 0]], [join(image, 'manifest'), [0, 0]], [join(image, 'bundle'), [0, 0]],
    [join(image, 'bundle/rootfs'), [root, root]], [join(image, 'bundle/rootfs/etc/file'), [root, root]], [join(image, 'bundle/rootfs/data'), user],
    [join(daemon.root, 'data/web'), [0, 0]], [join(daemon.root, 'data/web/1'), [root, root]], [join(daemon.root, 'data/web/1/data'), user],
    [join(daemon.root, 'data/web/1/data/file'), user],
    [join(daemon.runDir, 'exchange/web/web'), [root, root]], [join(daemon.runDir, 'exchange/web/web/file'), user], [join(daemon.runDir, 'apps/web'), [root, root]],
  ];
  for (const [path, owner] of owners) assert.deepEqual(ownerOf(path), owner, path);
  for (const path of ['images', 'staging', `images/${digestHex(digest)}`, `images/${digestHex(digest)}/bundle`]) assert.equal(lstatSync(join(daemon.root, path)).mode & 0o777, 0o711, path);
  // A command in the app is one of its users too, and sees the bus.
  assert.equal((await inside('web', 'busybox id -u; [ -S /run/berth/bus ] && echo bus')).stdout, '1000\nbus\n');
});

test('an app writes to its standard output by its name, whoever it is', options, async (t) => {
  const { install, logged } = await startDevice(t);
  for (const uid of [0, 1000]) {
    const name = `app-${uid}`;
    await install({ name, oci: { process: { user: { uid, gid: uid }, args: ['/bin/sh', '-c', 'echo said > /dev/stdout; exec sleep 1000'], env: ['PATH=/bin'], cwd: '/' } } });
    await until(async () => (await logged(name)).some(({ text }) => text === 'said'));
  }
});

test('what asks for a user that no app has is refused', options, async (t) => {
  const { refusal } = await startDevice(t);
  const { code, message } = await refusal({ name: 'web', oci: { process: { user: { uid: 65_536, gid: 0 }, args: ['/bin/sh'], cwd: '/' } } });
  assert.equal(code, 'bad_package');
  assert.match(message, /process\.user\.uid is not a user .* from 0 to 65535/);
});

test('a store whose apps have other users than the configuration says is refused, and so is one that they cannot get to', options, async (t) => {
  const device = await startDevice(t);
  await device.install({ name: 'web' });
  const { daemon } = device;
  await daemon.end();
  const again = (config: string): Promise<TestDaemon> => startBerthd(t, { root: daemon.root, config });
  await assert.rejects(again('ids: {base: 2000000000, count: 100}\n'), /ids\.base is 2000000000, but the files of this store's apps belong to users from 1879048192 on/);
  await assert.rejects(again('ids: {count: 100000}\n'), /ids: base and count are too high/);
  chmodSync(daemon.directory, 0o700);
  await assert.rejects(again(''), /apps, which are other users than root, cannot get to their files .*chmod o\+x/);
});

test('a daemon that is killed while a package is unpacked leaves no process, and the next one no file', options, async (t) => {
  const daemon = await startBerthd(t);
  const bytes = readFileSync(await makePackage(daemon.directory, { name: 'web' }));
  // The child waits for the rest.
  const client = beginUpload(daemon.socket, bytes.subarray(0, bytes.length / 2));
  t.after(() => { client.destroy(); });
  const staging = join(daemon.root, 'staging');
  const strays = (): readonly string[] => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && seesAsChild(pid, staging));
  await until(() => strays().length > 0 && readdirSync(staging).some((name) => existsSync(join(staging, name, '0/bundle'))));
  await daemon.end('SIGKILL');
  await until(() => strays().length === 0);
  await daemon.start();
  assert.deepEqual(readdirSync(staging), []);
});

/** True for a process of the users of the unpacking child that sees the staging directory. */
function seesAsChild(pid: string, staging: string): boolean {
  try {
    return lstatSync(`/proc/${pid}`).uid === defaultIds.base && readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(` ${staging} `);
  } catch {
    // It ended meanwhile.
    return false;
  }
}
