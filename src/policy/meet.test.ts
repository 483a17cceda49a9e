import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coversDestination, parseDestination, parsePortRange } from '../lib/network.ts';
import { matches } from '../lib/pattern.ts';
import { meet } from './meet.ts';
import type { BusNameRight, HostPathRight, Rights } from './rights.ts';

const cases = 500;

interface Random {
  below(below: number): number;
  once(n: number): boolean;
  pick<T>(from: readonly T[]): T;
}

/** The same numbers for the same seed and case. */
function randomFrom(seed: number, number: number): Random {
  let state = seed * 7919 + number;
  const below = (bound: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % bound;
  };
  return { below, once: (n) => below(n) === 0, pick: (from) => from[below(from.length)]! };
}

const pools = {
  capabilities: ['CAP_KILL', 'CAP_CHOWN', 'CAP_NET_RAW', 'CAP_SYS_ADMIN'],
  networks: ['none', 'bridge', 'host'],
  ports: ['80/tcp', '80/udp', '1-1024/tcp', '1000-2000/tcp', '443/tcp', '2000/tcp'],
  outbound: ['*', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.3:53/udp', '192.0.2.0/24:443/tcp', '[2001:db8::]/32', '[2001:db8:1::]/48:443'],
  devices: ['*', 'tty-*', 'tty-gps', 'tty-g*', '*-gps', 'camera'],
  sysctls: ['net.*', 'net.ipv4.*', 'net.ipv4.ip_forward', 'kernel.sem'],
} as const;
const hostPaths = ['/', '/srv', '/srv/media', '/srv-other', '/etc'];
const busNames = ['org.example.*', 'org.example.Clock', 'org.freedesktop.*', '*'];
const figures = ['memory', 'swap', 'pids', 'cpuShares', 'cpus', 'tmpfs', 'data'] as const;

function some<T>(random: Random, pool: readonly T[]): readonly T[] {
  return pool.filter(() => random.once(2));
}

function anyRights(random: Random): Rights {
  const fields: [string, unknown][] = [
    ...figures.map((name): [string, unknown] => [name, random.below(5)]),
    ...Object.entries(pools).map(([name, pool]): [string, unknown] => [name, some<string>(random, pool)]),
    ['hostPaths', some(random, hostPaths).map((path) => ({ path, access: random.pick(['read', 'write']) }))],
    ['busNames', some(random, busNames).map((name) => ({ name, access: random.pick(['talk', 'own']) }))],
    ['rlimits', Object.fromEntries(some(random, ['RLIMIT_CORE', 'RLIMIT_NOFILE', 'RLIMIT_AS']).map((name) => [name, random.below(5)]))],
    ['blockIo', Object.fromEntries(some(random, ['weight', 'readBytes']).map((name) => [name, random.below(5)]))],
    ['bandwidth', Object.fromEntries(some(random, ['in', 'out']).map((name) => [name, random.below(5)]))],
  ];
  return Object.fromEntries(fields.filter(() => !random.once(4))) as Rights;
}

/** True if nothing is in `less` that is not in `more`; without `meet`. */
function within(less: Rights, more: Rights): boolean {
  const few = (a: number | undefined, b: number | undefined): boolean => b === undefined || (a !== undefined && a <= b);
  const records = (a: object | undefined, b: object | undefined): boolean =>
    Object.entries(b ?? {}).every(([name, value]) => few((a as Record<string, number> | undefined)?.[name], value as number));
  const list = <T>(a: readonly T[] | undefined, b: readonly T[] | undefined, covers: (wide: T, narrow: T) => boolean): boolean =>
    b === undefined || (a !== undefined && a.every((narrow) => b.some((wide) => covers(wide, narrow))));
  const port = (text: string): { readonly first: number; readonly last: number; readonly protocol: string } => parsePortRange(text, 'x');
  const path = (wide: HostPathRight, narrow: HostPathRight): boolean =>
    (narrow.path === wide.path || narrow.path.startsWith(wide.path === '/' ? '/' : `${wide.path}/`)) && (wide.access === 'write' || narrow.access === 'read');
  const bus = (wide: BusNameRight, narrow: BusNameRight): boolean => wide.access === narrow.access && matches(wide.name, narrow.name);
  const plain = (texts: readonly string[] | undefined) => texts?.flatMap((text) => parseDestination(text, 'x'));
  return (
    figures.every((name) => few(less[name], more[name])) &&
    (['rlimits', 'blockIo', 'bandwidth'] as const).every((name) => records(less[name], more[name])) &&
    list(less.capabilities, more.capabilities, (a, b) => a === b) &&
    list(less.networks, more.networks, (a, b) => a === b) &&
    list(less.ports, more.ports, (a, b) => port(a).protocol === port(b).protocol && port(a).first <= port(b).first && port(b).last <= port(a).last) &&
    list(plain(less.outbound), plain(more.outbound), coversDestination) &&
    list(less.devices, more.devices, matches) &&
    list(less.sysctls, more.sysctls, matches) &&
    list(less.hostPaths, more.hostPaths, path) &&
    list(less.busNames, more.busNames, bus)
  );
}

test('what two rights have in common is never more than either, whichever comes first', () => {
  for (let number = 0; number < cases; number += 1) {
    const random = randomFrom(1, number);
    const [a, b] = [anyRights(random), anyRights(random)];
    const both = meet(a, b);
    assert.deepEqual(both, meet(b, a), `case ${number}`);
    assert.equal(within(both, a) && within(both, b), true, `case ${number}: ${JSON.stringify({ a, b, both })}`);
  }
});

test('rights have all of themselves in common, and nothing is lost with one that says nothing', () => {
  for (let number = 0; number < cases; number += 1) {
    const a = anyRights(randomFrom(2, number));
    const same = meet(a, a);
    assert.equal(within(a, same) && within(same, a), true, `case ${number}: ${JSON.stringify({ a, same })}`);
    assert.deepEqual(meet(same, same), same);
    assert.deepEqual(meet(a, {}), same);
  }
});

test('of pairs the part that both have is left', () => {
  const both = meet(
    { ports: ['1000-2000/tcp'], outbound: ['*'], hostPaths: [{ path: '/srv', access: 'write' }], devices: ['tty-*'], busNames: [{ name: 'org.example.*', access: 'talk' }] },
    { ports: ['80/tcp', '1900-3000/tcp'], outbound: ['10.0.0.0/8:443'], hostPaths: [{ path: '/srv/media', access: 'read' }, { path: '/etc', access: 'read' }], devices: ['tty-gps', '*-gps'], busNames: [{ name: 'org.example.Clock', access: 'own' }] },
  );
  assert.deepEqual(both, { ports: ['1900-2000/tcp'], outbound: ['10.0.0.0/8:443'], hostPaths: [{ path: '/srv/media', access: 'read' }], devices: ['tty-gps'], busNames: [] });
});
