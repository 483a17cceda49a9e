/** Apps that fill their data: they hurt themselves only, and the device goes on. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { whyNoContainers, until } from './support/berthd.ts';
import { startDevice, type Device } from './support/device.ts';
import { SmallDisk } from './support/small-disk.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };
const MiB = 1024 ** 2;

/** A device with its store on a small disk; every app may keep 16 MiB, those named `free-*` as much as they like. */
async function onSmallDisk(t: TestContext, size = '128M'): Promise<Device & { disk: SmallDisk }> {
  const disk = new SmallDisk(t, size);
  const policy = { 'data.yaml': 'apps: ["free-*"]\ndegrade: true\nrights: {}\n---\napps: ["*"]\ndegrade: true\nrights:\n  data: 16MiB\n' };
  return { ...(await startDevice(t, { root: join(disk.path, 'berth'), policy })), disk };
}

/** An app that writes a little, again and again, and says so. */
const bystander = { name: 'bystander', annotations: { data: '/data' }, script: 'i=0; while :; do i=$((i+1)); echo $i > /data/count && echo $i; sleep 0.1; done' };

/** The bystander has written since. */
async function goesOn({ logged }: Device): Promise<void> {
  const before = (await logged('bystander')).length;
  await until(async () => (await logged('bystander')).length > before + 3);
}

test('an app that fills its data is ended, with the reason; the others write on, and an update works', options, async (t) => {
  const device = await onSmallDisk(t);
  const { daemon, disk, install, settled, api } = device;
  await install(bystander);
  await install({ name: 'greedy', annotations: { data: '/data', restart: 'always' }, script: 'i=0; while :; do i=$((i+1)); dd if=/dev/urandom of=/data/$i bs=1024 count=1024 2>/dev/null; sleep 0.02; done' });
  const { reason } = await settled('greedy', ({ state }) => state === 'failed');
  assert.equal(reason?.code, 'data-full');
  assert.match(reason.message, /^its data takes \d+\.\d MiB of 16\.0 MiB$/);
  assert.equal(disk.freeBytes > 40 * MiB, true);
  await goesOn(device);
  const report = await install({ ...bystander, version: '2' });
  assert.equal(report.status.state, 'running');
  await goesOn(device);

  assert.match((await daemon.berth('show', 'greedy')).stdout, /Data +\d+\.\d MiB of 16\.0 MiB, measured/);
  assert.match((await daemon.berth('show', 'greedy')).stdout, /Host user +18\d+ is its root/);
  assert.match((await daemon.berth('storage')).stdout, /greedy .* 16\.0 MiB, measured/);

  // Room is made, and it goes on.
  const data = join(daemon.root, 'data/greedy/1/data');
  for (const name of readdirSync(data).slice(4)) rmSync(join(data, name));
  assert.equal((await api.must('POST', '/apps/greedy/start')).status, 200);
  await settled('greedy', ({ state, data: use }) => state === 'running' && (use?.usedBytes ?? Infinity) < 16 * MiB);
});

test('an app that a person starts again has a while to make room itself; one that grows on is ended', options, async (t) => {
  const { install, settled, api, inside } = await onSmallDisk(t);
  // At its second start it waits for a word; at its third it writes at once.
  const script = 'n=$(ls /data/starts* 2>/dev/null | wc -l); : > /data/starts$n; [ $n = 1 ] || dd if=/dev/urandom of=/data/big$n bs=1048576 count=20 2>/dev/null; while :; do [ -e /data/tidy ] && rm /data/big*; sleep 0.1; done';
  await install({ name: 'hoarder', annotations: { data: '/data' }, script });
  const full = ({ state, reason }: { readonly state: string; readonly reason?: { readonly code: string } }): boolean => state === 'failed' && reason?.code === 'data-full';
  await settled('hoarder', full);
  await api.must('POST', '/apps/hoarder/start');
  await settled('hoarder', ({ state, data }) => state === 'running' && (data?.usedBytes ?? 0) > 16 * MiB);
  await inside('hoarder', 'touch /data/tidy');
  await settled('hoarder', ({ state, data }) => state === 'running' && (data?.usedBytes ?? Infinity) < MiB);
  await inside('hoarder', 'rm /data/tidy');
  await api.must('POST', '/apps/hoarder/restart');
  await settled('hoarder', full);
});

