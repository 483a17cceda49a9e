/** Apps that come with the device or on a medium: the factory folder, and what somebody plugs in. */
import assert from 'node:assert/strict';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { idsPerApp } from '../src/lib/id-range.ts';
import { run } from '../src/lib/process.ts';
import type { AppStatus } from '../src/lifecycle/index.ts';
import { defaultIds } from '../src/store/index.ts';
import type { PreloadReport, UpdateStatus } from '../src/update/index.ts';
import { ApiClient } from './support/api.ts';
import { berthBundle, imageDifferences, TestDaemon, until, whyNoContainers } from './support/berthd.ts';
import { makePackage, type PackageOptions } from './support/packages.ts';

const skip = whyNoContainers();
const limit = skip === undefined ? { timeout: 240_000 } : { skip };

/** The user of the host that is root of the app which was installed first: the first range of users is no app's. */
const firstRoot = defaultIds.base + idsPerApp;

/** A device with folders for payloads; its daemon is not started yet. */
class Device {
  readonly daemon: TestDaemon;
  readonly api: ApiClient;
  readonly factory: string;
  readonly media: string;

  constructor(t: TestContext) {
    this.daemon = new TestDaemon({});
    t.after(() => this.daemon.destroy());
    const { directory } = this.daemon;
    this.api = new ApiClient(this.daemon.socket);
    [this.factory, this.media] = [join(directory, 'factory.d'), join(directory, 'media')];
    for (const folder of [this.factory, this.media, join(directory, 'made')]) mkdirSync(folder);
    const config = [`cgroup-parent: ${this.daemon.cgroup}`, `platform: ${directory}/platform.d`, `policy: ${this.daemon.policy}`, `factory: ${this.factory}`, `media: [${this.media}]`, 'updates: {trial-uptime: 100ms}', 'trust: {allow-unsigned: true}'];
    writeFileSync(join(directory, 'berthd.yaml'), `${config.join('\n')}\n`);
  }

  /** Makes a package and puts it into a folder. */
  async bring(folder: string, options: PackageOptions): Promise<string> {
    const made = await makePackage(join(this.daemon.directory, 'made'), { ...options, annotations: { 'stop-timeout': '0s', ...options.annotations } });
    const path = join(folder, `${options.name}_${options.version ?? '1.0'}.ipk`);
    renameSync(made, path);
    return path;
  }

  /** Versions of the apps that run. */
  async running(): Promise<Readonly<Record<string, string>>> {
    const apps: readonly AppStatus[] = await this.api.apps();
    return Object.fromEntries(apps.filter(({ state }) => state === 'running').map(({ name, version }) => [name, version]));
  }

  async runs(wanted: Readonly<Record<string, string>>): Promise<void> {
    await until(async () => JSON.stringify(await this.running()) === JSON.stringify(wanted));
  }

  /** What was applied, oldest first, once as many updates are over: `factory: web 2.0 committed`. */
  async applied(count: number): Promise<readonly string[]> {
    const updates = await until(async () => {
      const all = await this.updates();
      return all.length >= count && all.every(({ outcome }) => outcome !== undefined) && all;
    });
    return updates.map(({ source, outcome, apps }) => `${source}: ${apps.map(({ app, to }) => `${app} ${to.version}`).join(', ')} ${outcome}`).toReversed();
  }

  /** Waits until nothing is in staging any more. */
  async staged(): Promise<void> {
    await until(() => readdirSync(join(this.daemon.root, 'staging')).length === 0);
  }

  async updates(): Promise<readonly UpdateStatus[]> {
    return (JSON.parse((await this.api.must('GET', '/updates')).body) as { updates: readonly UpdateStatus[] }).updates;
  }

  /** Waits until the daemon has told this. */
  async tells(text: RegExp): Promise<void> {
    await until(() => text.test(this.daemon.log));
  }

  /**
   * Brings an app that was not there before, and waits until it runs: folders are seen to as a whole, so what else was to
   * be done is done by then.
   */
  async probe(folder: string, name: string): Promise<void> {
    await this.bring(folder, { name: `zz-${name}` });
    await this.restart();
    await until(async () => (await this.running())[`zz-${name}`] !== undefined);
  }

  async restart(): Promise<void> {
    await this.daemon.end();
    await this.daemon.start();
  }
}

