/** Apps that take all they can get: each hurts itself only, its end is told, and the app beside never notices. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until, whyNoContainers, type TestDaemon } from './support/berthd.ts';
import { startDevice, type Device } from './support/device.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };
const mebibyte = 1024 ** 2;

/** What the kernel holds an app's own group to: a number in this file, whichever version of control groups has it. */
function limitOf(daemon: TestDaemon, app: string, files: readonly string[]): number {
  const paths = daemon.cgroups().filter((path) => path.endsWith(`/${app}.app`)).flatMap((path) => files.map((file) => join(path, file)));
  return Number(readFileSync(paths.find((path) => existsSync(path))!, 'utf8'));
}

const memoryLimit = ['memory.limit_in_bytes', 'memory.max'];
const processLimit = ['pids.max'];

async function withBystander(device: Device): Promise<() => Promise<void>> {
  const { status } = await device.install({ name: 'bystander', script: 'echo kept > /data/kept; exec sleep 1000', annotations: { data: '/data' } });
  return async () => {
    assert.equal((await device.inside('bystander', 'cat /data/kept; echo x > /tmp/x && echo written')).stdout, 'kept\nwritten\n');
    assert.deepEqual((await device.api.app('bystander')).instance, status.instance);
  };
}

function attacker(script: string, resources: object): Readonly<Record<string, unknown>> {
  return { process: { user: { uid: 0, gid: 0 }, args: ['/bin/sh', '-c', script], env: ['PATH=/bin'], cwd: '/' }, linux: { resources } };
}

test('memory: the app is ended and its end is told by its monitor, which is within the same limits', options, async (t) => {
  const device = await startDevice(t);
  const isWell = await withBystander(device);
  const limit = 24 * mebibyte;
  const oci = attacker('trap "" TERM; while :; do tail /dev/zero & tail /dev/zero; done & tail /dev/zero', { memory: { limit } });
  await device.install({ name: 'eater', annotations: { restart: 'never' }, oci });
  const { lastExit } = await device.settled('eater', ({ state }) => state === 'stopped');
  assert.deepEqual({ oom: lastExit!.oom, cause: lastExit!.cause, signal: lastExit!.signal }, { oom: true, cause: 'ended', signal: 'SIGKILL' });
  await isWell();
});