test('what is deleted and still open counts, as do many empty files', options, async (t) => {
  const device = await onSmallDisk(t);
  const { install, settled } = device;
  await install(bystander);
  await install({ name: 'hidden', annotations: { data: '/data' }, script: 'exec 3> /data/file; rm /data/file; while :; do dd if=/dev/urandom bs=1024 count=1024 2>/dev/null >&3; sleep 0.02; done' });
  await settled('hidden', ({ state, reason }) => state === 'failed' && reason?.code === 'data-full');
  await install({ name: 'many', annotations: { data: '/data' }, script: 'i=0; while :; do i=$((i+1)); mkdir /data/d$i; for f in $(seq 1 200); do : > /data/d$i/$f; done; sleep 0.02; done' });
  await settled('many', ({ state, reason }) => state === 'failed' && reason?.code === 'data-full');
  await goesOn(device);
});

test('an app without a limit is ended before the reserve is gone, the one that wrote and no other', options, async (t) => {
  const device = await onSmallDisk(t);
  const { install, settled, disk } = device;
  await install(bystander);
  await install({ name: 'free-old', annotations: { data: '/data' }, script: 'dd if=/dev/urandom of=/data/big bs=1048576 count=20 2>/dev/null; echo done; while :; do sleep 1; done' });
  await until(async () => (await device.logged('free-old')).length > 0);
  await install({ name: 'free-new', annotations: { data: '/data' }, script: 'i=0; while :; do i=$((i+1)); dd if=/dev/urandom of=/data/$i bs=1024 count=512 2>/dev/null; sleep 0.05; done' });
  const { reason } = await settled('free-new', ({ state }) => state === 'failed');
  assert.equal(reason?.code, 'data-full');
  assert.match(reason.message, /the disk is full but for the reserve .* grown most/);
  const { bavail, bsize } = statfsSync(disk.path);
  assert.equal(bavail * bsize > MiB, true);
  assert.equal((await device.api.app('free-old')).state, 'running');
  await goesOn(device);
});

test('a migration that fills the data is ended, and the update is undone', options, async (t) => {
  const { install, api } = await onSmallDisk(t);
  await install({ ...bystander, version: '1' });
  const fill = 'i=0; while :; do i=$((i+1)); dd if=/dev/urandom of=/data/$i bs=1024 count=1024 2>/dev/null; sleep 0.02; done';
  await assert.rejects(
    install({ ...bystander, version: '2', annotations: { data: '/data', 'migrate.command': JSON.stringify(['/bin/sh', '-c', fill]) } }),
    /was ended: its data takes \d+\.\d MiB of 16\.0 MiB/,
  );
  const { version, state } = await api.app('bystander');
  assert.deepEqual([version, state], ['1', 'running']);
});

test('a new version that fills its data in its trial is rolled back', options, async (t) => {
  const { daemon, install, api } = await onSmallDisk(t);
  await install({ ...bystander, version: '1' });
  await assert.rejects(
    install({ ...bystander, version: '2', annotations: { data: '/data', 'trial.uptime': '30s' }, script: 'i=0; while :; do i=$((i+1)); dd if=/dev/urandom of=/data/$i bs=1024 count=1024 2>/dev/null; sleep 0.02; done' }),
    /its data takes \d+\.\d MiB of 16\.0 MiB/,
  );
  const { version, state } = await api.app('bystander');
  assert.deepEqual([version, state], ['1', 'running']);
  await until(() => readdirSync(join(daemon.root, 'data/bystander')).length === 1);
});
