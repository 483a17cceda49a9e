/** The daemon is killed at random moments of updates; afterwards a payload is wholly old or wholly new, and nobody else noticed. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../src/lib/process.ts';
import type { AppStatus } from '../src/lifecycle/index.ts';
import { randomFrom } from './random.ts';
import { ApiClient } from './support/api.ts';
import { imageDifferences, startBerthd, type TestDaemon, until, whyNoContainers } from './support/berthd.ts';
import { makePackage } from './support/packages.ts';

/** More by hand: `UPDATE_KILLS=500 npm test -- test/update-kill.test.ts`. */
const kills = Number(process.env['UPDATE_KILLS'] ?? '25');
const skip = whyNoContainers();

const members = ['one', 'two', 'three'] as const;
const obedient = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

/** A payload of all members at one version; a version named `bad` fails in its trial. */
async function makePayload(directory: string, version: string): Promise<string> {
  const packages = await Promise.all(members.map(async (name) => makePackage(directory, {
    name,
    version,
    // The data must belong to the version that runs.
    script: `echo ${version} > /data/version; ${version === '3.0' && name === 'two' ? 'sleep 0.05; exit 7' : obedient}`,
    annotations: { data: '/data' },
  })));
  const payload = join(directory, `payload-${version}.tar`);
  const { code, stderr } = await run('tar', ['-C', directory, '-cf', payload, ...packages.map((path) => basename(path))]);
  assert.equal(code, 0, stderr);
  for (const path of packages) rmSync(path);
  return payload;
}

/** Waits until no update is under way and everything runs, and gives the apps. */
async function settled(api: ApiClient): Promise<readonly AppStatus[]> {
  await until(async () => (await api.updates()).every((update) => update.outcome !== undefined));
  return until(async () => {
    const apps = await api.apps();
    return apps.every((app) => app.state === 'running') && apps;
  });
}

async function check(daemon: TestDaemon, apps: readonly AppStatus[], bystander: AppStatus): Promise<void> {
  const ours = apps.filter((app) => app.name !== bystander.name);
  assert.deepEqual(ours.map((app) => app.name).toSorted(), [...members].toSorted());
  assert.equal(new Set(ours.map((app) => app.version)).size, 1, `versions: ${ours.map((app) => `${app.name} ${app.version}`).join(', ')}`);
  const other = apps.find((app) => app.name === bystander.name)!;
  assert.deepEqual([other.instance, other.restarts], [bystander.instance, 0], 'the bystander was not disturbed');
  for (const app of ours) assert.deepEqual(await imageDifferences(daemon.root, app.digest), [], app.name);
  for (const { name, version } of ours) {
    const said = await daemon.berth('exec', name, 'cat', '/data/version');
    assert.equal(said.stdout.trim(), version, `data of ${name}`);
  }
  // What is named no more is deleted when the update is over already.
  const kept = [...members.map((name) => ({ directory: join('data', name), entries: 1 })), { directory: 'images', entries: members.length + 1 }, { directory: 'staging', entries: 0 }];
  for (const { directory, entries } of kept) await until(() => readdirSync(join(daemon.root, directory)).length === entries);
}

test(`berthd killed at ${kills} random moments of updates: all old or all new each time`, skip === undefined ? { timeout: 3_600_000 } : { skip }, async (t) => {
  const seed = Number(process.env['UPDATE_KILL_SEED'] ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed}`);
  const chance = randomFrom(seed, 0);
  const daemon = await startBerthd(t, { config: 'updates:\n  trial-uptime: 100ms\n  trial-deadline: 30s\n  retain: 0\n' });
  const api = new ApiClient(daemon.socket);
  const payloads = await Promise.all(['1.0', '2.0', '3.0'].map(async (version) => makePayload(daemon.directory, version)));
  await api.must('POST', '/install?start=true', payloads[0]);
  await api.must('POST', '/install?start=true', await makePackage(daemon.directory, { name: 'bystander' }));
  const began = performance.now();
  await api.must('POST', '/install?allowDowngrade=true', payloads[1]);
  const updateMs = performance.now() - began;
  const before = await settled(api);
  const bystander = before.find((app) => app.name === 'bystander')!;
  const outcomes = new Map<string, number>();
  let kinds = 1;
  for (let kill = 0; kill < kills; kill += 1) {
    const payload = payloads[(kinds = (kinds + 1 + chance.below(2)) % payloads.length)]!;
    const id = (await api.updates())[0]!.id + 1;
    let over = false;
    const request = api.call('POST', '/install?allowDowngrade=true', payload).catch(() => undefined).finally(() => { over = true; });
    // Some moments at random, more of them soon after a phase has begun: the switch takes less time than the unpacking.
    if (chance.once(3)) await delay(chance.below(Math.ceil(updateMs)));
    else {
      const phase = chance.pick(['storing', 'copying', 'switching', 'switching', 'starting', 'trial', 'rolling-back']);
      await until(() => over || daemon.log.includes(`update ${id}: ${phase}`));
      await delay(chance.below(100));
    }
    await daemon.end('SIGKILL');
    await request;
    await daemon.start();
    await check(daemon, await settled(api), bystander);
    const { outcome, phase } = (await api.updates())[0]!;
    outcomes.set(`${outcome} in ${phase}`, (outcomes.get(`${outcome} in ${phase}`) ?? 0) + 1);
  }
  t.diagnostic(`outcomes: ${[...outcomes].map(([outcome, count]) => `${outcome}: ${count}`).join(', ')}`);
  assert.equal(outcomes.size > 1, true, 'the moments were not all the same');
});