test('the first start applies the factory folder, the next ones only what is newer there', limit, async (t) => {
  const device = new Device(t);
  const { daemon, factory } = device;
  const web = { name: 'web', control: { Depends: 'broker (>= 1.0)' } };
  const old = await device.bring(factory, web);
  await device.bring(factory, { name: 'broker' });
  await daemon.start();
  await device.runs({ broker: '1.0', web: '1.0' });
  assert.deepEqual(await device.applied(1), ['factory: broker 1.0, web 1.0 committed']);
  assert.equal((await device.updates())[0]!.origin, 'broker_1.0.ipk, web_1.0.ipk');

  // What looks as it did is not read again: else this would be told.
  const { size, atimeMs, mtimeMs } = statSync(old);
  writeFileSync(old, Buffer.alloc(size));
  utimesSync(old, atimeMs / 1000, mtimeMs / 1000);
  await device.restart();
  rmSync(old);
  await device.bring(factory, { ...web, version: '2.0' });
  await device.restart();
  await device.runs({ broker: '1.0', web: '2.0' });
  assert.deepEqual(await device.applied(2), ['factory: broker 1.0, web 1.0 committed', 'factory: web 2.0 committed']);
  assert.doesNotMatch(daemon.log, /factory folder/);
});

test('an app that a person removed comes back only in a newer version', limit, async (t) => {
  const device = new Device(t);
  const { daemon, factory } = device;
  await device.bring(factory, { name: 'web' });
  await daemon.start();
  await device.runs({ web: '1.0' });
  assert.equal((await daemon.berth('remove', 'web')).code, 0);
  await device.probe(factory, 'one');
  assert.deepEqual(await device.running(), { 'zz-one': '1.0' });
  await device.bring(factory, { name: 'web', version: '1.1' });
  await device.restart();
  await device.runs({ 'web': '1.1', 'zz-one': '1.0' });
});

test('a bad file and one that lacks something are told, and the rest is applied; what was lacking is tried again', limit, async (t) => {
  const device = new Device(t);
  const { daemon, factory } = device;
  writeFileSync(join(factory, 'bad.ipk'), 'no package');
  await device.bring(factory, { name: 'foreign', architecture: 'vax' });
  await device.bring(factory, { name: 'map', control: { Depends: 'gnss (>= 2.0)' } });
  await device.bring(factory, { name: 'web' });
  await daemon.start();
  await device.runs({ web: '1.0' });
  await device.tells(/bad\.ipk is not applied: .*neither a package/);
  await device.tells(/foreign_1\.0\.ipk is not applied: foreign is for vax/);
  await device.tells(/map_1\.0\.ipk could not be applied, and is tried again later: map needs .*gnss \(>= 2\.0\)/);
  writeFileSync(join(daemon.directory, 'platform.d/gnss.yaml'), 'services:\n- name: gnss\n  version: "2.1"\n');
  await device.restart();
  await device.runs({ map: '1.0', web: '1.0' });
  await device.staged();
});

test('what was rolled back is not tried again, a newer one is', limit, async (t) => {
  const device = new Device(t);
  const { daemon, factory } = device;
  await device.bring(factory, { name: 'web' });
  await daemon.start();
  await device.runs({ web: '1.0' });
  await device.bring(factory, { name: 'web', version: '2.0', script: 'exit 3' });
  await device.restart();
  await device.tells(/web_2\.0\.ipk is not applied: /);
  await device.probe(factory, 'one');
  await device.bring(factory, { name: 'web', version: '2.1' });
  await device.restart();
  await device.runs({ 'web': '2.1', 'zz-one': '1.0' });
  assert.deepEqual(await device.applied(4), ['factory: web 1.0 committed', 'factory: web 2.0 rolled-back', 'factory: zz-one 1.0 committed', 'factory: web 2.1 committed']);
});

test('an archive is a payload of its own, applied wholly or not at all', limit, async (t) => {
  const device = new Device(t);
  const { daemon, factory } = device;
  const made = join(daemon.directory, 'made');
  const archive = async (version: string): Promise<void> => {
    for (const name of ['broker', 'web']) await device.bring(made, { name, version });
    const { code } = await run('tar', ['-C', made, '--format=gnu', '-cJf', join(factory, `apps-${version}.tar.xz`), `broker_${version}.ipk`, `web_${version}.ipk`]);
    assert.equal(code, 0);
  };
  await archive('1.0');
  await daemon.start();
  await device.runs({ broker: '1.0', web: '1.0' });
  assert.equal((await daemon.berth('remove', 'web')).code, 0);
  rmSync(join(factory, 'apps-1.0.tar.xz'));
  await device.bring(made, { name: 'web', version: '1.0' });
  await device.bring(made, { name: 'broker', version: '2.0' });
  await run('tar', ['-C', made, '--format=gnu', '-cf', join(factory, 'mixed.tar'), 'broker_2.0.ipk', 'web_1.0.ipk']);
  await device.restart();
  await device.tells(/mixed\.tar is not applied, as an archive is applied wholly or not at all: web 1\.0 was removed/);
  await archive('3.0');
  await device.restart();
  await device.runs({ broker: '3.0', web: '3.0' });
  assert.deepEqual(await device.applied(2), ['factory: broker 1.0, web 1.0 committed', 'factory: broker 3.0, web 3.0 committed']);
});

