/** Who may put what on a device, and what it must not run any more: a real berthd, real signatures. */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ErrorBody } from '../src/lib/errors.ts';
import { run } from '../src/lib/process.ts';
import type { AppStatus } from '../src/lifecycle/index.ts';
import type { AuthorityStatus } from '../src/update/index.ts';
import { berthBundle, startBerthd, until, whyNoContainers, type TestDaemon, type TestDaemonOptions } from './support/berthd.ts';
import { makeRootfs } from './support/rootfs.ts';

const why = whyNoContainers();
const limit = { timeout: 240_000, skip: why ?? false };
let shelf: string;

before(async () => {
  if (why !== undefined) return;
  shelf = mkdtempSync(join(tmpdir(), 'berth-trust-'));
  await makeRootfs(join(shelf, 'root'));
  for (const name of ['acme', 'globex', 'shop']) await local('keygen', '-o', join(shelf, name));
});

after(() => {
  if (why === undefined) rmSync(shelf, { recursive: true });
});

async function local(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(process.execPath, [berthBundle, ...args]);
  assert.equal(code, 0, `berth ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/** A package of `name`, signed by these in their order. */
async function pack(name: string, version: string, ...signers: readonly string[]): Promise<string> {
  return await packRunning('sleep 1000', name, version, ...signers);
}

async function packRunning(script: string, name: string, version: string, ...signers: readonly string[]): Promise<string> {
  const work = mkdtempSync(join(shelf, 'work-'));
  cpSync(join(shelf, 'root'), join(work, 'root'), { recursive: true, verbatimSymlinks: true });
  writeFileSync(join(work, 'berth.yaml'), `name: ${name}\nversion: "${version}"\narchitecture: all\ndescription: for a test\nrootfs: root\nrun: { command: [/bin/sh, -c, ${JSON.stringify(script)}], stop: { timeout: 0s } }\n`);
  const file = join(work, `${name}_${version}.ipk`);
  await local('build', work, '-o', file);
  for (const [index, signer] of signers.entries()) {
    await local('sign', file, '--key', join(shelf, `${signer}.key`), '--cert', join(shelf, `${signer}.pem`), ...(index === 0 ? [] : ['--countersign']));
  }
  return file;
}

/** A device that takes signed packages only, with authorities of these files. */
class TrustingDevice {
  readonly daemon: TestDaemon;

  constructor(daemon: TestDaemon) {
    this.daemon = daemon;
  }

  authority(name: string, yaml: string): void {
    const directory = join(this.daemon.directory, 'authorities.d');
    mkdirSync(directory, { recursive: true });
    copyFileSync(join(shelf, `${name}.pem`), join(directory, `${name}.pem`));
    writeFileSync(join(directory, `${name}.yaml`), `certificate: ${name}.pem\n${yaml}\n`);
  }

  async takes(...args: readonly string[]): Promise<void> {
    await this.daemon.json('install', ...args);
  }

  /** A command that is refused with this code and a message like that. */
  async refuses(code: string, message: RegExp, ...args: readonly string[]): Promise<void> {
    const { code: status, stdout } = await this.daemon.berth('--json', ...args);
    assert.equal(status, 1, stdout);
    const { error } = JSON.parse(stdout) as ErrorBody;
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
  }

  async app(name: string): Promise<AppStatus> {
    return await this.daemon.json<AppStatus>('show', name);
  }

  async recall(authority: string, sequence: number, ...recalls: readonly object[]): Promise<void> {
    await local('sign', this.#recallFile(authority, sequence, recalls), '--recalls', '--key', join(shelf, `${authority}.key`), '--cert', join(shelf, `${authority}.pem`), '-o', this.listOf(authority));
    await this.daemon.json('authority', 'recall', this.listOf(authority));
  }

  listOf(authority: string): string {
    return join(this.daemon.directory, `${authority}.recalls`);
  }

  #recallFile(authority: string, sequence: number, recalls: readonly object[]): string {
    const file = join(this.daemon.directory, 'recalls.json');
    writeFileSync(file, JSON.stringify({ authority, issued: new Date().toISOString(), sequence, recalls }));
    return file;
  }
}

async function device(t: Parameters<typeof startBerthd>[0], options: TestDaemonOptions = {}): Promise<TrustingDevice> {
  const found = new TrustingDevice(await startBerthd(t, { allowUnsigned: false, ...options }));
  found.authority('acme', 'apps: [web, broker]');
  found.authority('globex', 'apps: [web, other]');
  return found;
}

test('an app belongs to who signed it first, also when it was removed and purged, until it is handed over', limit, async (t) => {
  const on = await device(t);
  const [first, second, foreign, unsigned] = [await pack('web', '1.0', 'acme'), await pack('web', '2.0', 'acme'), await pack('web', '3.0', 'globex'), await pack('web', '4.0')];
  await on.takes(first);
  assert.deepEqual([(await on.app('web')).signed, (await on.app('web')).authority], [true, 'acme']);
  await on.refuses('untrusted', /web belongs to authority acme.*signed by globex.*hand-over web globex/, 'install', foreign);
  await on.refuses('untrusted', /not signed/, 'install', unsigned);
  await on.daemon.json('remove', 'web', '--purge');
  await on.refuses('untrusted', /belongs to authority acme/, 'install', foreign);
  await on.takes(second, '--now');
  await on.refuses('not_found', /no authority of this device is named "nobody"/, 'authority', 'hand-over', 'web', 'nobody');
  await on.refuses('conflict', /globex may not sign broker; add it to `apps` in globex\.yaml first/, 'authority', 'hand-over', 'broker', 'globex');
  await on.refuses('not_found', /there is no file nothing\.recalls/, 'authority', 'recall', 'nothing.recalls');
  await on.daemon.json('authority', 'hand-over', 'web', 'globex');
  await on.daemon.json('remove', 'web', '--purge');
  await on.refuses('untrusted', /belongs to authority globex/, 'install', await pack('web', '5.0', 'acme'));
  await on.takes(foreign);
  const { authorities } = await on.daemon.json<{ authorities: AuthorityStatus[] }>('authority', 'list');
  assert.deepEqual(authorities.map(({ name, apps }) => [name, apps]), [['acme', []], ['globex', ['web']]]);
});

test('who may not sign an app, changed packages and payloads of several authorities are refused', limit, async (t) => {
  const on = await device(t);
  const [web, other] = [await pack('web', '1.0', 'acme'), await pack('other', '1.0', 'globex')];
  await on.refuses('untrusted', /other 1\.0/, 'install', await pack('other', '1.0', 'acme'));
  await on.refuses('untrusted', /several authorities: web of acme; other of globex.*--allow-mix/, 'install', web, other);
  const bytes = readFileSync(web);
  const evil = join(shelf, 'evil.ipk');
  const manifest = bytes.indexOf('for a test');
  writeFileSync(evil, bytes.map((byte, index) => (index === manifest ? byte ^ 1 : byte)));
  await on.refuses('untrusted', /web|_signature|manifest/, 'install', evil);
  await on.refuses('untrusted', /evil|_signature|manifest/, 'install', await pack('broker', '1.0', 'acme'), evil);
  assert.deepEqual((await on.daemon.json<{ apps: AppStatus[] }>('ps')).apps, []);
  await on.takes(web, other, '--allow-mix');
});

test('an app moves to a successor with an update; countersigners that are needed must have signed', limit, async (t) => {
  const on = await device(t);
  await on.takes(await pack('web', '1.0', 'acme'));
  on.authority('acme', 'apps: [web]\nsuccessors: [globex]');
  await on.takes(await pack('web', '2.0', 'globex'), '--now');
  await on.refuses('untrusted', /belongs to authority globex/, 'install', await pack('web', '3.0', 'acme'));
  on.authority('shop', 'apps: []');
  on.authority('acme', 'apps: [broker]\ncountersigners: [{ need: 1, of: [shop] }]');
  await on.refuses('untrusted', /countersigned/, 'install', await pack('broker', '1.0', 'acme'));
  await on.takes(await pack('broker', '1.0', 'acme', 'shop'));
});

test('a recalled version stops, stays down over restarts, and beats a rollback', limit, async (t) => {
  const on = await device(t, { config: 'updates: { trial-uptime: 60s }\n' });
  await on.takes(await pack('web', '1.0', 'acme'));
  await on.recall('acme', 1, { app: 'web', versions: '= 1.0', reason: 'it leaks' });
  const isDown = async (): Promise<void> => {
    const { state, reason } = await until(async () => {
      const status = await on.app('web');
      return status.state === 'failed' && status;
    });
    assert.deepEqual([state, reason?.code], ['failed', 'recalled']);
    assert.match(reason!.message, /web 1\.0 was recalled by acme: it leaks/);
  };
  await isDown();
  await on.refuses('untrusted', /recalled by acme/, 'start', 'web');
  await on.refuses('untrusted', /recalled by acme/, 'install', await pack('web', '1.0', 'acme'));
  await on.daemon.end('SIGKILL');
  await on.daemon.start();
  await isDown();
  // The way back of what fails is what was recalled.
  await on.refuses('rolled_back', /do not run: web 1\.0 was recalled/, 'install', await packRunning('exit 1', 'web', '2.0', 'acme'));
  await isDown();
  await on.daemon.reboot();
  await isDown();
  await on.refuses('conflict', /number 2 is held/, 'authority', 'recall', await older(on));
});

async function older(on: TrustingDevice): Promise<string> {
  const newest = join(on.daemon.directory, 'first.recalls');
  copyFileSync(on.listOf('acme'), newest);
  await on.recall('acme', 2);
  return newest;
}

test('a recall of what is tried ends the trial, and lists in the folder count at the start', limit, async (t) => {
  const on = await device(t, { config: 'updates: { trial-uptime: 60s }\n' });
  await on.takes(await pack('web', '1.0', 'acme'));
  await on.daemon.json('install', '--no-wait', await pack('web', '2.0', 'acme'));
  await until(async () => (await on.app('web')).version === '2.0');
  await on.recall('acme', 1, { app: 'web', versions: '= 2.0', reason: 'it eats the battery' });
  await until(async () => (await on.app('web')).version === '1.0' && (await on.app('web')).state === 'running');
  const [update] = (await on.daemon.json<{ updates: { outcome?: string; reason?: { message: string } }[] }>('updates')).updates;
  assert.equal(update?.outcome, 'rolled-back');
  assert.match(update.reason!.message, /recalled by acme: it eats the battery/);
  const folder = join(on.daemon.directory, 'recalls.d');
  mkdirSync(folder);
  await on.daemon.end();
  const list = join(on.daemon.directory, 'next.json');
  writeFileSync(list, JSON.stringify({ authority: 'acme', issued: new Date().toISOString(), sequence: 2, recalls: [{ app: 'web', reason: 'all of it' }] }));
  await local('sign', list, '--recalls', '--key', join(shelf, 'acme.key'), '--cert', join(shelf, 'acme.pem'), '-o', join(folder, 'acme.recalls'));
  await on.daemon.start();
  await until(async () => (await on.app('web')).reason?.code === 'recalled');
});

test('what nobody has signed is marked wherever the device allows it, and gives way to an authority', limit, async (t) => {
  const on = await device(t, { allowUnsigned: true });
  await on.takes(await pack('web', '1.0'));
  assert.equal((await on.app('web')).signed, false);
  const { stdout } = await on.daemon.berth('ps');
  assert.match(stdout, /unsigned/);
  assert.match((await on.daemon.berth('doctor')).stdout, /development/);
  assert.match(on.daemon.log, /takes unsigned packages/);
  await on.takes(await pack('web', '2.0', 'acme'), '--now');
  await on.refuses('untrusted', /belongs to authority acme.*not signed.*--unsigned/, 'install', await pack('web', '3.0'));
  await on.daemon.json('authority', 'hand-over', 'web', '--unsigned');
  await on.takes(await pack('web', '3.0'), '--now');
});

test('an authority whose file is broken disables itself only, and the doctor tells it', limit, async (t) => {
  const on = await device(t);
  on.authority('globex', 'apps: web');
  await on.refuses('untrusted', /other/, 'install', await pack('other', '1.0', 'globex'));
  await on.takes(await pack('web', '1.0', 'acme'));
  const { stdout } = await on.daemon.berth('doctor');
  assert.match(stdout, /globex.*apps/);
});

test('a clock that is behind what is known is told', limit, async (t) => {
  const on = await device(t);
  await on.daemon.end();
  // As on a device without a battery: its clock begins in the past, and the store knows better.
  const later = `${Date.now() + 3_600_000}`;
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  const database = new DatabaseSync(join(on.daemon.root, 'berth.db'));
  database.prepare(`INSERT OR REPLACE INTO meta VALUES ('last-time', ?)`).run(later);
  database.close();
  await on.daemon.start();
  assert.match((await on.daemon.berth('doctor')).stdout, /although .* is over/);
  await on.takes(await pack('web', '1.0', 'acme'));
});

test('packages of a compressed archive, and of one that is sent as several files, are judged as they lie there', limit, async (t) => {
  const on = await device(t);
  const files = [await pack('web', '1.0', 'acme'), await pack('broker', '1.0', 'acme')];
  const archive = join(shelf, 'both.tar.gz');
  assert.equal((await run('tar', ['-czf', archive, ...files.flatMap((file) => ['-C', join(file, '..'), basename(file)])])).code, 0);
  await on.takes(archive);
  assert.deepEqual((await on.daemon.json<{ apps: AppStatus[] }>('ps')).apps.map(({ name, authority }) => [name, authority]), [['broker', 'acme'], ['web', 'acme']]);
});

test('a clock that once ran far ahead keeps nothing out for ever: the operator takes back what it said', limit, async (t) => {
  const on = await device(t);
  const file = await pack('web', '1.0', 'acme');
  const { daemon } = on;
  await daemon.end();
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(join(daemon.root, 'berth.db'));
  database.prepare(`INSERT OR REPLACE INTO meta VALUES ('last-time', ?)`).run(String(Date.UTC(2099, 0, 1)));
  database.close();
  await daemon.start();
  await on.refuses('untrusted', /expired/, 'install', file);
  assert.match((await daemon.berth('doctor')).stdout, /2099.*\n?.*forget-time/);
  assert.equal((await daemon.json<{ isKnown: boolean }>('authority', 'forget-time')).isKnown, true);
  await on.takes(file);
});

test('authorities that cannot be read keep no app from running', limit, async (t) => {
  const on = await device(t);
  const file = await pack('web', '1.0', 'acme');
  await on.takes(file);
  const { daemon } = on;
  const directory = join(daemon.directory, 'authorities.d');
  await daemon.end();
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'not a directory');
  await daemon.reboot();
  await until(async () => (await on.app('web')).state === 'running');
  assert.match(daemon.log, /authorities cannot be read/);
  await on.refuses('io', /authorities\.d/, 'install', file);
});

test('a preload verifies by the authorities of the device, and its apps belong to them', limit, async (t) => {
  const root = mkdtempSync(join(shelf, 'store-'));
  const authorities = join(shelf, 'authorities.d');
  mkdirSync(authorities);
  copyFileSync(join(shelf, 'acme.pem'), join(authorities, 'acme.pem'));
  writeFileSync(join(authorities, 'acme.yaml'), 'certificate: acme.pem\napps: [web]\n');
  const preload = async (...args: readonly string[]): ReturnType<typeof run> => await run(process.execPath, [berthBundle, '--json', 'factory', 'preload', '--into', root, '--authorities', authorities, ...args]);
  for (const file of [await pack('web', '1.0'), await pack('web', '1.0', 'globex'), await pack('other', '1.0', 'acme')]) {
    const { code, stdout } = await preload(file);
    assert.deepEqual([code, (JSON.parse(stdout) as ErrorBody).error.code], [1, 'untrusted']);
  }
  const { code, stdout } = await preload(await pack('web', '1.0', 'acme'));
  assert.equal(code, 0, stdout);
  // As the store of a device is: its apps' users pass through.
  for (const directory of [shelf, root]) chmodSync(directory, 0o711);
  const on = await device(t, { root });
  await until(async () => (await on.app('web')).state === 'running');
  await on.refuses('untrusted', /belongs to authority acme/, 'install', await pack('web', '2.0', 'globex'));
});
