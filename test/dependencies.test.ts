/** What an app needs of the device is checked when it is installed, and again when something is removed. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

test('versions of installed apps count, compared as dpkg does', options, async (t) => {
  const { install, refusal } = await startDevice(t);
  await install({ name: 'broker', version: '2.10~rc1' });
  for (const wanted of ['broker (>= 2.10)', 'broker (<< 2.9)', 'broker (= 2.10)', 'broker (>> 2.10~rc1)']) {
    const { code, message } = await refusal({ name: 'client', control: { Depends: wanted } });
    assert.equal(code, 'dependency');
    assert.equal(message.includes(`${wanted} (there is broker 2.10~rc1)`), true, message);
  }
  const { status } = await install({ name: 'client', control: { Depends: 'broker (>= 2.9), nosuch | broker (<< 2.10)' } });
  assert.equal(status.state, 'running');
});

test('services that the device declares count from the moment they are declared', options, async (t) => {
  const { daemon, install, refusal } = await startDevice(t);
  const file = join(daemon.directory, 'platform.d/gnss.yaml');
  const needs = (name: string): { name: string; control: { Depends: string } } => ({ name, control: { Depends: 'gnss (>= 2.0)' } });
  assert.match((await refusal(needs('early'))).message, /gnss \(>= 2\.0\)/);
  writeFileSync(file, 'services:\n  - name: gnss\n    version: "1.9"\n');
  assert.match((await refusal(needs('older'))).message, /there is gnss 1\.9/);
  writeFileSync(file, 'services:\n  - name: gnss\n    version: "2.1"\n    description: position by gpsd\n');
  assert.equal((await install(needs('nav'))).status.state, 'running');
  // A mistake of the operator is told with file and key, and takes nothing away from what runs.
  writeFileSync(file, 'services:\n  - nam: gnss\n');
  assert.match((await refusal(needs('later'))).message, /gnss\.yaml: services\.0\.nam/);
  rmSync(file);
  assert.match((await refusal(needs('latest'))).message, /gnss/);
  assert.deepEqual((await daemon.json<{ apps: { name: string; state: string }[] }>('ps')).apps.map(({ name, state }) => `${name} ${state}`), ['nav running']);
});

test('a refusal lists all that is missing and leaves nothing', options, async (t) => {
  const { daemon, install, refusal } = await startDevice(t);
  await install({ name: 'broker', version: '1.0' });
  const images = readdirSync(join(daemon.root, 'images'));
  const { code, message, detail } = await refusal({ name: 'client', control: { Depends: 'broker (>= 2.0), gnss, can-bus (= 3) | serial, broker' } });
  assert.equal(code, 'dependency');
  for (const part of ['client', 'broker (>= 2.0) (there is broker 1.0)', 'gnss', 'can-bus (= 3) | serial']) assert.equal(message.includes(part), true, message);
  assert.deepEqual(detail, {
    missing: [
      { wanted: 'broker (>= 2.0)', found: [{ name: 'broker', version: '1.0' }] },
      { wanted: 'gnss', found: [] },
      { wanted: 'can-bus (= 3) | serial', found: [] },
    ],
  });
  assert.deepEqual(readdirSync(join(daemon.root, 'images')), images);
  assert.deepEqual(readdirSync(join(daemon.root, 'staging')), []);
});

test('what others need is not removed, nor replaced by a version that does not satisfy them', options, async (t) => {
  const { daemon, api, install, refusal } = await startDevice(t);
  await install({ name: 'broker', version: '2.0' });
  await install({ name: 'one', control: { Depends: 'broker (>= 2.0)' } });
  await install({ name: 'two', control: { Depends: 'broker' } });
  await install({ name: 'either', control: { Depends: 'broker | one' } });
  const { code, stderr } = await daemon.berth('remove', 'broker');
  assert.equal(code, 1);
  assert.match(stderr, /broker is needed by one, two;/);
  assert.equal((await api.app('broker')).state, 'running');

  await api.must('POST', '/apps/broker/stop?timeoutMs=0');
  const downgrade = await refusal({ name: 'broker', version: '1.0' });
  assert.equal(downgrade.code, 'dependency');
  assert.match(downgrade.message, /one needs broker \(>= 2\.0\)/);
  assert.equal((await api.app('broker')).version, '2.0');

  for (const name of ['one', 'two', 'either', 'broker']) await daemon.json('remove', name);
  assert.deepEqual(await api.apps(), []);
});

test('of two apps that satisfy another, one may be removed, but not the last', options, async (t) => {
  const { daemon, install } = await startDevice(t);
  await install({ name: 'small' });
  await install({ name: 'large' });
  await install({ name: 'user', control: { Depends: 'small | large' } });
  await daemon.json('remove', 'large');
  assert.match((await daemon.berth('remove', 'small')).stderr, /small is needed by user/);
});

test('imports need both sides: named in Depends by the one, exported by the other', options, async (t) => {
  const { install, refusal } = await startDevice(t);
  await install({ name: 'broker', annotations: { exports: 'mqtt' } });
  const silent = await refusal({ name: 'client', annotations: { imports: 'broker/mqtt' } });
  assert.equal(silent.code, 'bad_package');
  assert.match(silent.message, /client imports broker\/mqtt but does not name broker in Depends/);
  const wrong = await refusal({ name: 'client', annotations: { imports: 'broker/admin' }, control: { Depends: 'broker' } });
  assert.equal(wrong.code, 'dependency');
  assert.match(wrong.message, /client imports broker\/admin, which the installed broker does not export/);
  for (const imports of ['broker/../../etc', '../broker/mqtt', 'broker', '/broker/mqtt']) {
    const escape = await refusal({ name: 'client', annotations: { imports }, control: { Depends: 'broker' } });
    assert.equal(escape.code, 'bad_package', imports);
    assert.match(escape.message, /org\.berth\.imports/);
  }
  await install({ name: 'client', annotations: { imports: 'broker/mqtt' }, control: { Depends: 'broker' } });
});
