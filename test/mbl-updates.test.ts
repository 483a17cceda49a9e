/**
 * Updates as Mbed Linux OS was tested with them, on real containers: the scenarios of `../shared/facts/mbl.md`, by their
 * numbers. Beside each of them an app runs that it must not disturb.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { run } from '../src/lib/process.ts';
import type { BerthEvent } from '../src/lifecycle/index.ts';
import { hang } from './support/hang.ts';
import { ociConfig, type PackageOptions } from './support/packages.ts';
import { Shelf } from './support/shelf.ts';
import { app, linkOf, refusal, updateTest, type UpdateDevice } from './support/updates.ts';

const shelf = new Shelf();

function scenario(number: number, name: string, body: (device: UpdateDevice, t: TestContext) => Promise<void>): void {
  updateTest(shelf, `scenario ${number}: ${name}`, body);
}

const five = ['a', 'b', 'c', 'd', 'e'];
const three = ['a', 'b', 'c'];

function all(names: readonly string[], version: string): readonly PackageOptions[] {
  return names.map((name) => app(name, version));
}

function holds(names: readonly string[], what: string): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [name, what]));
}

/** Sends a payload that is refused, and requires that the apps were not even stopped for it. */
async function changesNothing(device: UpdateDevice, names: readonly string[], act: () => Promise<unknown>): Promise<void> {
  const before = [await device.holding(), await device.instances(names)];
  const { length } = await device.events();
  await act();
  assert.deepEqual([await device.holding(), await device.instances(names)], before);
  assert.deepEqual((await device.events()).slice(length).filter(({ type }) => type.startsWith('app.')), []);
  assert.deepEqual(await device.leftovers(), []);
}

/** Sends a payload that is switched to and taken back, and requires that the old versions run again. */
async function rollsBack(device: UpdateDevice, payload: readonly PackageOptions[], message: RegExp): Promise<void> {
  const before = await device.holding();
  await device.fails(payload, 'rolled_back', message);
  assert.deepEqual(await device.holding(), before);
  const { outcome, reason } = await device.last();
  assert.equal(outcome, 'rolled-back');
  assert.match(reason!.message, message);
  assert.deepEqual(await device.leftovers(), []);
}

/** Flags of a socket that is listened on, in the table of proc_net(5). */
const listens = '00010000';

