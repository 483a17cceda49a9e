import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultRights } from './default-rights.ts';
import { entitle } from './entitlement.ts';
import type { PolicyRule, Rights } from './rights.ts';

function rule(origin: string, apps: readonly string[], rights: Rights, more: Partial<PolicyRule> = {}): PolicyRule {
  return { origin, apps, rights, degrade: false, onlyUnsigned: false, ...more };
}

const subject = { app: 'sensor-hub', signed: true, bound: undefined };

test('an app that no rule names has the default rights', () => {
  const { rights, degrade, origin } = entitle({ rules: [rule('a.yaml', ['sensor'], { memory: 1 })], allowUnsigned: false }, subject);
  assert.deepEqual({ rights, degrade }, { rights: defaultRights, degrade: false });
  assert.match(origin, /default rights.*sensor-hub/);
});

test('the first rule that names an app counts, with the default rights where it says nothing', () => {
  const rules = [rule('a.yaml', ['web', 'sensor-*'], { memory: 5, rlimits: { RLIMIT_MEMLOCK: 7 } }, { degrade: ['hooks'] }), rule('b.yaml', ['sensor-hub'], { memory: 6 })];
  const { rights, degrade, origin } = entitle({ rules, allowUnsigned: false }, subject);
  assert.deepEqual(rights, { ...defaultRights, memory: 5, rlimits: { ...defaultRights.rlimits, RLIMIT_MEMLOCK: 7 } });
  assert.deepEqual({ degrade, origin }, { degrade: ['hooks'], origin: 'a.yaml' });
});

test('a rule for unsigned packages counts only for those, and only where the device takes them', () => {
  const rules = [rule('mbl.yaml', ['*'], { memory: 5 }, { onlyUnsigned: true })];
  const memory = (allowUnsigned: boolean, signed: boolean): number => entitle({ rules, allowUnsigned }, { ...subject, signed }).rights.memory;
  assert.deepEqual([memory(true, false), memory(true, true), memory(false, false)], [5, defaultRights.memory, defaultRights.memory]);
});

test('the bound of an authority cuts the rights of a rule, and never adds to them', () => {
  const rules = [rule('a.yaml', ['*'], { memory: 2 ** 30, capabilities: ['CAP_NET_RAW', 'CAP_KILL'], rlimits: { RLIMIT_NICE: 5 } })];
  const bound = { memory: 2 ** 20, pids: 1e9, capabilities: ['CAP_KILL', 'CAP_SYS_ADMIN'], rlimits: { RLIMIT_NOFILE: 10 }, devices: ['*'], swap: 5 };
  const { rights, origin } = entitle({ rules, allowUnsigned: false }, { ...subject, bound });
  assert.deepEqual(
    { memory: rights.memory, pids: rights.pids, capabilities: rights.capabilities, devices: rights.devices, swap: rights.swap, files: rights.rlimits['RLIMIT_NOFILE'], nice: rights.rlimits['RLIMIT_NICE'] },
    { memory: 2 ** 20, pids: 1024, capabilities: ['CAP_KILL'], devices: [], swap: 0, files: 10, nice: 5 },
  );
  assert.match(origin, /a\.yaml.*bound/);
});

test('that an authority is gone is told where the rights come from', () => {
  const { origin } = entitle({ rules: [rule('a.yaml', ['*'], {})], allowUnsigned: false }, { ...subject, bound: defaultRights });
  assert.match(origin, /a\.yaml, but no more than the default rights, since the file of its authority is gone/);
});

test('a bound that names destinations does not open those that are not public', () => {
  const reach = (rights: Rights): readonly string[] | undefined => entitle({ rules: [rule('a.yaml', ['*'], rights)], allowUnsigned: false }, { ...subject, bound: { outbound: ['10.0.0.0/8', '8.8.8.8'] } }).rights.outbound;
  assert.deepEqual(reach({}), ['8.8.8.8']);
  assert.deepEqual(reach({ outbound: ['10.1.0.0/16'] }), ['10.1.0.0/16']);
});
