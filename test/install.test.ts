/** What an installation does to the host, and what it does not let packages do. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { berthdBundle, imageDifferences, until, whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';
import { makePackage } from './support/packages.ts';

const skip = whyNoContainers();
const limit = skip === undefined ? { timeout: 60_000 } : { skip };

test('links that an app left in its data give a later version nothing of the host', limit, async (t) => {
  const { daemon, api, install, inside } = await startDevice(t);
  const host = join(daemon.directory, 'host');
  mkdirSync(host);
  writeFileSync(join(host, 'secret'), '');
  await install({ name: 'sly', version: '1', annotations: { data: '/data' } });
  assert.equal((await inside('sly', `ln -s ${host} /data/host`)).code, 0);
  await api.must('POST', '/apps/sly/stop');
  await install({ name: 'sly', version: '2', annotations: { data: '/data/host,/data/host/below' } }).catch(() => undefined);
  await install({ name: 'sly', version: '3', annotations: { data: '/data/host' } });
  await api.must('POST', '/apps/sly/start');
  assert.equal((await inside('sly', 'ls /data/host')).stdout, '');
  assert.deepEqual(readdirSync(host), ['secret']);
});

test('an image that was damaged on disk is whole again after it was installed again', limit, async (t) => {
  const { daemon, api, install } = await startDevice(t);
  const { digest } = await install({ name: 'web', files: { 'etc/motd': 'hello' } });
  await api.must('POST', '/apps/web/stop');
  const file = join(daemon.root, 'images', digest.slice('sha256:'.length), 'bundle/rootfs/etc/motd');
  writeFileSync(file, 'HELLO');
  assert.equal((await api.call('POST', '/install?start=false', join(daemon.directory, 'web_1.0.ipk'))).status, 200);
  assert.equal(readFileSync(file, 'utf8'), 'hello');
  assert.equal((await daemon.berth('start', 'web')).code, 0);
});

test('what the daemon makes is closed to others whatever umask it was started with', limit, async (t) => {
  for (const umask of ['000', '077']) {
    const { daemon, install } = await startDevice(t, { program: ['sh', '-c', `umask ${umask} && exec "$@"`, 'sh', process.execPath, berthdBundle] });
    await install({ name: 'web', annotations: { data: '/data', exports: 'web' } });
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    const modes = Object.fromEntries(['root', 'root/berth.db', 'root/data', 'root/logs', 'run', 'run/berth.sock', 'run/bundles', 'run/exchange', 'run/lock'].map((path) => [path, mode(join(daemon.directory, path))]));
    assert.deepEqual(modes, {
      'root': '711', 'root/berth.db': '600', 'root/data': '700', 'root/logs': '700',
      'run': '711', 'run/berth.sock': '660', 'run/bundles': '700', 'run/exchange': '700', 'run/lock': '600',
    }, `with umask ${umask}`);
  }
});

test('an app of another user can write its data, and its image stays as it was packed', limit, async (t) => {
  const { daemon, install, inside } = await startDevice(t);
  const process = { user: { uid: 1000, gid: 1001 }, args: ['/bin/sleep', '1000'], cwd: '/work/deep' };
  const { digest } = await install({ name: 'web', annotations: { data: '/var/lib/web' }, oci: { process } });
  assert.equal((await inside('web', 'pwd; echo kept > /var/lib/web/file; cat /var/lib/web/file')).stdout, '/work/deep\nkept\n');
  assert.deepEqual(await imageDifferences(daemon.root, digest), []);
});

test('apps can have the names of files that the kernel has', limit, async (t) => {
  const { install } = await startDevice(t);
  for (const name of ['tasks', 'cgroup.procs', 'a+b.c-d']) {
    const { status } = await install({ name, version: '9:1.0~rc1+x-3', annotations: { data: '/data', exports: 'web' } });
    assert.equal(status.state, 'running', name);
  }
});

test('data outlives a removal, and can be deleted then or later', limit, async (t) => {
  const { daemon, install, inside } = await startDevice(t);
  const app = { name: 'web', annotations: { data: '/data' } };
  await install(app);
  await inside('web', 'echo kept > /data/file');
  assert.equal((await daemon.berth('remove', 'web')).code, 0);
  await install(app);
  assert.equal((await inside('web', 'cat /data/file')).stdout, 'kept\n');
  assert.equal((await daemon.berth('remove', 'web')).code, 0);
  assert.equal((await daemon.berth('remove', 'web', '--purge')).code, 0);
  assert.deepEqual(readdirSync(join(daemon.root, 'data')), []);
  assert.match((await daemon.berth('remove', 'web', '--purge')).stderr, /no app is named "web"/);
});

test('a daemon that was killed while it unpacked starts again, though the unpacking goes on for a moment', limit, async (t) => {
  const { daemon, api } = await startDevice(t);
  const files = Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [`usr/${index % 100}/${index}`, String(index)]));
  const file = await makePackage(daemon.directory, { name: 'big', files, compression: 'xz' });
  for (let unpacked = 0; unpacked < 1800; unpacked += 600) {
    const cutOff = assert.rejects(api.call('POST', '/install', file));
    const staging = join(daemon.root, 'staging');
    await until(() => readdirSync(staging, { recursive: true }).length > unpacked);
    await daemon.end('SIGKILL');
    await daemon.start();
    await cutOff;
    assert.deepEqual(readdirSync(staging), []);
  }
});

test('a file of platform.d that cannot be read is named to who installs', limit, async (t) => {
  const { daemon, refusal } = await startDevice(t);
  for (const [text, fault] of [['services: [', /flow sequence/i], ['services:\n- name: gps\n  port: 1\n', /services\.0\.port: not a key/]] as const) {
    writeFileSync(join(daemon.directory, 'platform.d/gps.yaml'), text);
    const { code, message } = await refusal({ name: 'web' });
    assert.equal(code, 'unavailable');
    assert.match(message, /platform\.d\/gps\.yaml/);
    assert.match(message, fault);
  }
  rmSync(join(daemon.directory, 'platform.d/gps.yaml'));
  mkdirSync(join(daemon.directory, 'platform.d/dir.yaml'));
  assert.match((await refusal({ name: 'web' })).message, /platform\.d\/dir\.yaml/);
});
