/** Volumes that one app shares and others use, by the consent of both. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { whyNoContainers, until } from './support/berthd.ts';
import { startDevice } from './support/device.ts';
import { ociConfig, type PackageOptions } from './support/packages.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

const camera: PackageOptions = { name: 'camera', annotations: { 'volumes.share': 'photos' }, script: 'umask 077; echo smile > /run/volumes/photos/one; mkdir -p /run/volumes/photos/album; while :; do sleep 1; done' };

function user(name: string, use: string, more: Partial<PackageOptions> = {}): PackageOptions {
  return { name, control: { Depends: 'camera' }, annotations: { 'volumes.use': use }, script: 'while :; do sleep 1; done', ...more };
}

test('what one app shares others see, to read or to write as they ask, with users of their own', options, async (t) => {
  const { daemon, install, inside } = await startDevice(t);
  await install(camera);
  await until(() => existsSync(join(daemon.root, 'volumes/camera/photos/album')));
  const { process } = ociConfig({ script: 'while :; do sleep 1; done' }) as { process: object };
  await install(user('viewer', 'camera/photos:/photos:ro'));
  await install(user('editor', 'camera/photos:/photos', { oci: { process: { ...process, user: { uid: 1234, gid: 1234 } } } }));
  await install({ name: 'stranger' });
  assert.equal((await inside('viewer', 'cat /photos/one')).stdout, 'smile\n');
  assert.match((await inside('viewer', 'echo x > /photos/two')).stderr, /Read-only/);
  assert.deepEqual(await inside('editor', 'echo edited >> /photos/one && umask 077 && echo new > /photos/album/two'), { code: 0, signal: null, stdout: '', stderr: '' });
  assert.equal((await inside('camera', 'cat /run/volumes/photos/one /run/volumes/photos/album/two && rm /run/volumes/photos/album/two && echo gone')).stdout, 'smile\nedited\nnew\ngone\n');
  assert.equal((await inside('stranger', 'busybox find / -name one 2>/dev/null | head -3')).stdout, '');
  // On the host nobody but root gets there.
  assert.equal(statSync(join(daemon.root, 'volumes')).mode & 0o777, 0o700);
});

test('without the consent of both there is nothing', options, async (t) => {
  const { install, refusal } = await startDevice(t);
  await install({ ...camera, annotations: { 'volumes.share': 'photos,private:editor' } });
  assert.match((await refusal({ ...user('viewer', 'camera/photos:/p'), control: {} })).message, /does not name camera in Depends/);
  assert.match((await refusal(user('viewer', 'camera/other:/p'))).message, /uses the volume camera\/other, which the installed camera does not share with it/);
  assert.match((await refusal(user('viewer', 'camera/private:/p'))).message, /does not share with it/);
  await install(user('editor', 'camera/private:/p'));
});

test('volumes outlive restarts, updates and rollbacks as they are, and go with the data of their owner', options, async (t) => {
  const { daemon, install, inside, refusal } = await startDevice(t);
  const volume = join(daemon.root, 'volumes/camera/photos');
  await install(camera);
  await install(user('editor', 'camera/photos:/photos'));
  await until(() => existsSync(join(volume, 'album')));
  await inside('editor', 'echo kept > /photos/mark');
  await install({ ...camera, version: '2', script: 'while :; do sleep 1; done' });
  assert.equal((await inside('camera', 'cat /run/volumes/photos/mark')).stdout, 'kept\n');
  assert.equal((await refusal({ ...camera, version: '3', annotations: {} })).code, 'dependency');
  assert.match((await daemon.berth('remove', 'camera')).stderr, /needed by editor/);
  await daemon.berth('remove', 'editor');
  assert.equal((await daemon.berth('remove', 'camera')).code, 0);
  assert.equal(existsSync(join(volume, 'mark')), true);
  await install({ ...camera, version: '4' });
  assert.equal((await inside('camera', 'cat /run/volumes/photos/mark')).stdout, 'kept\n');
  assert.equal((await daemon.berth('remove', '--purge', 'camera')).code, 0);
  assert.equal(existsSync(join(daemon.root, 'volumes/camera')), false);
});

test('what others write counts as data of the owner, and ends those who can write when it is too much', options, async (t) => {
  const policy = { 'data.yaml': 'apps: ["*"]\ndegrade: true\nrights: { data: 8MiB }\n' };
  const { daemon, install, settled, api } = await startDevice(t, { policy });
  await install(camera);
  await install(user('viewer', 'camera/photos:/photos:ro'));
  await install(user('editor', 'camera/photos:/photos', { script: 'while [ ! -e /photos/go ]; do sleep 0.05; done; dd if=/dev/urandom of=/photos/big bs=1048576 count=12 2>/dev/null; while :; do sleep 1; done' }));
  await daemon.berth('stop', 'camera');
  await daemon.berth('exec', 'editor', 'touch', '/photos/go');
  const { reason } = await settled('editor', ({ state }) => state === 'failed');
  assert.match(reason?.message ?? '', /it writes to volumes of camera: its data takes 1\d\.\d MiB of 8\.0 MiB/);
  assert.equal((await api.app('viewer')).state, 'running');
});
