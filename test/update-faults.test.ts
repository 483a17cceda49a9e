/**
 * Disks that fail while apps are updated: an I/O error at every step, no room, no inodes, a file system that has become
 * read-only. The old versions run on, or again; an app beside never stops; and once the disk works, so do updates.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { ErrorCode } from '../src/lib/errors.ts';
import { startBerthd, until, whyNoContainers, type TestDaemonOptions } from './support/berthd.ts';
import { Faults } from './support/faults.ts';
import type { PackageOptions } from './support/packages.ts';
import { Shelf } from './support/shelf.ts';
import { SmallDisk } from './support/small-disk.ts';
import { app, refusal, UpdateDevice } from './support/updates.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };
const shelf = new Shelf();
const mebibyte = 1024 ** 2;

/** The data of the app that is updated. */
const blobBytes = 3 * mebibyte;

/** An app with data that tells which version it belongs to. Writes nothing that is there already: the disk may be full. */
function keeper(version: string, { work = 'sleep 1000', ...more }: Omit<PackageOptions, 'name' | 'version' | 'script'> & { readonly work?: string } = {}): PackageOptions {
  const script = `cd /data; [ "$(cat version)" = ${version} ] || echo ${version} > version; [ -f blob ] || dd if=/dev/urandom of=blob bs=1024 count=${blobBytes / 1024}; ${work}`;
  return app('keeper', version, { script, ...more, annotations: { 'data': '/data', 'stop-signal': 'SIGKILL', ...more.annotations } });
}

const fillsDisk = 'dd if=/dev/zero of=/data/fill bs=4096';

async function startDevice(t: TestContext, daemon: TestDaemonOptions = {}): Promise<UpdateDevice> {
  // Without a reserve: that an app is ended which fills the disk has tests of its own, and would come at another moment in every run.
  const config = 'updates:\n  trial-uptime: 100ms\n  trial-deadline: 20s\n  retain: 0\nstorage:\n  reserve: 0\n';
  const device = new UpdateDevice(await startBerthd(t, { config, ...daemon }), shelf);
  await device.beginBeside();
  return device;
}

/** Requires that the keeper runs at this version and has the data of it, and that nothing else was touched or is left. */
async function requireRuns(device: UpdateDevice, version: string): Promise<void> {
  const status = await device.settled('keeper', ({ state }) => state === 'running');
  assert.deepEqual([status.version, status.restarts], [version, 0]);
  const data = device.data('keeper');
  // Its program may have just begun.
  await until(() => existsSync(join(data, 'version')) && readFileSync(join(data, 'version'), 'utf8').trim() === version);
  await until(() => existsSync(join(data, 'blob')) && statSync(join(data, 'blob')).size === blobBytes);
  await device.requireUndisturbed();
}

/** What the daemon told of in events since it had this many. */
async function tells(device: UpdateDevice, since: number, message: RegExp): Promise<boolean> {
  return (await device.events()).slice(since).some((event) => message.test(event.message));
}

