import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundOf } from './bound.ts';
import { defaultRights } from './default-rights.ts';

test('the bound of an authority is what its file says', () => {
  const authorities = [{ name: 'acme', rights: { 'memory': '1GiB', 'bus-names': [{ name: 'org.example.Clock' }] } }, { name: 'free' }];
  assert.deepEqual(boundOf('acme', authorities), { memory: 2 ** 30, busNames: [{ name: 'org.example.Clock', access: 'talk' }] });
  assert.equal(boundOf('free', authorities), undefined);
  assert.equal(boundOf(undefined, authorities), undefined);
});

test('apps of an authority whose file is gone keep the default rights only', () => {
  assert.deepEqual(boundOf('gone', []), defaultRights);
});

test('rights that are none are told with authority and key', () => {
  assert.throws(() => boundOf('acme', [{ name: 'acme', rights: { memroy: 5 } }]), { code: 'usage', message: 'authority acme: rights: memroy: not a key that Berth knows' });
});
