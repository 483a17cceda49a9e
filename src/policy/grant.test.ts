import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../image/index.ts';
import { BerthError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { defaultRights } from './default-rights.ts';
import { grant } from './grant.ts';
import type { Grant } from './types.ts';

type Config = {
  process: { args: string[]; env: string[]; user: object; capabilities: Record<string, string[]>; noNewPrivileges: boolean; rlimits: { type: string; hard: number }[]; oomScoreAdj: number };
  root: object;
  mounts: { destination: string; type: string; source: string; options: string[] }[];
  linux: { namespaces: { type: string; path?: string }[]; resources: { memory: { limit: number }; pids: { limit: number }; devices: object[] }; [key: string]: unknown };
};

const namespaces = ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type }));

function ask(changes: Record<string, Json> = {}): Grant {
  const { linux, ...others } = changes;
  const request = { ociVersion: '1.0.2', process: { args: ['/bin/true'], cwd: '/' }, root: { path: 'rootfs' }, linux: { namespaces, ...(linux as object) }, ...others };
  return grant(request, {
    app: 'demo',
    declared: [],
    entitlement: { rights: defaultRights, degrade: true, origin: 'here' },
    settings: parseSettings({}),
    rootfs: '/images/1/bundle/rootfs',
    cgroupPath: '/berth/demo/app',
    idBase: 1_000_000,
    dataPaths: new Map([['/data', '/store/data/demo/1/data']]),
    exportPaths: new Map([['web', '/run/berth/exchange/demo/web']]),
    importPaths: new Map([['broker/mqtt', '/run/berth/exchange/broker/mqtt']]),
    busPath: '/run/berth/apps/demo',
  });
}

function config(changes: Record<string, Json> = {}): Config {
  return ask(changes).config as unknown as Config;
}

function beyond(changes: Record<string, Json>): string[] {
  return ask(changes).decisions.filter(({ verdict }) => verdict !== 'granted').map(({ path }) => path);
}

test('the profile of every app holds for a config that asks for nothing', () => {
  const granted = config();
  assert.deepEqual(granted.linux.namespaces.map(({ type }) => type), ['pid', 'mount', 'ipc', 'uts', 'network', 'cgroup', 'user']);
  for (const mappings of ['uidMappings', 'gidMappings']) assert.deepEqual(granted.linux[mappings], [{ containerID: 0, hostID: 1_000_000, size: 65_536 }]);
  assert.equal(granted.process.noNewPrivileges, true);
  assert.deepEqual(granted.root, { path: '/images/1/bundle/rootfs', readonly: true });
  assert.deepEqual(granted.process.capabilities, { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] });
  assert.equal(granted.linux.resources.memory.limit, 256 * 1024 * 1024);
  assert.equal(granted.linux.resources.pids.limit, 256);
  assert.deepEqual(granted.linux.resources.devices, [{ allow: false, access: 'rwm' }]);
  assert.deepEqual(beyond({}), []);
});

test('what is not granted is told by its JSON path and does not reach the config', () => {
  const changes: Record<string, Json> = {
    hooks: { prestart: [{ path: '/bin/sh' }] },
    mounts: [{ destination: '/host', type: 'bind', source: '/', options: ['rbind'] }],
    linux: {
      namespaces: [...namespaces.slice(0, 4), { type: 'network', path: '/proc/1/ns/net' }, { type: 'time' }],
      uidMappings: [{ containerID: 0, hostID: 0, size: 1 }],
      seccomp: { defaultAction: 'SCMP_ACT_LOG' },
      resources: { devices: [{ allow: true, access: 'rwm' }], hugepageLimits: [{ pageSize: '2MB', limit: 1 }], rdma: {} },
    },
  };
  assert.deepEqual(beyond(changes).toSorted(), [
    'hooks.prestart', 'linux.namespaces[4].path', 'linux.namespaces[5].type', 'linux.resources.devices[0]', 'linux.resources.hugepageLimits',
    'linux.seccomp', 'linux.uidMappings', 'mounts[0]',
  ]);
  const text = JSON.stringify(config(changes));
  for (const forbidden of ['prestart', '/host', '/proc/1/ns', '"hostID":0', 'SCMP_ACT_LOG']) assert.equal(text.includes(forbidden), false, forbidden);
});