describe('disks that fail during updates', { concurrency: 2 }, () => {
  test('an I/O error at any step of an update: it fails as a whole or not at all, and the next one succeeds', options, async (t) => {
    const faults = new Faults(t);
    const device = await startDevice(t, { program: faults.program });
    let current = '1.0';
    await device.commits([keeper(current)]);
    for (let step = 1; ; step += 1) {
      const next = current === '1.0' ? '2.0' : '1.0';
      faults.arm(`${step} EIO`);
      const { result, error } = await device.send([keeper(next)], { allowDowngrade: true });
      const failed = faults.operations()[step - 1];
      faults.disarm();
      if (failed === undefined) break;
      t.diagnostic(`${step}, ${failed}: ${result?.outcome ?? error?.message}`);
      if (result === undefined) {
        assert.equal(error?.code, 'io');
        assert.match(error.message, /EIO: i\/o error/);
        assert.deepEqual(await device.holding(), { keeper: `${current} running` });
        await device.commits([keeper(next)], { allowDowngrade: true });
      } else if (failed.startsWith('remove')) {
        // What could not be deleted is deleted after the next update.
        await device.commits([keeper(next)]);
      }
      current = next;
      await requireRuns(device, current);
    }
  });

  test('an I/O error at any step of a trial that fails: the old version comes back', options, async (t) => {
    const faults = new Faults(t);
    const device = await startDevice(t, { program: faults.program });
    await device.commits([keeper('1.0')]);
    const bad = [keeper('2.0', { work: 'exit 7' }), app('novice', '2.0')];
    faults.arm('');
    await device.fails(bad, 'rolled_back', /exited with code 7/);
    const first = faults.operations().findIndex((operation) => operation.startsWith('transaction UPDATE updates SET state')) + 1;
    for (let step = first; ; step += 1) {
      const { length } = await device.events();
      faults.arm(`${step} EIO`);
      const { error } = await device.send(bad);
      const failed = faults.operations()[step - 1];
      faults.disarm();
      if (failed === undefined) break;
      t.diagnostic(`${step}, ${failed}: ${error?.message}`);
      if (error?.code !== 'rolled_back') assert.match(error?.message ?? '', /EIO: i\/o error/);
      if (failed.startsWith('remove') && await tells(device, length, /could not (be deleted|delete) yet|cannot be deleted/)) await device.fails(bad, 'rolled_back', /exited with code 7/);
      await requireRuns(device, '1.0');
    }
  });

  test('an I/O error at any step of a removal: the app is there or gone', options, async (t) => {
    const faults = new Faults(t);
    const device = await startDevice(t, { program: faults.program });
    for (let step = 1; ; step += 1) {
      await device.commits([keeper('1.0')]);
      faults.arm(`${step} EIO`);
      const { status, body } = await device.api.call('DELETE', '/apps/keeper?purge=true');
      const failed = faults.operations()[step - 1];
      faults.disarm();
      if (failed === undefined) break;
      t.diagnostic(`${step}, ${failed}: ${status} ${body}`);
      const isThere = (await device.api.call('GET', '/apps/keeper')).status === 200;
      assert.equal(isThere, status >= 300, body);
      if (isThere) assert.match(body, /EIO: i\/o error/);
    }
    await device.requireUndisturbed();
  });

  test('a disk that takes nothing for a while, from any step on: what was begun ends when it works again', options, async (t) => {
    const faults = new Faults(t);
    const device = await startDevice(t, { program: faults.program });
    const old = [keeper('1.0'), app('novice', '1.0')];
    const good = [keeper('2.0'), app('novice', '2.0')];
    const bad = [keeper('2.0', { work: 'exit 7' }), app('novice', '2.0')];
    await device.commits(old);
    // Named by what they are: the apps write at the same time, so that a number would mean another step in every run.
    const several = 'transaction several statements';
    for (const [what, payload, nth, step] of [
      ['naming the images', good, 1, several],
      ['stopping the apps', good, 1, 'transaction UPDATE updates SET state'],
      ['the switch', good, 2, several],
      ['the commit', good, 3, several],
      ['the verdict', bad, 1, 'transaction UPDATE updates SET state = ?, code'],
      ['the way back', bad, 3, several],
    ] as const) {
      const { length } = await device.events();
      faults.arm(`${nth}+ EROFS ${step}`);
      const answer = device.send(payload);
      let isAnswered = false;
      void answer.finally(() => {
        isAnswered = true;
      });
      await until(async () => isAnswered || tells(device, length, /cannot be (committed|rolled back) yet, and is tried again: .*EROFS: read-only file system/));
      faults.disarm();
      const { result, error } = await answer;
      t.diagnostic(`from ${what} on: ${result?.outcome ?? error?.message}`);
      if (result === undefined && error?.code !== 'rolled_back') {
        assert.match(error?.message ?? '', /EROFS: read-only file system/);
        // Nothing of it stands in the way.
        await device.api.must('DELETE', '/apps/novice');
      }
      await requireRuns(device, result === undefined ? '1.0' : '2.0');
      await device.commits(old, { allowDowngrade: true });
    }
  });

  test('a disk that is full at any step of an update: it fails, says what it needs, and succeeds once there is room', options, async (t) => {
    const disk = new SmallDisk(t, '64M', ['-b', '4096']);
    const device = await startDevice(t, { root: join(disk.path, 'berth') });
    let current = 1;
    // It needs room to start, also after the new version took all there was.
    const work = 'dd if=/dev/urandom bs=1024 count=64 >> marks || exit 3; sleep 1000';
    const files = { big: 'x'.repeat(6 * mebibyte) };
    await device.commits([keeper('1.0', { work })]);
    await requireRuns(device, '1.0');
    const stages: readonly (readonly [what: string, left: number | undefined, ErrorCode, RegExp, Parameters<typeof keeper>[1]?])[] = [
      ['for nothing at all', 0, 'no_space', /room|space/],
      ['not for the payload', mebibyte, 'no_space', /^not enough room for this payload: it takes .*, and .* are free/],
      ['for the payload, not for the image', 6.5 * mebibyte, 'no_space', /^no space left for "rootfs\/.*": .* missing/],
      ['for the image, not for a copy of the data', 12.5 * mebibyte, 'no_space', /^not enough room to copy the data before the update \(--no-snapshot.*: it takes .*, and .* are free/],
      ['until the new version migrates its data', undefined, 'rolled_back', /its migration of the data exited with 1/, { annotations: { 'migrate.command': JSON.stringify(['/bin/sh', '-c', fillsDisk]) } }],
      ['until the new version runs, and fails', undefined, 'rolled_back', /exited with code 1/, { work: fillsDisk, annotations: { 'trial.uptime': '30s' } }],
    ];
    for (const [what, left, code, message, bad = {}] of stages) {
      const next = `${current + 1}.0`;
      if (left !== undefined) disk.leaveBytes(left);
      const error = refusal(await device.sendFile(await shelf.payload([keeper(next, { files, work, ...bad })]), { bytes: mebibyte }), code, message);
      t.diagnostic(`room ${what}: ${error.message}`);
      await requireRuns(device, `${current}.0`);
      disk.makeRoom();
      await device.commits([keeper(next, { files, work })]);
      current += 1;
      await requireRuns(device, `${current}.0`);
    }
  });

  test('a disk that fills up while data is copied: the old version keeps running, or runs again', options, async (t) => {
    const disk = new SmallDisk(t, '64M', ['-b', '4096']);
    const device = await startDevice(t, { root: join(disk.path, 'berth') });
    // A byte in each takes a whole block, which nobody can tell beforehand.
    const crumbs = 'for i in $(seq 1500); do [ -f $i ] || echo > $i; done';
    await device.commits([keeper('1.0', { work: `${crumbs}; sleep 1000` })]);
    await until(() => existsSync(join(device.data('keeper'), '1500')));
    const { imageBytes } = (await device.plan([keeper('2.0')])).apps[0]!;
    const before = await device.instance('keeper');
    disk.leaveBytes(imageBytes + 8.5 * mebibyte);
    await device.fails([keeper('2.0')], 'no_space', /^cannot copy "data\/\d+" from .*\/data\/keeper\/1 to .*\/data\/keeper\/2: no space left on device/);
    assert.equal(await device.instance('keeper'), before);
    await requireRuns(device, '1.0');
    disk.makeRoom();
    // This one writes when it is told to end.
    const late = 'dd if=/dev/urandom of=late bs=1024 count=3000';
    const stubborn = keeper('2.0', { work: `rm -f [0-9]*; trap '${late}; exit 0' TERM; while :; do sleep 0.05; done`, annotations: { 'stop-signal': 'SIGTERM' } });
    await device.commits([stubborn]);
    disk.leaveBytes(imageBytes + 8 * mebibyte);
    await device.fails([keeper('3.0')], 'no_space', /^cannot copy "data\/late" from .*: no space left on device/);
    await requireRuns(device, '2.0');
    disk.makeRoom();
    await device.commits([keeper('3.0')]);
    await requireRuns(device, '3.0');
  });

  test('a new version that fills the disk and goes on is committed on the full disk', options, async (t) => {
    const disk = new SmallDisk(t, '64M', ['-b', '4096']);
    const device = await startDevice(t, { root: join(disk.path, 'berth') });
    await device.commits([keeper('1.0')]);
    await requireRuns(device, '1.0');
    disk.leaveBytes(16 * mebibyte);
    await device.commits([keeper('2.0', { work: `${fillsDisk}; sleep 1000`, annotations: { 'trial.uptime': '2s' } })]);
    // There is no more room than the old version and its data have left since.
    assert.equal(disk.freeBytes < blobBytes + 2.5 * mebibyte, true, `${disk.freeBytes} bytes are free`);
    await requireRuns(device, '2.0');
  });

  test('a file system that the kernel makes read-only: apps run on; after a repair and a reboot each is at one version', options, async (t) => {
    const disk = new SmallDisk(t, '64M', ['-b', '4096']);
    const device = await startDevice(t, { root: join(disk.path, 'berth') });
    const { daemon } = device;
    const repair = async (): Promise<void> => {
      await daemon.cutPower();
      await disk.repair();
      await daemon.start();
    };
    await device.commits([keeper('1.0')]);
    await requireRuns(device, '1.0');
    // What apps have not put on disk themselves is theirs to lose.
    disk.sync();
    const before = await device.instance('keeper');
    disk.breakDown();
    const error = refusal(await device.send([keeper('2.0')]), 'io', /the disk does not take what is written to the database/);
    t.diagnostic(error.message);
    assert.equal(await device.instance('keeper'), before);
    await repair();
    await device.beginBeside();
    await requireRuns(device, '1.0');
    await device.commits([keeper('2.0')]);

    // Its trial ends when a person says so.
    const { length } = await device.events();
    const answer = device.send([keeper('3.0', { annotations: { 'trial.confirm': 'app' } })]).catch(() => undefined);
    const confirm = async (): Promise<unknown> => device.api.must('POST', '/apps/keeper/confirm');
    await until(async () => tells(device, length, /update \d+: trial/));
    await until(() => readFileSync(join(disk.path, 'berth/data/keeper/3/data/version'), 'utf8') === '3.0\n');
    disk.sync();
    disk.breakDown();
    await confirm();
    await until(async () => tells(device, length, /cannot be committed yet, and is tried again: .*the disk does not take/));
    assert.equal((await device.app('keeper')).version, '3.0');
    await repair();
    await confirm();
    assert.equal((await device.over()).outcome, 'committed');
    await device.beginBeside();
    await answer;
    await requireRuns(device, '3.0');
  });

  test('inodes that run out at any step of an update: it fails, says so, and succeeds once there are some', options, async (t) => {
    const disk = new SmallDisk(t, '64M', ['-b', '4096', '-N', '1024']);
    const device = await startDevice(t, { root: join(disk.path, 'berth') });
    const crumbs = 'for i in $(seq 100); do [ -f $i ] || : > $i; done; sleep 1000';
    const files = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`many/${index}`, '']));
    let current = 1;
    await device.commits([keeper('1.0', { work: crumbs })]);
    await until(() => existsSync(join(device.data('keeper'), '100')));
    for (const [what, left, message] of [
      ['for nothing', 0, /room|inode/],
      ['not for the reserve', 20, /^not enough room for this payload: it takes 3 files and directories, and 0 can still be made/],
      ['not for the image', 80, /^no inodes left for/],
      ['not for a copy of the data', 250, /^not enough room to copy the data before the update .*: it takes \d+ files and directories, and \d+ can still be made/],
    ] as const) {
      const payload = await shelf.payload([keeper(`${current + 1}.0`, { work: crumbs, files })]);
      disk.leaveInodes(left);
      const error = refusal(await device.sendFile(payload, { bytes: mebibyte }), 'no_space', message);
      t.diagnostic(`inodes ${what}: ${error.message}`);
      await requireRuns(device, `${current}.0`);
      disk.makeRoom();
      const { result, error: again } = await device.sendFile(payload);
      assert.equal(result?.outcome, 'committed', JSON.stringify(again));
      current += 1;
      await requireRuns(device, `${current}.0`);
    }
  });
});
