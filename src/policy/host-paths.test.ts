import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBindMount } from '../image/index.ts';
import { Decisions } from './decisions.ts';
import { grantHostPath } from './host-paths.ts';
import { Request } from './request.ts';
import type { Decision, HostPathGrant, HostPathRight, PolicyRule } from './rights.ts';

const listed: readonly HostPathRight[] = [{ path: '/srv', access: 'write' }, { path: '/srv/keys', access: 'read' }, { path: '/opt/maps', access: 'read' }];

function ask(source: string, { destination = '/here', options = ['bind'], hostPaths = listed, degrade = false }: { destination?: string; options?: string[]; hostPaths?: readonly HostPathRight[]; degrade?: PolicyRule['degrade'] } = {}): { grant: HostPathGrant | undefined; decision: Decision } {
  const decide = new Decisions(degrade);
  const grant = grantHostPath(new Request({ destination, type: 'bind', source, options }, 'mounts[3]'), { hostPaths }, decide);
  assert.equal(decide.all.length, 1);
  return { grant, decision: decide.all[0]! };
}

test('a path of the operator\'s list, and what lies below it, is granted as the list says', () => {
  assert.deepEqual(ask('/srv/out').grant, { destination: '/here', source: '/srv/out', within: '/srv', access: 'write', exec: false });
  assert.deepEqual(ask('/opt/maps', { options: ['rbind', 'ro', 'exec'] }).grant, { destination: '/here', source: '/opt/maps', within: '/opt/maps', access: 'read', exec: true });
  assert.deepEqual(ask('/srv', { options: ['bind', 'ro'] }).grant?.access, 'read');
});

test('of several paths the longest decides', () => {
  assert.equal(ask('/srv/keys/a', { options: ['ro', 'bind'] }).grant?.within, '/srv/keys');
  assert.equal(ask('/srv/keys/a').decision.verdict, 'refused');
});

test('who wants to write what may be read is refused, or reads where the policy degrades', () => {
  const { decision } = ask('/opt/maps');
  assert.deepEqual([decision.path, decision.verdict], ['mounts[3]', 'refused']);
  assert.match(decision.why!, /read \/opt\/maps, not write/);
  const degraded = ask('/opt/maps', { degrade: ['mounts[*]'] });
  assert.deepEqual([degraded.decision.verdict, degraded.grant?.access], ['degraded', 'read']);
});

for (const [what, source, more] of [
  ['is not listed', '/etc/shadow', {}],
  ['only begins like one that is listed', '/srv2', {}],
  ['climbs out of one that is listed', '/srv/../etc', {}],
  ['names one that is listed in a roundabout way', '/srv//x', {}],
  ['is the whole host', '/', { hostPaths: [{ path: '/', access: 'read' as const }] }],
  ['is of the kernel', '/proc/1/root', { hostPaths: [{ path: '/', access: 'read' as const }] }],
  ['is a device', '/dev/mem', { hostPaths: [{ path: '/dev', access: 'read' as const }] }],
  ['is relative', 'srv', {}],
  ['is missing', '', {}],
  ['would cover /proc', '/srv', { destination: '/proc' }],
  ['would cover something in /sys', '/srv', { destination: '/sys/kernel' }],
  ['would cover /run', '/srv', { destination: '/run' }],
  ['goes to a place that is none', '/srv', { destination: '/a/../b' }],
] as const) {
  test(`a path that ${what} is refused by its JSON path, whatever is degraded`, () => {
    const { grant, decision } = ask(source, more);
    assert.equal(grant, undefined);
    assert.deepEqual([decision.path, decision.verdict], ['mounts[3]', 'refused']);
    assert.equal(ask(source, { ...more, degrade: true }).grant, undefined);
  });
}

test('a bind mount is known in every disguise', () => {
  for (const [type, options] of [['bind', []], ['none', ['bind']], ['', ['rbind']], ['tmpfs', ['rbind', 'size=1m']], ['proc', ['bind']]] as const) assert.equal(isBindMount(type, options), true, type);
  assert.equal(isBindMount('tmpfs', ['ro']), false);
});
