/** Scenarios that Mbed Linux OS's framework had to pass, and those that it did not. Real containers, the built programs. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { AppStatus } from '../src/lifecycle/index.ts';
import type { LogLine } from '../src/runtime/index.ts';
import type { InstallReport } from '../src/update/index.ts';
import { startBerthd, until, whyNoContainers, type TestDaemon } from './support/berthd.ts';
import { makePackage, type PackageOptions } from './support/packages.ts';

const skip = whyNoContainers();
const timeout = 120_000;

async function install(daemon: TestDaemon, options: PackageOptions, ...args: string[]): Promise<InstallReport> {
  const path = await makePackage(daemon.directory, options);
  const { installed } = await daemon.json<{ installed: InstallReport[] }>('install', ...args, path);
  rmSync(path);
  return installed[0]!;
}

async function show(daemon: TestDaemon, app: string): Promise<AppStatus> {
  return daemon.json<AppStatus>('show', app);
}

/** What the daemon keeps on disk. */
function kept(daemon: TestDaemon): Record<string, string[]> {
  return Object.fromEntries(['images', 'staging', 'data'].map((folder) => [folder, readdirSync(join(daemon.root, folder))]));
}

const nothing = { images: [], staging: [], data: [] };

async function refused(daemon: TestDaemon, options: PackageOptions, expected: RegExp): Promise<void> {
  const path = await makePackage(daemon.directory, options);
  const { code, stderr } = await daemon.berth('install', path);
  assert.equal(code, 1);
  assert.match(stderr, expected);
}

function scenario(number: number, name: string, body: (t: TestContext) => Promise<void>): void {
  test(`scenario ${number}: ${name}`, skip === undefined ? { timeout } : { skip }, body);
}

scenario(1, 'a package with an outer tar.gz and an odd Description is installed whole and removed again', async (t) => {
  const daemon = await startBerthd(t);
  const files = { 'etc/one': 'first', 'etc/deep/er/two': 'second\n'.repeat(10_000) };
  const { digest } = await install(daemon, { name: 'demo', outer: 'tar.gz', files, control: { Description: 'first line\nsecond line without a space' } }, '--no-start');
  const rootfs = join(daemon.root, 'images', digest.slice('sha256:'.length), 'bundle/rootfs');
  for (const [path, text] of Object.entries(files)) {
    const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');
    assert.equal(sha256(readFileSync(join(rootfs, path))), sha256(text), path);
  }
  await daemon.json('remove', 'demo');
  assert.deepEqual(kept(daemon), nothing);
});

scenario(2, 'a package without a Package field is refused and leaves nothing', async (t) => {
  const daemon = await startBerthd(t);
  await refused(daemon, { name: 'demo', control: { Package: undefined } }, /Package/);
  assert.deepEqual(kept(daemon), nothing);
});

scenario(3, 'a package for a foreign architecture is refused and leaves nothing', async (t) => {
  const daemon = await startBerthd(t);
  await refused(daemon, { name: 'demo', architecture: 'pdp11' }, /demo is for pdp11/);
  assert.deepEqual(kept(daemon), nothing);
});

scenario(4, 'removing what is not installed exits 1 and names it', async (t) => {
  const daemon = await startBerthd(t);
  const { code, stderr } = await daemon.berth('remove', 'nosuch');
  assert.equal(code, 1);
  assert.match(stderr, /nosuch/);
});

scenario(5, 'a control value may hold colons', async (t) => {
  const daemon = await startBerthd(t);
  const report = await install(daemon, { name: 'demo', version: '2:1.0-r3', control: { Homepage: 'https://example.org:8080/a:b' } }, '--no-start');
  assert.equal(report.version, '2:1.0-r3');
});

scenario(6, 'ar with xz and tar.gz with gz both install', async (t) => {
  const daemon = await startBerthd(t);
  await install(daemon, { name: 'one', outer: 'ar', compression: 'xz' }, '--no-start');
  await install(daemon, { name: 'two', outer: 'tar.gz', compression: 'gz' }, '--no-start');
  const { apps } = await daemon.json<{ apps: AppStatus[] }>('ps');
  assert.deepEqual(apps.map((app) => app.name), ['one', 'two']);
});

scenario(7, 'a postinst does not run on the host, and the install tells of it', async (t) => {
  const daemon = await startBerthd(t);
  const mark = join(daemon.directory, 'postinst-ran');
  const report = await install(daemon, { name: 'demo', scripts: { postinst: `#!/bin/sh\ntouch ${mark}\n` } });
  assert.equal(existsSync(mark), false);
  assert.match(report.warnings.join('\n'), /postinst/);
});

scenario(8, 'run gives a running container; stop and kill take it away', async (t) => {
  const daemon = await startBerthd(t);
  const { status } = await install(daemon, { name: 'demo' });
  assert.equal(status.state, 'running');
  assert.equal(existsSync(`/proc/${status.instance!.pid}`), true);
  await daemon.json('stop', 'demo', '--timeout', '0s');
  assert.equal((await show(daemon, 'demo')).state, 'stopped');
  assert.deepEqual(daemon.processes(), []);
  await daemon.json('start', 'demo');
  assert.equal(daemon.processes().length > 0, true);
  await daemon.json('kill', 'demo');
  assert.equal((await show(daemon, 'demo')).state, 'stopped');
  assert.deepEqual(daemon.processes(), []);
});

