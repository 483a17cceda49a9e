import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../image/index.ts';
import { Decisions } from './decisions.ts';
import { grantDataBytes, grantVolumes } from './volumes.ts';

function settings(annotations: Readonly<Record<string, string>>): ReturnType<typeof parseSettings> {
  return parseSettings(Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`org.berth.${name}`, value])));
}

test('an app sees what it shares and what it uses', () => {
  const asked = settings({ 'volumes.share': 'photos:viewer,photos:printer,maps', 'volumes.use': 'camera/raw:/raw:ro, camera/log:/var/camera' });
  assert.deepEqual(grantVolumes('album', asked, new Decisions()), [
    { owner: 'album', name: 'photos', path: '/run/volumes/photos', access: 'write' },
    { owner: 'album', name: 'maps', path: '/run/volumes/maps', access: 'write' },
    { owner: 'camera', name: 'raw', path: '/raw', access: 'read' },
    { owner: 'camera', name: 'log', path: '/var/camera', access: 'write' },
  ]);
});

for (const value of ['camera:/raw', 'camera/raw', 'camera/raw:raw', 'camera/raw:/raw:rw', 'camera/../x:/raw', 'camera/raw:/proc/x', 'camera/raw:/a,other/raw:/a']) {
  test(`volumes.use does not take ${value}`, () => {
    assert.throws(() => settings({ 'volumes.use': value }), /org\.berth\.volumes\.use/);
  });
}

test('the bound of its data is the lesser of what an app asks for and what it may have', () => {
  const decide = new Decisions();
  assert.equal(grantDataBytes(settings({}), {}, decide), undefined);
  assert.equal(grantDataBytes(settings({}), { data: 5000 }, decide), 5000);
  assert.equal(grantDataBytes(settings({ 'data.size': '4KiB' }), { data: 5000 }, decide), 4096);
  assert.equal(grantDataBytes(settings({ 'data.size': '64MiB' }), {}, decide), 64 * 1024 ** 2);
  assert.equal(grantDataBytes(settings({ 'data.size': '64MiB' }), { data: 5000 }, decide), 5000);
  assert.deepEqual(decide.all.map(({ verdict }) => verdict), ['granted', 'granted', 'refused']);
});

for (const [name, value] of [['data.size', '100'], ['data.size', 'much'], ['bus.talk', 'Clock'], ['bus.own', 'org.exa mple'], ['bus.talk', '*'], ['volumes.share', 'a:b:c'], ['volumes.share', 'A']] as const) {
  test(`org.berth.${name} does not take ${value}`, () => {
    assert.throws(() => settings({ [name]: value }), new RegExp(`org\\.berth\\.${name.replace('.', '\\.')}`));
  });
}
