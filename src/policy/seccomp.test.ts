import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allBut, seccompProfile } from './seccomp.ts';
import { callsByCapability, ordinaryCalls, refusedCalls } from './system-calls.ts';

/** What becomes of calls that are judged by their names alone. */
function verdicts(capabilities: readonly string[]): ReadonlyMap<string, string> {
  const rules = seccompProfile(capabilities, 'x64').syscalls.filter(({ args }) => args === undefined);
  return new Map(rules.flatMap(({ names, action }) => names.map((name) => [name, action] as const)));
}

test('what is not listed is unknown to an app', () => {
  const { defaultAction, defaultErrnoRet, architectures } = seccompProfile([], 'arm64');
  assert.deepEqual({ defaultAction, defaultErrnoRet, architectures }, { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38, architectures: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'] });
});

test('each call is in one table only, and each name is judged once', () => {
  const guarded = new Set(Object.values(callsByCapability).flat());
  const tables = [...ordinaryCalls, ...refusedCalls, ...guarded];
  assert.deepEqual(tables.filter((call, index) => tables.indexOf(call) !== index), []);
  for (const capabilities of [[], Object.keys(callsByCapability)]) {
    const names = seccompProfile(capabilities).syscalls.filter(({ args }) => args === undefined).flatMap((rule) => rule.names);
    assert.deepEqual(names.filter((call, index) => names.indexOf(call) !== index), []);
  }
});

test('a capability opens the calls that it is about; what stands under two is opened by either', () => {
  const before = verdicts([]);
  const after = verdicts(['CAP_PERFMON']);
  const changed = [...before.keys()].filter((name) => before.get(name) !== after.get(name));
  assert.deepEqual(changed.toSorted(), ['bpf', 'perf_event_open']);
  assert.equal(verdicts(['CAP_BPF']).get('bpf'), 'SCMP_ACT_ALLOW');
  assert.equal(verdicts(['CAP_SYS_ADMIN']).get('keyctl'), 'SCMP_ACT_ERRNO');
});

for (const excluded of [[0x5412, 0x541c], [0], [0xffff_ffff], [1, 2, 10, 16], []]) {
  test(`all numbers but ${excluded.join(', ') || 'none'} match one pattern, and these match none`, () => {
    const patterns = allBut(excluded);
    const matches = (value: number): number => patterns.filter(({ mask, bits }) => ((value & mask) >>> 0) === bits).length;
    for (const value of excluded) assert.equal(matches(value), 0, String(value));
    const others = [0, 1, 3, 0x5401, 0x5411, 0x5413, 0x541d, 0x7fff_ffff, 0x8000_0000, 0x8000_5412, 0xffff_fffe, 0xffff_ffff].filter((value) => !excluded.includes(value));
    for (const value of others) assert.equal(matches(value), 1, String(value));
  });
}