scenario(9, 'an app that ignores SIGTERM is killed at its stop timeout; one that ends in time never sees SIGKILL', async (t) => {
  const daemon = await startBerthd(t);
  await install(daemon, { name: 'deaf', script: "trap '' TERM; while :; do sleep 1; done", annotations: { 'stop-timeout': '1s' } });
  await install(daemon, { name: 'polite', script: "trap 'sleep 1; echo goodbye; exit 7' TERM; echo ready; while :; do sleep 0.1; done", annotations: { 'stop-timeout': '60s' } });
  await until(async () => (await daemon.berth('logs', 'polite')).stdout.includes('ready'));
  await Promise.all([daemon.json('stop', 'deaf'), daemon.json('stop', 'polite')]);
  const deaf = await show(daemon, 'deaf');
  assert.equal(deaf.lastExit?.signal, 'SIGKILL');
  assert.equal(deaf.lastExit.reason.code, 'stop-timeout');
  const polite = await show(daemon, 'polite');
  assert.equal(polite.lastExit?.exitCode, 7);
  assert.equal(polite.lastExit.reason.code, 'stopped');
  const { stdout } = await daemon.berth('logs', 'polite');
  assert.match(stdout, /goodbye/);
});

scenario(10, 'an app that exited by itself can be started again', async (t) => {
  const daemon = await startBerthd(t);
  const { status } = await install(daemon, { name: 'once', script: 'echo ran', annotations: { restart: 'never' } });
  assert.equal(['running', 'stopped'].includes(status.state), true);
  const runs = async (): Promise<number> => (await daemon.berth('logs', 'once')).stdout.split('\n').filter((line) => line.includes('ran')).length;
  await until(async () => (await show(daemon, 'once')).state === 'stopped');
  await daemon.json('start', 'once');
  await until(async () => (await show(daemon, 'once')).state === 'stopped');
  assert.equal(await runs(), 2);
});

scenario(11, 'starting an unknown app exits 1 and names it', async (t) => {
  const daemon = await startBerthd(t);
  const { code, stderr } = await daemon.berth('start', 'nosuch');
  assert.equal(code, 1);
  assert.match(stderr, /nosuch/);
});

scenario(12, 'at boot one broken app does not hold up the others', async (t) => {
  const daemon = await startBerthd(t);
  const broken = await install(daemon, { name: 'a-broken' });
  await install(daemon, { name: 'b', control: { Depends: 'a-broken' } });
  await install(daemon, { name: 'c' });
  await daemon.json('stop', 'a-broken', 'b', 'c', '--timeout', '0s');
  await daemon.end();
  // What ran before the cut is what the database says; the image of one is damaged meanwhile.
  writeFileSync(join(daemon.root, 'images', broken.digest.slice(7), 'bundle/config.json'), '{ this is not JSON');
  await daemon.start();
  const started = await daemon.berth('start', 'a-broken', 'b', 'c');
  assert.equal(started.code, 1);
  await daemon.end();
  await daemon.start();
  await until(async () => (await show(daemon, 'b')).state === 'running' && (await show(daemon, 'c')).state === 'running');
  const { state, reason } = await show(daemon, 'a-broken');
  assert.notEqual(state, 'running');
  assert.match(reason!.message, /config\.json/);
});

scenario(13, 'a config.json inside the root file system that is not JSON does not matter', async (t) => {
  const daemon = await startBerthd(t);
  const { status } = await install(daemon, { name: 'demo', files: { 'config.json': 'not JSON', 'etc/config.json': '{' } });
  assert.equal(status.state, 'running');
});

scenario(14, 'with an unwritable log the app still runs, and a warning says so', async (t) => {
  const daemon = await startBerthd(t);
  const logs = join(daemon.root, 'logs');
  rmSync(logs, { recursive: true, force: true });
  writeFileSync(logs, 'a file where a directory should be');
  const { status } = await install(daemon, { name: 'demo' });
  assert.equal(status.state, 'running');
  assert.match(daemon.log, /demo.*log/);
});

scenario(15, 'hello-world runs within 10 s, stops within 30 s, with exactly 10 lines in its log', async (t) => {
  const daemon = await startBerthd(t);
  const script = 'for i in 1 2 3 4 5 6 7 8 9 10; do echo "Hello, world $i"; sleep 2; done';
  const { status } = await install(daemon, { name: 'hello-world', script });
  const startedAt = status.instance!.startedAt;
  assert.equal(status.state, 'running');
  const ended = await until(async () => {
    const now = await show(daemon, 'hello-world');
    return now.state === 'stopped' && now;
  });
  assert.equal(ended.lastExit?.exitCode, 0);
  assert.equal(ended.lastExit.at - startedAt < 30_000, true);
  const lines = (await daemon.berth('--json', 'logs', 'hello-world')).stdout.trim().split('\n').map((line) => JSON.parse(line) as LogLine);
  assert.deepEqual(lines.map((line) => line.text), Array.from({ length: 10 }, (_, index) => `Hello, world ${index + 1}`));
});

scenario(28, 'an app whose watchdog is not fed is restarted, and the reason is recorded', async (t) => {
  const daemon = await startBerthd(t);
  const { status } = await install(daemon, { name: 'hung', script: 'exec sleep 1000', annotations: { watchdog: '1s', 'stop-timeout': '0s' } });
  const again = await until(async () => {
    const now = await show(daemon, 'hung');
    return now.state === 'running' && now.restarts === 1 && now;
  });
  assert.notEqual(again.instance!.id, status.instance!.id);
  assert.deepEqual([again.lastExit!.reason.code, again.lastExit!.reason.message], ['watchdog', 'its watchdog was not fed for 1s']);
  await daemon.json('kill', 'hung');
});
