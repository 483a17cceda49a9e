import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examineDevices } from './examine.ts';
import type { DeviceStatus } from './types.ts';

function device(name: string, more: Partial<DeviceStatus> = {}): DeviceStatus {
  return { name, description: '', place: `/dev/${name}`, sharing: 'exclusive', busy: 'wait', platform: false, nodes: [{ name, number: 'c 4:1' }], holders: [], waiting: [], ...more };
}

const outcomes = (...examined: Parameters<typeof examineDevices>): readonly string[] => examineDevices(...examined).map(({ outcome, found }) => `${outcome} ${found}`);

test('where nothing is declared there is nothing to say', () => {
  assert.deepEqual(outcomes([], []), []);
});

test('devices that are all there are well', () => {
  assert.deepEqual(outcomes([device('gps'), device('relay')], []), ['ok 2 declared, all there']);
});

test('broken declarations, devices that are not lent and devices that are not there are told', () => {
  assert.deepEqual(outcomes([device('gps', { nodes: [] }), device('alias', { nodes: [], fault: 'it is the same device as gps' }), device('?', { nodes: [], platform: true, fault: 'broken' })], ['x.yaml: devices.2: path: wrong']), [
    'failure x.yaml: devices.2: path: wrong',
    'warning alias: it is the same device as gps',
    'warning declared but not there: gps (/dev/gps)',
  ]);
});