test('a medium that appears while the daemon runs is applied, and one that vanishes leaves nothing', limit, async (t) => {
  const device = new Device(t);
  const { daemon, media } = device;
  await daemon.start();
  const stick = join(media, 'stick');
  const inner = join(daemon.directory, 'made', 'stick', 'berth');
  mkdirSync(inner, { recursive: true });
  await device.bring(inner, { name: 'web' });
  await device.bring(join(inner, '..'), { name: 'broker' });
  mkdirSync(stick);
  assert.equal((await run('mount', ['--bind', join(inner, '..'), stick])).code, 0);
  await device.runs({ broker: '1.0', web: '1.0' });
  assert.deepEqual(await device.applied(2), ['media: broker 1.0 committed', 'media: web 1.0 committed']);
  assert.equal((await device.updates())[0]!.origin, `${stick}/berth: web_1.0.ipk`);
  assert.equal((await run('umount', [stick])).code, 0, 'nothing holds the medium');
  // A FIFO is a file of which nothing comes, and a link leads elsewhere: neither is one of a medium's.
  const other = join(media, 'other');
  mkdirSync(other);
  assert.equal((await run('mkfifo', [join(other, 'fifo.ipk')])).code, 0);
  assert.equal((await run('ln', ['-s', join(inner, 'web_1.0.ipk'), join(other, 'link.ipk')])).code, 0);
  await device.bring(other, { name: 'web', version: '2.0' });
  assert.equal((await device.applied(3)).at(-1), 'media: web 2.0 committed');
  assert.doesNotMatch(daemon.log, /medium/);
  await device.staged();
});

test('a first boot that is cut short goes on at the next one, whenever power was cut', limit, async (t) => {
  const device = new Device(t);
  const { daemon, factory } = device;
  const files = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`usr/${index % 100}/${index}`, String(index)]));
  await device.bring(factory, { name: 'broker', files });
  await device.bring(factory, { name: 'web', control: { Depends: 'broker' } });
  await daemon.start();
  for (const phase of ['receiving', 'storing'] as const) {
    await until(async () => (await device.updates())[0]?.phases.some((entered) => entered.phase === phase));
    await daemon.reboot();
  }
  await device.runs({ broker: '1.0', web: '1.0' });
  const last = (await device.updates())[0]!;
  await device.probe(factory, 'one');
  assert.deepEqual((await device.updates()).filter(({ outcome }) => outcome === 'committed').map(({ id }) => id).at(-1), last.id, 'applied once');
  await device.staged();
});

/** Makes two packages, one of which needs the other and a service of the device. */
async function packages(directory: string): Promise<readonly string[]> {
  const broker = await makePackage(directory, { name: 'broker', annotations: { 'data': '/srv/data,/var/lib/broker', 'stop-timeout': '0s' }, oci: { process: { user: { uid: 1000, gid: 1001 }, args: ['/bin/sleep', '1000'], cwd: '/' } } });
  return [broker, await makePackage(directory, { name: 'web', control: { Depends: 'broker (>= 1.0), gnss' }, annotations: { 'stop-timeout': '0s' } })];
}

function preload(into: string, ...args: readonly string[]): readonly [string, readonly string[]] {
  return [process.execPath, [berthBundle, '--json', 'factory', 'preload', '--allow-unsigned', '--into', into, ...args]];
}

