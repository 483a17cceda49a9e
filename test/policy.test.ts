/** The operator's policy on a device: what it refuses, at install and at each start, and what it leaves out. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PolicyReport } from '../src/policy/index.ts';
import type { DoctorReport } from '../src/update/index.ts';
import { mblCompat, projectRoot, whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';
import { makePackage, type PackageOptions } from './support/packages.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 180_000 } : { skip };

const process = { args: ['/bin/sh', '-c', 'exec sleep 1000'], env: ['PATH=/bin'], cwd: '/', user: { uid: 0, gid: 0 } };
const namespaces = ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type }));
const greedy: PackageOptions = {
  name: 'greedy',
  oci: { process: { ...process, capabilities: { bounding: ['CAP_KILL', 'CAP_SYS_ADMIN'] } }, hooks: { prestart: [{ path: '/bin/sh' }] }, mounts: [{ destination: '/host', type: 'bind', source: '/etc', options: ['bind'] }] },
};
const refusedPaths = ['process.capabilities.bounding[1]', 'mounts[0]', 'hooks.prestart'];
const large: PackageOptions = { name: 'large', oci: { process, linux: { namespaces, resources: { memory: { limit: 2 ** 30 } } } } };
const forLarge = 'apps: [large]\nrights: { memory: 1GiB }\n';

test('a package that asks for what it is not granted is refused with the words of `berth policy check`', options, async (t) => {
  const { daemon, refusal } = await startDevice(t, { policy: {} });
  const { code, message, detail } = await refusal(greedy);
  assert.equal(code, 'denied');
  const { refused } = detail as { readonly refused: PolicyReport['decisions'] };
  assert.deepEqual(refused.map(({ path }) => path), refusedPaths);
  const file = await makePackage(daemon.directory, greedy);
  for (const args of [[], ['--device']]) {
    const { code: status, stdout } = await daemon.berth('--json', 'policy', 'check', file, ...args);
    const report = JSON.parse(stdout) as PolicyReport;
    assert.deepEqual([status, report.refused, report.decisions.filter(({ verdict }) => verdict === 'refused')], [1, 3, refused]);
    for (const { path, why } of refused) assert.equal(message.includes(`${path}: ${why}`), true, message);
  }
  const { stdout } = await daemon.berth('policy', 'check', file, '--policy', join(projectRoot, 'packaging/policy.d'));
  assert.match(stdout, /degraded[\s\S]*mbl-compat\.yaml/);
});

test('a changed policy counts at the next start, and an app that it refuses says why', options, async (t) => {
  const { daemon, api, install, refusal, settled } = await startDevice(t, { policy: {} });
  assert.match((await refusal(large)).message, /linux\.resources\.memory\.limit: more than the 512 MiB of the rights/);
  const rule = join(daemon.policy, '10-large.yaml');
  writeFileSync(rule, forLarge);
  const { status } = await install(large);
  assert.equal(status.state, 'running');
  assert.equal((await daemon.json<PolicyReport>('policy', 'check', 'large')).origin, '10-large.yaml');
  rmSync(rule);
  assert.equal((await api.app('large')).state, 'running');
  const { code, stderr } = await daemon.berth('restart', 'large');
  assert.equal(code, 1);
  assert.match(stderr, /large asks in its config\.json for what it is not granted: linux\.resources\.memory\.limit/);
  assert.match((await settled('large', ({ state }) => state === 'failed')).reason!.message, /memory\.limit/);
  writeFileSync(rule, forLarge);
  await daemon.json('start', 'large');
});

test('while a file of the policy is broken nothing is installed, and apps start by the policy before', options, async (t) => {
  const { daemon, install, refusal } = await startDevice(t, { policy: { '10-large.yaml': forLarge } });
  await install(large);
  writeFileSync(join(daemon.policy, '10-large.yaml'), 'apps: [large]\nrights: { memory: lots }\n');
  assert.match((await refusal({ ...large, name: 'other' })).message, /nothing is installed.*10-large\.yaml: rights\.memory: lots is not a size/);
  const { stdout } = await daemon.berth('--json', 'doctor');
  const { outcome, found } = (JSON.parse(stdout) as DoctorReport).checks.find(({ name }) => name === 'policy')!;
  assert.deepEqual([outcome, found.includes('10-large.yaml: rights.memory')], ['failure', true]);
  await daemon.json('restart', 'large');
  await daemon.end();
  await daemon.start();
  await daemon.json('restart', 'large');
});

test('hello-world of Mbed Linux OS runs with mbl-compat, and what it does not get is told', options, async (t) => {
  const { daemon, install, refusal } = await startDevice(t, { policy: {} });
  const { process: _, ...config } = JSON.parse(await readFile(join(projectRoot, 'examples/mbl-hello-world/config.json'), 'utf8')) as { readonly process: object };
  const hello: PackageOptions = { name: 'hello', config: JSON.stringify({ ...config, process: { ..._, args: ['/bin/sh', '-c', 'exec sleep 1000'] } }) };
  assert.match((await refusal(hello)).message, /CAP_AUDIT_WRITE/);
  writeFileSync(join(daemon.policy, 'mbl-compat.yaml'), await readFile(mblCompat));
  const { status, degraded } = await install(hello);
  assert.equal(status.state, 'running');
  assert.deepEqual(degraded.map(({ path }) => path), ['bounding', 'permitted', 'effective', 'inheritable', 'ambient'].map((set) => `process.capabilities.${set}[0]`));
  assert.match((await daemon.berth('show', 'hello')).stdout, /not granted as asked:[\s\S]*process\.capabilities\.bounding\[0\][\s\S]*CAP_AUDIT_WRITE/);
});
