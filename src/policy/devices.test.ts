import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { Decisions } from './decisions.ts';
import { grantDevices } from './devices.ts';
import { Request } from './request.ts';
import type { DeclaredDevice, DeviceGrant } from './rights.ts';

const declared: readonly DeclaredDevice[] = [
  { name: 'gps', platform: false, path: '/dev/serial/by-id/usb-gps' },
  { name: 'console-port', platform: true, path: '/dev/ttyS0' },
  { name: 'relay', platform: false, path: '/dev/ttyS1' },
  { name: 'adapters', platform: false, match: 'ttyUSB*' },
  { name: 'slip', platform: true, fault: 'x.yaml: …', path: '/dev/ttyS7' },
];

function ask(nodes: readonly Json[], options: { rules?: readonly Json[]; devices?: readonly string[] } = {}): { grants: readonly DeviceGrant[]; refused: readonly string[]; why: string } {
  const decide = new Decisions();
  const requests = (path: string, values: readonly Json[]): readonly Request[] => values.map((value, index) => new Request(value, `${path}[${index}]`));
  const asked = { nodes: requests('linux.devices', nodes), rules: requests('linux.resources.devices', options.rules ?? []) };
  const grants = grantDevices(asked, { devices: options.devices ?? ['*'] }, declared, decide);
  const refused = decide.all.filter(({ verdict }) => verdict === 'refused');
  return { grants, refused: refused.map(({ path }) => path), why: refused.map(({ why }) => why).join('\n') };
}

test('a device is asked for by the operator\'s name, by its path on the host, or by the kernel\'s name in a class', () => {
  const { grants, refused } = ask([{ path: '/dev/gps' }, { path: '/dev/ttyS1' }, { path: '/dev/ttyUSB3' }]);
  assert.deepEqual(grants, [
    { device: 'gps', path: '/dev/gps', access: 'rw' },
    { device: 'relay', path: '/dev/ttyS1', access: 'rw' },
    { device: 'adapters', node: 'ttyUSB3', path: '/dev/ttyUSB3', access: 'rw' },
  ]);
  assert.deepEqual(refused, []);
  assert.deepEqual(ask([{ path: '/dev/adapters' }]).grants, [{ device: 'adapters', path: '/dev/adapters', access: 'rw' }]);
});

test('numbers in the request do not make it another device', () => {
  // 1:1 is /dev/mem.
  const { grants } = ask([{ path: '/dev/gps', type: 'c', major: 1, minor: 1, fileMode: 438, uid: 0, gid: 0 }]);
  assert.deepEqual(grants, [{ device: 'gps', path: '/dev/gps', access: 'rw' }]);
  assert.deepEqual(ask([{ path: '/dev/mem', type: 'c', major: 1, minor: 1 }]).refused, ['linux.devices[0]']);
});

test('access is what the rules ask for, by the numbers of the request', () => {
  const node = { path: '/dev/gps', type: 'c', major: 188, minor: 0 };
  for (const [access, granted] of [['r', 'r'], ['rm', 'r'], ['w', 'w'], ['rwm', 'rw']] as const) {
    const { grants, refused } = ask([node], { rules: [{ allow: false, access: 'rwm' }, { allow: true, type: 'c', major: 188, minor: 0, access }] });
    assert.deepEqual([grants[0]?.access, refused], [granted, []]);
  }
});

test('no rule gives a device by its number', () => {
  for (const rule of [
    { allow: true, access: 'rwm' },
    { allow: true, type: 'a', access: 'rwm' },
    { allow: true, type: 'c', access: 'rwm' },
    { allow: true, type: 'b', major: 8, minor: 0, access: 'r' },
    { allow: true, type: 'c', major: -1, minor: -1, access: 'r' },
  ]) assert.deepEqual(ask([{ path: '/dev/gps' }], { rules: [rule] }).refused, ['linux.resources.devices[0]']);
});

test('a device of the platform\'s own is refused, whatever the rights say', () => {
  for (const path of ['/dev/console-port', '/dev/ttyS0']) assert.match(ask([{ path }]).why, /platform's own/);
});

test('a device with a broken declaration is refused, and the reason says so', () => {
  assert.match(ask([{ path: '/dev/slip' }]).why, /declaration of the device slip is broken/);
});

test('a device that the rights do not name is refused', () => {
  const { grants, refused, why } = ask([{ path: '/dev/gps' }, { path: '/dev/relay' }], { devices: ['g*'] });
  assert.deepEqual([grants.length, refused], [1, ['linux.devices[1]']]);
  assert.match(why, /relay.*policy\.d/);
  assert.deepEqual(ask([{ path: '/dev/gps' }], { devices: [] }).refused, ['linux.devices[0]']);
});

for (const path of ['/etc/x', '/dev/../etc/gps', '/dev//gps', '/dev/', '/dev/shm/gps', '/dev/pts/0', '/dev/gps/', 'dev/gps', '', '/dev/sda', '/dev/gps\0', '/dev/ttyUSB0/ttyS1']) {
  test(`the path ${JSON.stringify(path)} is refused`, () => {
    assert.deepEqual(ask([{ path }]).refused, ['linux.devices[0]']);
  });
}

test('what every /dev has need not be asked for, and may be', () => {
  const rules = [{ allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' }];
  assert.deepEqual(ask([{ path: '/dev/null', type: 'c', major: 1, minor: 3 }, { path: '/dev/tty' }], { rules }), { grants: [], refused: [], why: '' });
});

test('two devices in one place are refused', () => {
  assert.deepEqual(ask([{ path: '/dev/gps' }, { path: '/dev/gps' }]).refused, ['linux.devices[1]']);
});

test('unknown fields and wrong types are refused by their path', () => {
  assert.deepEqual(ask([{ path: '/dev/gps', driver: 'x' }]).refused, ['linux.devices[0].driver']);
  assert.throws(() => ask([{ path: 1 }]), (error: BerthError) => error.code === 'bad_package' && error.message.includes('linux.devices[0].path'));
});
