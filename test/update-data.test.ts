/** What updates do with the data of apps, with the images that were before, and with versions older than what has run well. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { digestHex } from '../src/lib/digest.ts';
import { until } from './support/berthd.ts';
import type { PackageOptions } from './support/packages.ts';
import { Shelf } from './support/shelf.ts';
import { app, updateTest, type UpdateDevice } from './support/updates.ts';

const shelf = new Shelf();

/** An app that writes its version at the end of `/data/log` when it starts. */
function writer(name: string, version: string, { script = '', annotations }: Pick<PackageOptions, 'script' | 'annotations'> = {}): PackageOptions {
  return app(name, version, { script: `echo ${version} >> /data/log; ${script} exec sleep 1000`, annotations: { data: '/data', ...annotations } });
}

/** What it has written so far. */
function written(device: UpdateDevice, name: string): string {
  const log = join(device.data(name), 'log');
  return existsSync(log) ? readFileSync(log, 'utf8').trim().replaceAll('\n', ' ') : '';
}

/** Waits until it has written as much, since it writes a moment after it was started, and requires that it is this. */
async function requireWritten(device: UpdateDevice, name: string, expected: string): Promise<void> {
  const count = expected.split(' ').length;
  assert.equal(await until(() => [written(device, name)].find((text) => text.split(' ').length >= count)), expected);
}

const fails = { script: 'sleep 0.1; exit 3;' } as const;

describe('data', { concurrency: 4 }, () => {
  updateTest(shelf, 'a rollback restores the data as it was at the switch; a commit drops the copy', async (device) => {
    await device.commits([writer('a', '1.0')]);
    const before = statSync(device.data('a'));
    await device.fails([writer('a', '2.0', fails)], 'rolled_back', /exited with code 3/);
    await requireWritten(device, 'a', '1.0 1.0');
    await device.commits([writer('a', '2.0')]);
    await requireWritten(device, 'a', '1.0 1.0 2.0');
    const { mode, uid, gid } = statSync(device.data('a'));
    assert.deepEqual({ mode, uid, gid }, { mode: before.mode, uid: before.uid, gid: before.gid });
  });

  updateTest(shelf, 'what an app writes until the moment it is stopped is in the copy', async (device) => {
    await device.commits([app('a', '1.0', {
      script: 'trap "echo last >> /data/log; exit 0" TERM; echo 1.0 >> /data/log; while :; do sleep 0.05; done',
      annotations: { 'data': '/data', 'stop-signal': 'SIGTERM' },
    })]);
    await until(() => written(device, 'a') === '1.0');
    await device.commits([writer('a', '2.0')]);
    await requireWritten(device, 'a', '1.0 last 2.0');
  });

  updateTest(shelf, 'without a snapshot the old version meets what the new one left', async (device) => {
    await device.commits([writer('a', '1.0')]);
    await device.fails([writer('a', '2.0', fails)], 'rolled_back', /exited with code 3/, { snapshot: false });
    await requireWritten(device, 'a', '1.0 2.0 1.0');
  });

  updateTest(shelf, 'more data than may be copied is refused before anything stops, with the option that takes it', async (device) => {
    await device.commits([writer('a', '1.0', { script: 'dd if=/dev/zero of=/data/big bs=1024 count=300 2>/dev/null;' })]);
    await until(() => statSync(join(device.data('a'), 'big'), { throwIfNoEntry: false })?.size === 300 * 1024);
    const running = await device.instance('a');
    await device.fails([writer('a', '2.0')], 'too_large', /data of a is 300 KiB, more than the 200 KiB .*--no-snapshot/);
    assert.equal(await device.instance('a'), running);
    await device.commits([writer('a', '2.0')], { snapshot: false });
    await requireWritten(device, 'a', '1.0 2.0');
  }, ['snapshot-max: 200KiB']);

  updateTest(shelf, 'an app that is taken away by a rollback leaves the data that an earlier one of its name had kept', async (device) => {
    await device.commits([app('a', '1.0'), writer('n', '1.0')]);
    await device.api.must('DELETE', '/apps/n');
    await device.fails([app('a', '2.0', { script: 'sleep 0.2; exit 1' }), writer('n', '2.0')], 'rolled_back', /a: exited with code 1/);
    assert.deepEqual(await device.holding(), { a: '1.0 running' });
    await requireWritten(device, 'n', '1.0');
    await device.commits([writer('n', '1.0')]);
    await requireWritten(device, 'n', '1.0 1.0');
    assert.equal((await device.api.must('DELETE', '/apps/n?purge=true')).status, 200);
    assert.equal(readdirSync(join(device.daemon.root, 'data')).includes('n'), false);
  });
});