test('a preloaded store runs at the first boot, with nothing to install', limit, async (t) => {
  const device = new Device(t);
  const { daemon, factory } = device;
  const files = await packages(join(daemon.directory, 'made'));
  const { code, stdout, stderr } = await run(...preload(daemon.root, ...files));
  assert.equal(code, 0, stdout + stderr);
  const { installed, notes } = JSON.parse(stdout) as PreloadReport;
  assert.deepEqual(installed.map(({ app, version, start }) => [app, version, start]), [['broker', '1.0', true], ['web', '1.0', true]]);
  assert.equal(notes[0], 'web needs gnss of the device; --platform checks that');
  assert.match(notes[1]!, /^web asks for more than the default rights.*process\.capabilities\.bounding\[0\]: CAP_AUDIT_WRITE.*--policy checks that$/);
  assert.equal(notes.length, 2);
  assert.equal(existsSync(join(daemon.root, 'store-id')), false, 'each device gives its copy an id');
  for (const { digest } of installed) assert.deepEqual(await imageDifferences(daemon.root, digest), []);

  // The same packages in the factory folder are there already.
  for (const file of files) cpSync(file, join(factory, file.split('/').at(-1)!));
  await daemon.start();
  await device.runs({ broker: '1.0', web: '1.0' });
  const data = join(daemon.root, 'data/broker/1');
  assert.deepEqual(readdirSync(data).map((name) => [name, statSync(join(data, name)).uid - firstRoot, statSync(join(data, name)).gid - firstRoot]), [['srv:data', 1000, 1001], ['var:lib:broker', 1000, 1001]]);
  assert.match(readFileSync(join(daemon.root, 'store-id'), 'utf8'), /^[0-9a-f-]{36}\n$/);
  await device.probe(factory, 'one');
  assert.deepEqual(await device.applied(2), ['factory: broker 1.0, web 1.0 committed', 'factory: zz-one 1.0 committed']);
  const running = await run(...preload(daemon.root, ...files));
  assert.match(running.stdout, /in use/, 'a store that a daemon has open is left alone');
});

test('a preload that is refused says why, and leaves what was there', limit, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-preload-'));
  t.after(() => {
    rmSync(directory, { recursive: true });
  });
  const [broker, web] = await packages(directory);
  const into = join(directory, 'store');
  mkdirSync(join(directory, 'platform.d'));
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, stdout } = await run(...preload(into, ...args));
    assert.equal(code, 1, stdout);
    assert.match((JSON.parse(stdout) as { error: { message: string } }).error.message, message);
  };
  await refused(/web needs .*broker/, '--platform', join(directory, 'platform.d'), web!);
  await refused(/web needs .*gnss/, '--platform', join(directory, 'platform.d'), broker!, web!);
  await refused(/foreign is for vax/, await makePackage(directory, { name: 'foreign', architecture: 'vax' }));
  assert.equal(existsSync(into), false);
  mkdirSync(into);
  writeFileSync(join(into, 'mine'), '');
  await refused(/is not empty/, broker!);
  assert.deepEqual(readdirSync(into), ['mine']);
  rmSync(join(into, 'mine'));
  assert.equal((await run(...preload(into, broker!))).code, 0);
  await refused(/two packages of the name web/, web!, web!);
  assert.equal((await run(...preload(into, web!, await makePackage(directory, { name: 'foreign', architecture: 'arm64' }), '--arch', 'arm64', '--no-start'))).code, 0);
  assert.equal(readdirSync(join(into, 'images')).length, 3);
  assert.deepEqual(readdirSync(join(into, 'staging')), []);
});

test('a preload without root works under fakeroot, and says so elsewhere', limit, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-preload-'));
  t.after(() => {
    rmSync(directory, { recursive: true });
  });
  chmodSync(directory, 0o777);
  // Files of the very user who builds are no exception: only fakeroot knows that others are not root's.
  const nobody = 65534;
  const file = await makePackage(directory, { name: 'web', annotations: { data: '/srv/data' }, oci: { process: { user: { uid: nobody, gid: 1001 }, args: ['/bin/sleep', '1000'], cwd: '/' } } });
  const asNobody = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups', 'env', `HOME=${directory}`];
  const [program, args] = preload(join(directory, 'store'), file);
  const plain = await run('setpriv', [...asNobody, program, ...args]);
  assert.match(plain.stdout, /"denied"/);
  assert.match(plain.stdout, /fakeroot/);
  assert.equal(existsSync(join(directory, 'store')), false);

  const script = 'store=$1; shift; "$@" && tar -C "$store" --numeric-owner -cf - . | tar -tvf -';
  const { code, stdout, stderr } = await run('setpriv', [...asNobody, 'fakeroot', 'sh', '-c', script, 'sh', join(directory, 'store'), program, ...args]);
  assert.equal(code, 0, stdout + stderr);
  const owners = new Map(stdout.split('\n').map((line) => /^\S+ +(\S+) .* (\.\/\S+)/.exec(line)).filter((match) => match !== null).map(([, owner, path]) => [path!.replace(/[0-9a-f]{64}/, 'image'), owner]));
  assert.deepEqual(
    ['./berth.db', './images/image/bundle/rootfs/bin/busybox', './images/image/bundle/rootfs/srv/data/', './data/web/1/srv:data/'].map((path) => owners.get(path)),
    ['0/0', `${firstRoot}/${firstRoot}`, `${firstRoot + nobody}/${firstRoot + 1001}`, `${firstRoot + nobody}/${firstRoot + 1001}`],
    stdout,
  );
});
