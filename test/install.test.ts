/** What an installation does to the host, and what it does not let packages do. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyImage } from '../src/image/index.ts';
import { berthdBundle, whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';

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
  assert.deepEqual(await verifyImage(join(daemon.root, 'images', digest.slice('sha256:'.length)), { digest }), []);
});

test('apps can have the names of files that the kernel has', limit, async (t) => {
  const { install } = await startDevice(t);
  for (const name of ['tasks', 'cgroup.procs', 'a+b.c-d']) {
    const { status } = await install({ name, version: '9:1.0~rc1+x-3', annotations: { data: '/data', exports: 'web' } });
    assert.equal(status.state, 'running', name);
  }
});
