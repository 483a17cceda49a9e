/** What a reboot does: everything of the run directory is gone, and the boot id is another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AppStatus } from '../src/lifecycle/index.ts';
import { ApiClient } from './support/api.ts';
import { startBerthd, until, whyNoContainers } from './support/berthd.ts';
import { makePackage } from './support/packages.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

test('after a reboot what ran runs again, in dependency order, and what a person stopped stays stopped', options, async (t) => {
  const daemon = await startBerthd(t);
  const api = new ApiClient(daemon.socket);
  const base = { annotations: { 'stop-timeout': '0s' } };
  // Alphabetical order is not the order of dependencies.
  await api.install(await makePackage(daemon.directory, { name: 'z-base', ...base }), { start: true });
  await api.install(await makePackage(daemon.directory, { name: 'm-middle', control: { Depends: 'z-base' }, ...base }), { start: true });
  await api.install(await makePackage(daemon.directory, { name: 'a-top', control: { Depends: 'm-middle' }, ...base }), { start: true });
  await api.install(await makePackage(daemon.directory, { name: 'idle', ...base }), { start: true });
  await api.must('POST', '/apps/idle/stop');
  await api.install(await makePackage(daemon.directory, { name: 'frozen', ...base }), { start: true });
  await api.must('POST', '/apps/frozen/suspend');

  await daemon.reboot();
  const apps = await until(async () => {
    const all = await api.apps();
    return all.filter((app) => app.state === 'running').length === 4 && all;
  });
  const byName = new Map(apps.map((app) => [app.name, app]));
  assert.equal(byName.get('idle')!.state, 'stopped');
  for (const name of ['z-base', 'm-middle', 'a-top', 'frozen']) assert.equal(byName.get(name)!.restarts, 0, name);
  const started = (name: string): number => byName.get(name)!.instance!.startedAt;
  assert.equal(started('z-base') <= started('m-middle') && started('m-middle') <= started('a-top'), true);
});

test('an app that reached its restart limit stays down over a reboot until a person starts it', options, async (t) => {
  const daemon = await startBerthd(t);
  const api = new ApiClient(daemon.socket);
  const annotations = { 'restart': 'always', 'restart-limit': '2', 'restart-delay': '10ms' };
  await api.install(await makePackage(daemon.directory, { name: 'crashy', script: 'exit 3', annotations }), { start: true });
  const failed = await until(async () => {
    const app = await api.app('crashy');
    return app.state === 'failed' && app;
  });
  assert.equal(failed.lastExit!.exitCode, 3);
  await daemon.reboot();
  assert.equal((await api.app('crashy')).state, 'failed');
});

test('apps that ended while no daemon was there are seen to by the next one', options, async (t) => {
  const daemon = await startBerthd(t);
  const api = new ApiClient(daemon.socket);
  await api.install(await makePackage(daemon.directory, { name: 'done', script: 'sleep 1; exit 0' }), { start: true });
  await api.install(await makePackage(daemon.directory, { name: 'killed' }), { start: true });
  const before = await api.app('killed');
  await daemon.end('SIGKILL');
  process.kill(before.instance!.pid, 'SIGKILL');
  await until(() => daemon.processes().every((pid) => pid !== before.instance!.pid));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await daemon.start();
  const done = await until(async () => {
    const app = await api.app('done');
    return app.state === 'stopped' && app;
  });
  assert.equal(done.lastExit!.exitCode, 0);
  const killed = await until(async () => {
    const app = await api.app('killed');
    return app.state === 'running' && app;
  });
  assert.notEqual(killed.instance!.id, before.instance!.id);
  assert.equal(killed.lastExit!.signal, 'SIGKILL');
  assert.equal(killed.restarts, 1);
});

test('an orderly shutdown stops dependents first and changes nothing that is desired', options, async (t) => {
  const daemon = await startBerthd(t);
  const api = new ApiClient(daemon.socket);
  const script = "trap 'sleep 0.3; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
  await api.install(await makePackage(daemon.directory, { name: 'base', script }), { start: true });
  await api.install(await makePackage(daemon.directory, { name: 'top', script, control: { Depends: 'base' } }), { start: true });
  // A shell that has not set its trap yet ignores the signal, being the first process of its namespace.
  for (const name of ['base', 'top']) await until(async () => (await api.must('GET', `/apps/${name}/logs`)).body.includes('ready'));
  await api.must('POST', '/shutdown');
  const stopped = new Map((await api.apps()).map((app): [string, AppStatus] => [app.name, app]));
  assert.deepEqual([...stopped.values()].map((app) => [app.state, app.desired, app.lastExit!.reason.code]), [['stopped', 'running', 'shutdown'], ['stopped', 'running', 'shutdown']]);
  assert.equal(stopped.get('top')!.lastExit!.at <= stopped.get('base')!.lastExit!.at, true);
  assert.deepEqual(daemon.processes(), []);
  await daemon.reboot();
  await until(async () => (await api.apps()).every((app) => app.state === 'running'));
});
