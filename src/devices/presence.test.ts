import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceGrant } from '../policy/index.ts';
import type { Declaration } from './declaration.ts';
import type { DeviceNode } from './node.ts';
import { assign } from './presence.ts';
import { deviceRules } from './rules.ts';
import { compare } from './sightings.ts';
import { changes, wantedNodes, type LentNode } from './wanted.ts';

function declare(name: string, more: Partial<Declaration> = {}): Declaration {
  return { name, origin: 'x.yaml', description: '', place: { kind: 'path', path: `/dev/${name}` }, type: 'c', sharing: 'exclusive', busy: 'wait', platform: false, ...more };
}

const usb = declare('adapters', { place: { kind: 'class', class: 'tty', match: 'ttyUSB*' } });

function node(name: string, minor: number, more: Partial<DeviceNode> = {}): DeviceNode {
  return { name, type: 'c', major: 188, minor, identity: `${name} ${minor}`, ...more };
}

const lent = (path: string, of: DeviceNode): LentNode => ({ path, node: of, access: 'rw' });

test('a device of the platform\'s own is nobody else\'s, by whatever name', () => {
  const presences = assign(
    [
      [declare('gps'), { nodes: [node('ttyUSB0', 0)] }],
      [usb, { nodes: [node('ttyUSB0', 0), node('ttyUSB1', 1)] }],
      [declare('console-port', { platform: true, place: { kind: 'link', path: '/dev/by-id/c' } }), { nodes: [node('ttyUSB0', 0)] }],
    ],
    false,
  );
  const names = Object.fromEntries(presences.map(({ declaration, nodes }) => [declaration.name, nodes.map(({ name }) => name)]));
  assert.deepEqual(names, { 'console-port': ['ttyUSB0'], gps: [], adapters: ['ttyUSB1'] });
  assert.match(presences.find(({ declaration }) => declaration.name === 'gps')!.fault!, /same device as console-port/);
});

test('a device that one declaration names is not lent once more with its class', () => {
  const [named, ofClass] = assign([[usb, { nodes: [node('ttyUSB0', 0)] }], [declare('gps'), { nodes: [node('ttyUSB0', 0)] }]], false);
  assert.deepEqual([named!.declaration.name, named!.nodes.length, ofClass!.nodes.length], ['gps', 1, 0]);
});

test('the kernel\'s memory and consoles are never lent', () => {
  for (const [major, minor] of [[1, 1], [1, 11], [5, 1]] as const) {
    const [presence] = assign([[declare('x'), { nodes: [node('mem', minor, { major })] }]], false);
    assert.deepEqual([presence!.nodes, presence!.fault], [[], 'it is one of the kernel\'s own']);
  }
});

test('a device that the machine itself uses is not lent', () => {
  const disks = declare('disks', { place: { kind: 'class', class: 'block', match: '*' }, type: 'b' });
  const presences = assign([[declare('disk', { type: 'b' }), { nodes: [node('sda', 0, { type: 'b' })] }], [disks, { nodes: [node('sdb', 1, { type: 'b' }), node('sda', 0, { type: 'b' })] }]], false, ({ minor }) => minor === 0);
  assert.deepEqual(presences.map(({ nodes }) => nodes.map(({ name }) => name)), [[], ['sdb']]);
  assert.match(presences[0]!.fault!, /machine itself uses it/);
});

test('while a declaration cannot be read, devices that only their class names are not lent', () => {
  const presences = assign([[usb, { nodes: [node('ttyUSB0', 0)] }], [declare('gps'), { nodes: [node('ttyUSB1', 1)] }]], true);
  assert.deepEqual(presences.map(({ nodes }) => nodes.length), [1, 0]);
});

test('a declaration with a fault lends nothing', () => {
  assert.deepEqual(assign([[declare('x', { platform: true, fault: 'broken' }), { nodes: [node('a', 1)] }], [declare('y'), { nodes: [node('a', 1)] }]], false).map(({ nodes }) => nodes.length), [1, 0]);
  assert.deepEqual(assign([[declare('x'), { nodes: [node('a', 1)], fault: 'a block device' }]], false)[0]!.nodes, []);
});

const lease = (device: string, more: Partial<DeviceGrant> = {}): DeviceGrant => ({ device, path: `/dev/${device}`, access: 'rw', ...more });

test('a /dev holds a device by the name that was asked for, those of a class in a directory', () => {
  const presences = assign([[usb, { nodes: [node('ttyUSB0', 0), node('ttyUSB1', 1)] }], [declare('gps'), { nodes: [node('ttyACM0', 7)] }]], false);
  const paths = (...leases: DeviceGrant[]): readonly string[] => wantedNodes(leases, presences).map(({ path }) => path);
  assert.deepEqual(paths(lease('gps')), ['gps']);
  assert.deepEqual(paths(lease('adapters')), ['adapters/ttyUSB0', 'adapters/ttyUSB1']);
  assert.deepEqual(paths(lease('adapters', { node: 'ttyUSB1', path: '/dev/ttyUSB1' })), ['ttyUSB1']);
  assert.deepEqual(paths(lease('gone')), []);
});

test('a lease of what has become the platform\'s own gives nothing', () => {
  assert.deepEqual(wantedNodes([lease('gps')], assign([[declare('gps', { platform: true }), { nodes: [node('ttyACM0', 7)] }]], false)), []);
});

test('a number that went to another device is taken away before it is given', () => {
  const before = lent('gps', node('ttyUSB0', 0, { identity: 'first' }));
  const now = lent('gps', node('ttyUSB0', 0, { identity: 'second' }));
  assert.deepEqual(changes(new Map([['gps', before]]), [now]), { remove: ['gps'], make: [now] });
  assert.deepEqual(changes(new Map([['gps', before]]), []), { remove: ['gps'], make: [] });
  assert.deepEqual(changes(new Map([['gps', before]]), [before]), { remove: [], make: [] });
  assert.deepEqual(changes(new Map(), [now]), { remove: [], make: [now] });
});

test('rules allow the kind of what is there with any minor number, and any number for what is still to come', () => {
  const presences = assign([[declare('gps'), { nodes: [node('ttyACM0', 7, { major: 166 })] }], [declare('disk', { type: 'b' }), { nodes: [] }]], false);
  assert.deepEqual(deviceRules([lease('gps'), lease('gps'), lease('disk', { access: 'r' })], presences), [
    { type: 'c', major: 166, access: 'rw' },
    { type: 'b', access: 'r' },
  ]);
});

test('what came and went is told once', () => {
  const gps = declare('gps');
  const look = (...nodes: DeviceNode[]): Parameters<typeof compare>[0] => [{ declaration: gps, nodes }];
  assert.deepEqual(compare(look(node('a', 1)), look(node('b', 2))).map(({ type, message }) => `${type} ${message}`), [
    'device.left the device gps (a, c 188:1) is gone',
    'device.arrived the device gps (b, c 188:2) is there',
  ]);
  assert.deepEqual(compare(look(node('a', 1)), look(node('a', 1))), []);
});