test('of each set of capabilities an app gets what it asks for and has the right to', () => {
  const some = ['CAP_KILL', 'CAP_SYS_ADMIN', 'CAP_KILL'];
  const process = { args: ['/x'], capabilities: { bounding: some, permitted: some, effective: [...some, 'CAP_CHOWN'], inheritable: some, ambient: ['CAP_SYS_ADMIN', 'CAP_KILL', 'CAP_CHOWN'] } };
  const kill = ['CAP_KILL'];
  assert.deepEqual(config({ process }).process.capabilities, { bounding: kill, effective: kill, permitted: kill, inheritable: kill, ambient: kill });
  assert.deepEqual(beyond({ process }), ['bounding[1]', 'permitted[1]', 'effective[1]', 'inheritable[1]', 'ambient[0]'].map((path) => `process.capabilities.${path}`));
});

test('limits that are asked for are kept within their bounds', () => {
  const linux = { resources: { memory: { limit: 64 * 1024 * 1024, swap: -1 }, pids: { limit: 1_000_000 }, cpu: { quota: 50_000 } } };
  const { resources } = config({ linux }).linux;
  assert.equal(resources.memory.limit, 64 * 1024 * 1024);
  assert.equal(resources.pids.limit, 1024);
  assert.deepEqual((resources as unknown as { cpu: object }).cpu, { shares: 1024, quota: 50_000, period: 100_000 });
  assert.deepEqual(beyond({ linux }), ['linux.resources.memory.swap', 'linux.resources.pids.limit']);
});

test('a resource limit of the process above its ceiling is cut to it', () => {
  const process = { args: ['/x'], rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 4096 }, { type: 'RLIMIT_MEMLOCK', soft: 1, hard: 1 }, { type: 'RLIMIT_NPROC', soft: 1, hard: 100_000 }] };
  assert.deepEqual(config({ process }).process.rlimits.map(({ type }) => type), ['RLIMIT_NOFILE', 'RLIMIT_MEMLOCK', 'RLIMIT_NPROC', 'RLIMIT_CORE', 'RLIMIT_MSGQUEUE', 'RLIMIT_NICE', 'RLIMIT_RTPRIO', 'RLIMIT_SIGPENDING']);
  assert.equal(config({ process }).process.rlimits[2]!.hard, 4096);
  assert.deepEqual(beyond({ process }), ['process.rlimits[2].hard']);
});