describe('migrations', { concurrency: 4 }, () => {
  const migrating = (script: string, timeout = '1m'): Pick<PackageOptions, 'annotations'> => ({
    annotations: { 'migrate.command': JSON.stringify(['/bin/sh', '-c', script]), 'migrate.timeout': timeout },
  });

  updateTest(shelf, 'a migration changes the data before the new version starts', async (device) => {
    await device.commits([writer('a', '1.0', migrating('echo not for a new app >> /data/log'))]);
    await requireWritten(device, 'a', '1.0');
    await device.commits([writer('a', '2.0', migrating('echo said; echo migrated >> /data/log'))]);
    await requireWritten(device, 'a', '1.0 migrated 2.0');
    assert.match((await device.api.must('GET', '/apps/a/logs')).body, /"said"/);
  });

  updateTest(shelf, 'a migration that fails leaves the old version with its data', async (device) => {
    await device.commits([writer('a', '1.0'), app('b', '1.0')]);
    await device.fails([writer('a', '2.0', migrating('echo half >> /data/log; exit 4')), app('b', '2.0')], 'rolled_back', /a 2\.0: its migration of the data exited with 4.*berth logs a/);
    assert.deepEqual(await device.holding(), { a: '1.0 running', b: '1.0 running' });
    await requireWritten(device, 'a', '1.0 1.0');
    assert.deepEqual(await device.versions('a'), ['1.0']);
  });

  updateTest(shelf, 'a migration that takes too long is killed and has failed', async (device) => {
    await device.commits([writer('a', '1.0')]);
    await device.fails([writer('a', '2.0', migrating('echo half >> /data/log; exec sleep 1000', '1s'))], 'rolled_back', /took longer than 1s/);
    assert.deepEqual(await device.holding(), { a: '1.0 running' });
    await requireWritten(device, 'a', '1.0 1.0');
  });
});

describe('versions', { concurrency: 4 }, () => {
  for (const [retain, kept] of [[0, ['4.0']], [1, ['3.0', '4.0']], [2, ['2.0', '3.0', '4.0']]] as const) {
    updateTest(shelf, `with retain: ${retain}, of four versions ${kept.join(' and ')} are left`, async (device) => {
      for (const version of ['1.0', '2.0', '3.0', '4.0']) await device.commits([app('a', version, { annotations: { 'trial.uptime': '0s' } })]);
      assert.deepEqual(await device.versions('a'), kept);
      const { status, body } = await device.api.call('POST', '/apps/a/rollback');
      assert.equal(status, retain === 0 ? 409 : 200, body);
      assert.deepEqual(await device.holding(), { a: retain === 0 ? '4.0 running' : '3.0 running' });
    }, [`retain: ${retain}`]);
  }

  updateTest(shelf, 'a version older than what has run well is refused, unless that is allowed or the app was purged', async (device) => {
    await device.commits([app('a', '1.0')]);
    await device.commits([app('a', '2.0')]);
    await device.fails([app('a', '1.0')], 'downgrade', /a 1\.0 is older than 2\.0.*--allow-downgrade/);
    // One that did not prove itself is no floor.
    await device.fails([app('a', '3.0', { script: 'exit 1' })], 'rolled_back', /exited/);
    await device.commits([app('a', '2.5')]);
    await device.commits([app('a', '1.0')], { allowDowngrade: true });
    await device.commits([app('a', '1.5')]);
    await device.api.must('DELETE', '/apps/a');
    await device.fails([app('a', '1.0')], 'downgrade', /a 1\.0 is older than 1\.5/);
    await device.commits([app('a', '1.5')]);
    await device.api.must('DELETE', '/apps/a?purge=true');
    await device.commits([app('a', '1.0')]);
  });

  updateTest(shelf, 'an image that was damaged on the disk is made whole by a payload that brings it', async (device) => {
    const payload = [app('a', '1.0', { files: { 'etc/whole': 'as it was made' } })];
    const { installed } = await device.commits(payload);
    const file = join(device.daemon.root, 'images', digestHex(installed[0]!.digest), 'bundle/rootfs/etc/whole');
    writeFileSync(file, 'damaged');
    await device.commits(payload);
    assert.equal(readFileSync(file, 'utf8'), 'as it was made');
    assert.deepEqual(await device.holding(), { a: '1.0 running' });
  });
});
