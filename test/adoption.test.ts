/** The daemon is killed at any moment; the apps do not notice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLine } from '../src/runtime/index.ts';
import { ApiClient } from './support/api.ts';
import { startBerthd, until, whyNoContainers } from './support/berthd.ts';
import { makePackage } from './support/packages.ts';
import { randomFrom } from './random.ts';

const skip = whyNoContainers();
const kills = 50;
const bystanders = ['one', 'two', 'three'];
const counting = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done';

test(`SIGKILL of the daemon at ${kills} random moments under load disturbs no app`, skip === undefined ? { timeout: 300_000 } : { skip }, async (t) => {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const chance = randomFrom(seed, 0);
  const daemon = await startBerthd(t);
  const api = new ApiClient(daemon.socket);
  for (const name of bystanders) await api.install(await makePackage(daemon.directory, { name, script: counting }), { start: true });
  const busy = await makePackage(daemon.directory, { name: 'busy', annotations: { 'stop-timeout': '100ms' } });
  const before = await Promise.all(bystanders.map((name) => api.app(name)));

  for (let kill = 0; kill < kills; kill += 1) {
    const stopped = new AbortController();
    const load = [work(api, busy, stopped.signal), look(api, stopped.signal)];
    await new Promise((resolve) => setTimeout(resolve, chance.below(400)));
    await daemon.end('SIGKILL');
    stopped.abort();
    await Promise.all(load);
    await daemon.start();
  }

  for (const [index, name] of bystanders.entries()) {
    const now = await api.app(name);
    assert.deepEqual(now.instance, before[index]!.instance, `${name} is the same instance`);
    assert.equal(now.state, 'running');
    assert.equal(now.restarts, 0);
    const logged = (await api.must('GET', `/apps/${name}/logs`)).body.trim().split('\n').map((line) => JSON.parse(line) as LogLine);
    assert.deepEqual(logged.map((line) => line.text), logged.map((_, at) => String(at + 1)), `${name} lost no line`);
  }
  // What the load left half done is put right: at most the one app, in a state of its own, with at most one instance.
  const apps = await until(async () => {
    const all = await api.apps();
    return all.every((app) => app.state === 'running' || app.state === 'stopped') && all;
  });
  assert.deepEqual(apps.map((app) => app.name).filter((name) => name !== 'busy').toSorted(), bystanders.toSorted());
  const running = apps.filter((app) => app.state === 'running').length;
  const inits = daemon.cgroups().filter((path) => path.endsWith('/app') && path.includes('/pids/'));
  assert.equal(inits.length, running);
});

/** Installs, starts, stops and removes one app again and again until the daemon is gone. */
async function work(api: ApiClient, file: string, signal: AbortSignal): Promise<void> {
  const steps = [
    () => api.call('POST', '/install?start=true', file),
    () => api.call('POST', '/apps/busy/restart'),
    () => api.call('POST', '/apps/busy/stop'),
    () => api.call('DELETE', '/apps/busy?purge=true'),
  ];
  while (!signal.aborted) {
    for (const step of steps) if (!(await survives(step, signal))) return;
  }
}

async function look(api: ApiClient, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (!(await survives(() => api.apps(), signal))) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** False when the daemon was killed meanwhile; any other failure is one. */
async function survives(step: () => Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  try {
    await step();
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (signal.aborted || ['ECONNRESET', 'ECONNREFUSED', 'ENOENT', 'EPIPE'].includes(code)) return false;
    throw error;
  }
}