test('a tmpfs is granted with a bounded size, and nowhere below the kernel interfaces', () => {
  const mounts = [
    { destination: '/var/tmp', type: 'tmpfs', source: 'tmpfs', options: ['size=1m', 'exec', 'suid', 'relatime'] },
    { destination: '/big', type: 'tmpfs', options: ['size=1g'] },
    { destination: '/proc/x', type: 'tmpfs' },
    { destination: '/a/../../b', type: 'tmpfs' },
    { destination: '/x', type: 'tmpfs', options: ['size=90%'] },
    { destination: '/proc', type: 'proc' },
  ];
  const granted = config({ mounts }).mounts.filter((mount) => mount.destination.startsWith('/var'));
  assert.deepEqual(granted, [{ destination: '/var/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'mode=755', 'size=1048576'] }]);
  assert.deepEqual(beyond({ mounts }), ['mounts[0].options[1]', 'mounts[0].options[2]', 'mounts[1]', 'mounts[2]', 'mounts[3]', 'mounts[4]']);
});

for (const [what, mount] of [
  ['a slash at its end', { destination: '/a/' }],
  ['a zero byte', { destination: '/a\0' }],
  ['a name that no file system takes', { destination: `/${'a'.repeat(300)}` }],
  ['no limit of its size', { destination: '/a', options: ['size=0'] }],
] as const) {
  test(`a tmpfs with ${what} is not granted`, () => {
    assert.deepEqual(beyond({ mounts: [{ type: 'tmpfs', source: 'tmpfs', ...mount }] }), ['mounts[0]']);
  });
}

test('of very many mounts the first are looked at', () => {
  const mounts = Array.from({ length: 70 }, (_, index) => ({ type: 'tmpfs', source: 'tmpfs', destination: `/t${index}` }));
  assert.deepEqual(beyond({ mounts }), ['mounts[64]', 'mounts[65]', 'mounts[66]', 'mounts[67]', 'mounts[68]', 'mounts[69]']);
});

test('resource limits with names of JavaScript are unknown ones', () => {
  assert.deepEqual(beyond({ process: { args: ['/x'], rlimits: [{ type: 'constructor', soft: 1, hard: 1 }] } }), ['process.rlimits[0]']);
});

test('data, exports and imports are mounted from where the context says', () => {
  const mounts = config().mounts.filter((mount) => mount.type === 'bind');
  assert.deepEqual(mounts.map(({ source, destination }) => [source, destination]), [
    ['/store/data/demo/1/data', '/data'],
    ['/run/berth/exchange/demo/web', '/run/exports/web'],
    ['/run/berth/exchange/broker/mqtt', '/run/imports/broker/mqtt'],
    ['/run/berth/apps/demo', '/run/berth'],
  ]);
  assert.equal(mounts[2]!.options.includes('ro'), true);
});

test('the update bus is seen read-only, in front of whatever the app mounts there, and its address is in the environment', () => {
  const mounts = [{ destination: '/run/berth', type: 'tmpfs' }];
  const granted = config({ mounts });
  assert.deepEqual(granted.mounts.at(-1), { destination: '/run/berth', type: 'bind', source: '/run/berth/apps/demo', options: ['bind', 'nosuid', 'nodev', 'ro', 'noexec'] });
  assert.equal(granted.process.env.includes('BERTH_BUS_ADDRESS=unix:path=/run/berth/bus'), true);
  const own = config({ process: { args: ['/x'], env: ['BERTH_BUS_ADDRESS=unix:path=/elsewhere', 'PATH=/x'] } });
  assert.deepEqual(own.process.env, ['BERTH_BUS_ADDRESS=unix:path=/elsewhere', 'PATH=/x']);
});

for (const [what, changes, path] of [
  ['no process', { process: null }, 'process is missing'],
  ['no arguments', { process: { args: [] } }, 'process.args'],
  ['arguments that are no strings', { process: { args: [1] } }, 'process.args'],
  ['a root elsewhere', { root: { path: '../..' } }, 'root.path'],
  ['a negative user', { process: { args: ['/x'], user: { uid: -1 } } }, 'process.user.uid'],
  ['a host name that is none', { hostname: 'a b' }, 'hostname'],
  ['a relative working directory', { process: { args: ['/x'], cwd: 'x' } }, 'process.cwd'],
  ['mounts that are no array', { mounts: 'x' }, 'mounts'],
  ['a zero byte in its arguments', { process: { args: ['/x', 'a\0b'] } }, 'process.args'],
  ['a zero byte in its environment', { process: { args: ['/x'], env: ['A=\0'] } }, 'process.env'],
  ['a zero byte in its working directory', { process: { args: ['/x'], cwd: '/\0' } }, 'process.cwd'],
  ['an environment without a value', { process: { args: ['/x'], env: ['A=1', 'B'] } }, 'process.env[1]'],
  ['a user that no runtime takes', { process: { args: ['/x'], user: { uid: 4_294_967_294 } } }, 'process.user.uid'],
  ['a negative group', { process: { args: ['/x'], user: { additionalGids: [1, -5] } } }, 'process.user.additionalGids'],
  ['a umask that is none', { process: { args: ['/x'], user: { umask: 0o1000 } } }, 'process.user.umask'],
  ['a soft limit above the hard one', { process: { args: ['/x'], rlimits: [{ type: 'RLIMIT_NOFILE', soft: 2, hard: 1 }] } }, 'process.rlimits[0].soft'],
  ['hardly any processor time', { linux: { resources: { cpu: { quota: 1 } } } }, 'linux.resources.cpu.quota'],
  ['too long a period', { linux: { resources: { cpu: { quota: 5000, period: 2_000_000 } } } }, 'linux.resources.cpu.period'],
] as const) {
  test(`a config with ${what} is refused by its path`, () => {
    assert.throws(() => ask(changes), (error: BerthError) => error.code === 'bad_package' && error.message.includes(path));
  });
}

test('apps are killed before the device\'s own programs when it runs out of memory, and may offer to be the first', () => {
  assert.equal(config().process.oomScoreAdj, 200);
  assert.deepEqual([0, 100, 700].map((oomScoreAdj) => config({ process: { args: ['/x'], oomScoreAdj } }).process.oomScoreAdj), [200, 200, 700]);
});