test('memory: everything of an app is in one group, which has its limits and room for the monitor', options, async (t) => {
  const { daemon, install } = await startDevice(t);
  const { status } = await install({ name: 'bounded', oci: attacker('exec sleep 1000', { memory: { limit: 24 * mebibyte }, pids: { limit: 20 } }) });
  assert.equal(limitOf(daemon, 'bounded', memoryLimit), (24 + 32) * mebibyte);
  assert.equal(limitOf(daemon, 'bounded', processLimit), 20 + 32);
  const groups = daemon.cgroups().filter((path) => existsSync(join(path, 'memory.stat')));
  const members = groups.filter((path) => path.includes('/bounded.app/')).flatMap((path) => readFileSync(join(path, 'cgroup.procs'), 'utf8').trim().split('\n'));
  const conmon = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${status.instance!.pid}/status`, 'utf8'))![1]!;
  assert.deepEqual(members.toSorted(), [String(status.instance!.pid), conmon].toSorted());
});

test('processes: a fork bomb is bounded, can be stopped, and leaves nothing', options, async (t) => {
  const device = await startDevice(t);
  const isWell = await withBystander(device);
  const bomb = `
import os, time
while True:
    try: os.fork()
    except OSError: time.sleep(0.01)
`;
  const oci = { ...attacker('', { pids: { limit: 60 } }), process: { user: { uid: 0, gid: 0 }, args: ['/usr/bin/python3', '-S', '/bomb.py'], env: ['PATH=/bin'], cwd: '/' } };
  await device.install({ name: 'bomb', files: { 'bomb.py': bomb }, programs: ['/usr/bin/python3'], pythonModules: ['os', 'time'], oci });
  const processes = async (): Promise<number> => {
    const { figures } = JSON.parse((await device.api.must('GET', '/stats?app=bomb')).body) as { figures: { processes: number }[] };
    return figures[0]?.processes ?? 0;
  };
  const most = await until(async () => {
    const now = await processes();
    return now >= 58 && now;
  });
  assert.equal(most <= 60, true, `${most} processes`);
  await isWell();
  await device.api.must('POST', '/apps/bomb/kill');
  await device.api.must('POST', '/apps/bystander/kill');
  assert.deepEqual(device.daemon.processes(), []);
});

test('memory file systems: each is bounded, and all of them count as memory of the app', options, async (t) => {
  const device = await startDevice(t);
  const isWell = await withBystander(device);
  const fill = (path: string): string => `dd if=/dev/zero of=${path}/fill bs=65536 2>&1 | grep -o "No space left"; busybox stat -c %s ${path}/fill; rm ${path}/fill`;
  await device.install({ name: 'filler', oci: attacker('exec sleep 1000', { memory: { limit: 128 * mebibyte } }) });
  assert.equal((await device.inside('filler', `${fill('/dev/shm')}; ${fill('/tmp')}; ${fill('/run')}`)).stdout, [16, 64, 16].map((size) => `No space left\n${size * mebibyte}\n`).join(''));
  assert.match((await device.inside('filler', 'dd if=/dev/zero of=/dev/fill bs=65536')).stderr, /No space left/);
  await device.install({ name: 'small', annotations: { restart: 'never' }, oci: attacker('exec dd if=/dev/zero of=/tmp/fill bs=65536', { memory: { limit: 16 * mebibyte } }) });
  assert.equal((await device.settled('small', ({ state }) => state === 'stopped')).lastExit!.oom, true);
  await isWell();
});

test('log: output without end is bounded on disk, marked where it is missing, and the lines of others are all there', options, async (t) => {
  const device = await startDevice(t);
  const isWell = await withBystander(device);
  await device.install({ name: 'orderly', script: 'for i in $(seq 200); do echo $i; done; exec sleep 1000' });
  const directory = join(device.daemon.root, 'logs/chatter');
  // The file that is being written has two names.
  const onDisk = (): number => [...new Map(filesIn(directory).map(({ ino, size }) => [ino, size])).values()].reduce((sum, size) => sum + size, 0);
  await device.install({ name: 'chatter', oci: attacker('yes 0123456789012345678901234567890123456789012345678901234567890123456789 & yes & yes', { memory: { limit: 32 * mebibyte } }) });
  let most = 0;
  await until(() => {
    most = Math.max(most, onDisk());
    return most > 6 * mebibyte;
  });
  for (let look = 0; look < 6; look += 1) {
    most = Math.max(most, onDisk());
    await isWell();
  }
  assert.equal(most <= 10 * mebibyte, true, `${most} bytes`);
  assert.deepEqual((await device.logged('orderly')).map(({ text }) => text), Array.from({ length: 200 }, (_, index) => String(index + 1)));
  await device.api.must('POST', '/apps/chatter/kill');
  assert.equal((await device.logged('chatter')).some(({ stream, text }) => stream === 'berth' && /missing/.test(text)), true);
});

test('processor: of an app that takes all there is, others and the daemon are still served', options, async (t) => {
  const device = await startDevice(t);
  const isWell = await withBystander(device);
  await device.install({ name: 'hog', script: 'for i in $(seq 16); do while :; do :; done & done; echo busy; wait' });
  await until(async () => (await device.logged('hog')).length > 0);
  for (let time = 0; time < 5; time += 1) await isWell();
  const weights = ['hog', 'bystander'].map((app) => limitOf(device.daemon, app, ['cpu.shares', 'cpu.weight']));
  assert.equal(weights[0], weights[1], 'sixteen of one weigh as much as one of the other');
});

/** What is there at this moment; conmon and berthd take names away meanwhile. */
function filesIn(directory: string): readonly { readonly ino: number; readonly size: number }[] {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.flatMap((name) => statSync(join(directory, name), { throwIfNoEntry: false }) ?? []);
}