describe('updates of Mbed Linux OS', { concurrency: 4 }, () => {
  scenario(16, 'a payload of five good apps is applied five times', async (device) => {
    await device.commits(all(five, '1.0'));
    let before = await device.instances(five);
    for (const version of ['2.0', '1.0', '2.0', '1.0', '2.0']) {
      const { installed } = await device.commits(all(five, version), { allowDowngrade: true });
      assert.deepEqual(installed.map((report) => report.app).toSorted(), five);
      assert.deepEqual(await device.holding(), holds(five, `${version} running`));
      const now = await device.instances(five);
      assert.equal(now.some((instance) => before.includes(instance)), false, 'all five are new');
      for (const name of five) assert.deepEqual(await device.versions(name), ['1.0', '2.0'], `${name} keeps the current image and the one before`);
      before = now;
    }
  });

  scenario(17, 'one app of a payload is for a foreign architecture: all others stay as they are', async (device) => {
    await device.commits(all(three, '1.0'));
    await changesNothing(device, three, async () => {
      await device.fails([app('a', '2.0'), app('b', '2.0', { architecture: 'pdp11' }), app('c', '2.0')], 'architecture', /b is for pdp11/);
    });
    for (const name of three) assert.deepEqual(await device.versions(name), ['1.0']);
  });

  scenario(18, 'the first line of one config.json is missing: all others stay as they are', async (device) => {
    await device.commits(all(three, '1.0'));
    const [, ...rest] = JSON.stringify(ociConfig({}), null, 2).split('\n');
    await changesNothing(device, three, async () => {
      await device.fails([app('a', '2.0'), app('b', '2.0'), app('c', '2.0', { config: rest.join('\n') })], 'bad_package', /config\.json/);
    });
    for (const name of three) assert.deepEqual(await device.versions(name), ['1.0']);
  });

  scenario(19, 'what is no payload is refused', async (device) => {
    await device.commits([app('a', '1.0')]);
    const work = mkdtempSync(join(device.daemon.directory, 'odd-'));
    const good = await shelf.package(app('a', '2.0'));
    const tar = async (name: string, fill: (directory: string) => Promise<void> | void): Promise<string> => {
      const directory = join(work, name);
      mkdirSync(directory);
      await fill(directory);
      assert.equal((await run('tar', ['-C', directory, '-cf', `${directory}.tar`, ...readdirSync(directory)])).code, 0);
      return `${directory}.tar`;
    };
    const cut = join(work, 'cut.tar');
    await copyFile(await shelf.payload(all(['a', 'b'], '2.0')), cut);
    truncateSync(cut, 1_000_000);
    writeFileSync(join(work, 'text'), 'this is not a tar\n'.repeat(1000));
    writeFileSync(join(work, 'empty'), '');
    const odd = [
      join(work, 'text'),
      join(work, 'empty'),
      cut,
      await tar('no package', (directory) => { writeFileSync(join(directory, 'readme.txt'), 'nothing here'); }),
      await tar('directory', (directory) => { mkdirSync(join(directory, 'a_2.0.ipk')); }),
      await tar('link', (directory) => { symlinkSync('/etc/passwd', join(directory, 'a_2.0.ipk')); }),
      await tar('subfolder', async (directory) => {
        mkdirSync(join(directory, 'sub'));
        await copyFile(good, join(directory, 'sub/a_2.0.ipk'));
      }),
      await tar('link beside a good one', async (directory) => {
        await copyFile(good, join(directory, 'a_2.0.ipk'));
        symlinkSync('a_2.0.ipk', join(directory, 'b_2.0.ipk'));
      }),
    ];
    await changesNothing(device, ['a'], async () => {
      for (const file of odd) refusal(await device.sendFile(file), 'bad_package', /./);
    });
  });

  scenario(20, 'two packages of one name are refused before anything is touched', async (device) => {
    await device.commits([app('a', '1.0'), app('b', '1.0')]);
    await changesNothing(device, ['a', 'b'], async () => {
      await device.fails([app('a', '2.0'), app('b', '2.0'), app('a', '3.0')], 'bad_package', /^a_3\.0\.ipk: its Package is a, as that of a_2\.0\.ipk/);
    });
  });

  scenario(21, 'an old app cannot be stopped: the others run their old version', async (device, t) => {
    const stubborn = app('b', '1.0', { annotations: { 'stop-timeout': '0s' } });
    await device.commits([app('a', '1.0'), stubborn, app('c', '1.0')]);
    const letGo = await hang(t, (await device.app('b')).instance!.pid);
    await device.fails(all(three, '2.0'), 'timeout', /b.*did not end within 10s of SIGKILL/);
    assert.equal((await device.last()).outcome, 'failed');
    const { a, c } = await device.holding();
    assert.deepEqual({ a, c }, holds(['a', 'c'], '1.0 running'));
    letGo();
    await device.settled('b', ({ state }) => state === 'running');
    assert.deepEqual(await device.holding(), holds(three, '1.0 running'));
    await device.commits(all(three, '2.0'));
    assert.deepEqual(await device.holding(), holds(three, '2.0 running'));
  });

  scenario(22, 'a new version that exits with another code than 0 is rolled back, and all of its payload', async (device) => {
    await device.commits(all(three, '1.0'));
    await rollsBack(device, [app('a', '2.0'), app('b', '2.0', { script: 'sleep 0.1; exit 3' }), app('c', '2.0')], /b: exited with code 3/);
    for (const name of three) assert.deepEqual(await device.versions(name), ['1.0']);
  });

  scenario(23, 'a new version that never confirms is rolled back at the deadline', async (device) => {
    await device.commits(all(three, '1.0'));
    const silent = app('b', '2.0', { annotations: { 'trial.confirm': 'app', 'trial.deadline': '1s' } });
    const [a, , c] = all(three, '2.0').map((options) => ({ ...options, annotations: { 'trial.deadline': '1s' } }));
    await rollsBack(device, [a!, silent, c!], /not proved in time: .*b still waited for .*its own confirmation/);
  });

  scenario(24, 'the daemon is killed at every step: afterwards all are old or all are new, and run', async (device) => {
    // It cannot run on data that a later version has touched.
    const reader = (version: number, script = ''): PackageOptions => app('a', `${version}.0`, {
      annotations: { data: '/data' },
      script: `test "$(cat /data/format 2>/dev/null || echo 0)" -le ${version} || exit 1; echo ${version} > /data/format; ${script} exec sleep 1000`,
    });
    let old: Readonly<Record<string, string>> = { a: '1.0 running', b: '1.0 running', c: '1.0 running' };
    await device.commits([reader(1), app('b', '1.0'), app('c', '1.0')]);
    const phase = (wanted: string) => ({ type, detail }: BerthEvent): boolean => type === 'update.phase' && (detail as { phase: string }).phase === wanted;
    const state = (name: string, wanted: string) => ({ type, app: of, detail }: BerthEvent): boolean => type === 'app.state' && of === name && (detail as { to: string }).to === wanted;
    const steps: readonly (readonly [string, (event: BerthEvent) => boolean])[] = [
      ...['receiving', 'storing', 'copying', 'switching', 'starting', 'trial'].map((name) => [name, phase(name)] as const),
      ['a stops', state('a', 'stopping')],
      ['c stopped', state('c', 'stopped')],
      ['b is new', ({ type, app: of }) => type === 'app.installed' && of === 'b'],
      ['c runs', state('c', 'running')],
    ];
    const outcomes = new Set<string>();
    for (const [index, [name, check]] of steps.entries()) {
      const other = old['b']!.startsWith('1') ? '2.0' : '1.0';
      const fresh = { a: `${index + 2}.0 running`, b: `${other} running`, c: `${other} running` };
      await device.interrupts([reader(index + 2), app('b', other), app('c', other)], 'SIGKILL', check, { allowDowngrade: true });
      const { outcome } = await device.over();
      outcomes.add(outcome!);
      const now = await device.ready(three);
      assert.deepEqual(now, outcome === 'committed' ? fresh : old, `killed at ${name}: ${outcome}`);
      old = now;
      await device.requireTidy();
    }
    assert.deepEqual([...outcomes].toSorted(), ['committed', 'undone']);
    for (const [name, check] of [['rolling back', phase('rolling-back')], ['a stops', state('a', 'stopping')]] as const) {
      let isGoingBack = false;
      const bad = [reader(100), app('b', '3.0', { script: 'sleep 0.1; exit 1' }), app('c', '3.0')];
      await device.interrupts(bad, 'SIGKILL', (event) => {
        isGoingBack ||= phase('rolling-back')(event);
        return isGoingBack && check(event);
      }, { allowDowngrade: true });
      assert.equal((await device.over()).outcome, 'rolled-back', name);
      assert.deepEqual(await device.ready(three), old, name);
      await device.requireTidy();
    }
  });

  scenario(25, 'staging is empty after success and after failure', async (device) => {
    const staged = (): string[] => readdirSync(join(device.daemon.root, 'staging'));
    await device.commits(all(three, '1.0'));
    assert.deepEqual(staged(), []);
    await device.fails([app('a', '2.0'), app('b', '2.0', { script: 'exit 1' })], 'rolled_back', /b: exited with code 1/);
    assert.deepEqual(staged(), []);
    await device.fails([app('a', '2.0'), app('b', '2.0', { control: { Depends: 'nosuch' } })], 'dependency', /nosuch/);
    assert.deepEqual(staged(), []);
    const cut = join(device.daemon.directory, 'cut.ipk');
    await copyFile(await shelf.package(app('a', '2.0')), cut);
    truncateSync(cut, 500_000);
    refusal(await device.sendFile(cut), 'bad_package', /./);
    assert.deepEqual(staged(), []);
  });

  scenario(26, 'an app that a person stopped stays stopped through an update and through its rollback', async (device) => {
    await device.commits(all(three, '1.0'));
    await device.api.must('POST', '/apps/b/stop');
    await device.commits(all(three, '2.0'));
    assert.deepEqual(await device.holding(), { a: '2.0 running', b: '2.0 stopped', c: '2.0 running' });
    await rollsBack(device, [app('a', '3.0'), app('b', '3.0'), app('c', '3.0', { script: 'exit 1' })], /c: exited with code 1/);
    assert.deepEqual(await device.holding(), { a: '2.0 running', b: '2.0 stopped', c: '2.0 running' });
    const { desired, lastExit } = await device.app('b');
    assert.deepEqual({ desired, lastExit }, { desired: 'stopped', lastExit: undefined });
  });

  scenario(27, 'the same payload 14 times is 14 updates, and nothing grows', async (device) => {
    const { root } = device.daemon;
    const grown = (): readonly unknown[] => [
      readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => !/berth\.db|\/rootfs\/|^logs|^data/.test(path)).toSorted(),
      readdirSync(join(root, 'data/a')).length,
      device.daemon.cgroups().length,
      device.daemon.processes().length,
      device.daemon.traces().filter((trace) => trace.startsWith('mount')).length,
    ];
    const descriptors = (): number => readdirSync(`/proc/${device.daemon.pid}/fd`).length;
    const payload = [app('a', '1.0', { annotations: { 'data': '/data', 'trial.uptime': '0s' }, script: 'echo kept > /data/file; exec sleep 1000' })];
    await device.commits(payload);
    let before: readonly unknown[] = [];
    let descriptorsBefore = 0;
    for (let round = 1; round <= 14; round += 1) {
      const { installed } = await device.commits(payload);
      assert.equal(installed[0]!.status.state, 'running');
      if (round === 2) [before, descriptorsBefore] = [grown(), descriptors()];
    }
    assert.deepEqual(grown(), before);
    assert.equal(descriptors() <= descriptorsBefore, true, `${descriptors()} descriptors instead of ${descriptorsBefore}`);
    const updates = (await device.updates()).filter(({ apps }) => apps[0]?.app === 'a');
    assert.deepEqual(updates.map(({ outcome }) => outcome), Array.from({ length: 15 }, () => 'committed'));
  });

  scenario(29, 'only the expected sockets are open', async (device) => {
    await device.commits([app('a', '1.0')]);
    const { runDir, pid } = device.daemon;
    const links = new Map(readdirSync(`/proc/${pid}/fd`).map((fd) => [fd, linkOf(`/proc/${pid}/fd/${fd}`)]));
    const inodes = new Set([...links.values()].map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]).filter((inode) => inode !== undefined));
    // Num, RefCount, Protocol, Flags, Type, St, Inode, Path.
    const table = readFileSync('/proc/net/unix', 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
    const own = table.filter((line) => inodes.delete(line[6]!));
    assert.deepEqual([...inodes], [], 'the daemon has no sockets but of the unix kind');
    const listening = own.filter((line) => line[3] === listens).map((line) => line[7]!.replace(/^\/proc\/self\/fd\/(\d+)/, (_, fd: string) => links.get(fd)!));
    assert.deepEqual(listening.toSorted(), ['apps/a/bus', 'apps/bystander/bus', 'berth.sock'].map((path) => join(runDir, path)));
    const container = `/proc/${(await device.app('a')).instance!.pid}`;
    assert.deepEqual(readdirSync(`${container}/root/run/berth`), ['bus']);
    for (const kind of ['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'unix']) {
      assert.equal(readFileSync(`${container}/net/${kind}`, 'utf8').trim().split('\n').length, 1, `a container's table of ${kind} sockets is a heading only`);
    }
  });
});
