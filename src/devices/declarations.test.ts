import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { readDeclarations, type Declarations } from './declarations.ts';
import { hostPlaces, lookAt } from './look.ts';

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'berth-devices-'));
  t.after(() => { rmSync(path, { recursive: true }); });
  return path;
}

async function read(t: TestContext, files: Readonly<Record<string, string>>): Promise<Declarations> {
  const path = directory(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return readDeclarations(path);
}

test('declarations are read from all files, with what they leave out', async (t) => {
  const { all, faults, incomplete } = await read(t, {
    'a.yaml': 'devices:\n  - { name: relay, path: /dev/ttyS1, sharing: shared, busy: fail, description: the relay }\n',
    'b.yaml': 'devices:\n  - { name: gps, link: /dev/serial/by-id/x }\n  - { name: adapters, class: tty, match: ttyUSB*, platform: true }\n  - { name: disks, class: block }\n',
    'c.txt': 'not read',
  });
  assert.deepEqual([faults, incomplete], [[], false]);
  assert.deepEqual(all.map((declaration) => ({ ...declaration, origin: undefined })), [
    { name: 'adapters', description: '', place: { kind: 'class', class: 'tty', match: 'ttyUSB*' }, type: 'c', sharing: 'exclusive', busy: 'wait', platform: true, origin: undefined },
    { name: 'disks', description: '', place: { kind: 'class', class: 'block', match: '*' }, type: 'b', sharing: 'exclusive', busy: 'wait', platform: false, origin: undefined },
    { name: 'gps', description: '', place: { kind: 'link', path: '/dev/serial/by-id/x' }, type: 'c', sharing: 'exclusive', busy: 'wait', platform: false, origin: undefined },
    { name: 'relay', description: 'the relay', place: { kind: 'path', path: '/dev/ttyS1' }, type: 'c', sharing: 'shared', busy: 'fail', platform: false, origin: undefined },
  ]);
});

test('a directory that is not there declares nothing', async () => {
  assert.deepEqual(await readDeclarations('/nowhere/devices.d'), { all: [], faults: [], incomplete: false });
});

for (const [what, entry, fault] of [
  ['an unknown key', '{ name: x, path: /dev/x, shared: true }', /shared: not a key/],
  ['a wrong value', '{ name: x, path: /dev/x, sharing: both }', /sharing: /],
  ['two places', '{ name: x, path: /dev/x, link: /dev/y }', /exactly one of path, link and class/],
  ['no place', '{ name: x }', /exactly one of path, link and class/],
  ['a path that is not plain', '{ name: x, path: /dev/../x }', /path: not a plain absolute path/],
  ['a name that every /dev has', '{ name: shm, path: /dev/x }', /name: a name that is taken/],
  ['a name with a slash', '{ name: a/b, path: /dev/x }', /name: not a name/],
  ['a match without a class', '{ name: x, path: /dev/x, match: y }', /match goes with class/],
  ['a class outside its directory', '{ name: x, class: .. }', /class: not the name/],
  ['the name of another', '{ name: other, path: /dev/x }', /name: other is declared already/],
] as const) {
  test(`an entry with ${what} is told by file and key, and only it is disabled`, async (t) => {
    const { all, faults } = await read(t, { 'a.yaml': `devices:\n  - { name: other, path: /dev/other }\n  - ${entry}\n` });
    assert.equal(faults.length, 1);
    assert.match(faults[0]!, /a\.yaml: devices\.1: /);
    assert.match(faults[0]!, fault);
    assert.deepEqual(all.filter((declaration) => declaration.fault === undefined).map(({ name }) => name), ['other']);
    assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
    // Its device, as far as it can be told, is kept from everybody.
    assert.equal(all.every((declaration) => declaration.fault === undefined || declaration.platform), true);
  });
}

test('a file that cannot be read leaves the others, and makes the declarations incomplete', async (t) => {
  const { all, faults, incomplete } = await read(t, { 'a.yaml': 'devices: [', 'b.yaml': 'devices:\n  - { name: x, path: /dev/x }\n' });
  assert.deepEqual([all.length, faults.length, incomplete], [1, 1, true]);
  assert.match(faults[0]!, /a\.yaml/);
});

test('a node is found by its path and through a link, with the number and identity that it has', (t) => {
  const link = join(directory(t), 'link');
  symlinkSync('/dev/null', link);
  const [byPath] = lookAt({ place: { kind: 'path', path: '/dev/null' }, type: 'c' }, hostPlaces).nodes;
  const [byLink] = lookAt({ place: { kind: 'link', path: link }, type: 'c' }, hostPlaces).nodes;
  assert.deepEqual({ ...byPath, identity: '' }, { name: 'null', type: 'c', major: 1, minor: 3, identity: '' });
  assert.deepEqual(byLink, byPath);
  const [ofClass] = lookAt({ place: { kind: 'class', class: 'mem', match: 'nul*' }, type: 'c' }, hostPlaces).nodes;
  assert.deepEqual(ofClass, byPath);
});

test('what is not there is no fault, what is no device is one', (t) => {
  const path = join(directory(t), 'file');
  assert.deepEqual(lookAt({ place: { kind: 'path', path }, type: 'c' }, hostPlaces), { nodes: [] });
  assert.deepEqual(lookAt({ place: { kind: 'class', class: 'nothing', match: '*' }, type: 'c' }, hostPlaces), { nodes: [] });
  writeFileSync(path, '');
  assert.match(lookAt({ place: { kind: 'path', path }, type: 'c' }, hostPlaces).fault!, /is no device/);
  assert.match(lookAt({ place: { kind: 'path', path: '/dev/null' }, type: 'b' }, hostPlaces).fault!, /character device.*type: char/);
});

test('a link that is declared as a path is a fault, but its device is known, so that nobody else gets one of the platform\'s', (t) => {
  const link = join(directory(t), 'link');
  symlinkSync('/dev/null', link);
  const { nodes, fault } = lookAt({ place: { kind: 'path', path: link }, type: 'c' }, hostPlaces);
  assert.deepEqual([nodes.map(({ minor }) => minor), fault], [[3], `${link} is a link; its declaration must say link`]);
});
