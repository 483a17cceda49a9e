/** Hostile configs: each is refused at the right path or harmless, and whatever is granted keeps the app where it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsOfConfig } from '../image/index.ts';
import { BerthError } from '../lib/errors.ts';
import { idsPerApp } from '../lib/id-range.ts';
import { parseStrictJson } from '../lib/strict-json.ts';
import { defaultRights } from './default-rights.ts';
import { grant } from './grant.ts';
import { hostileConfigs } from './hostile-fixtures.ts';
import { maskedPaths, readonlyPaths } from './profile.ts';
import type { Grant } from './types.ts';

const idBase = 1_000_000;
const rootfs = '/store/images/1/bundle/rootfs';

function judge(text: string, degrade: boolean): Grant {
  return grant(parseStrictJson(text, 'config.json'), {
    app: 'demo',
    entitlement: { rights: defaultRights, degrade, origin: 'the default rights' },
    declared: [],
    settings: settingsOfConfig(text),
    rootfs,
    cgroupPath: '/berth/demo/app',
    idBase,
    dataPaths: new Map(),
    exportPaths: new Map(),
    importPaths: new Map(),
    busPath: '/run/berth/apps/demo',
  });
}

interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

interface Config {
  readonly process: {
    readonly terminal: boolean;
    readonly noNewPrivileges: boolean;
    readonly user: { readonly uid: number; readonly gid: number };
    readonly capabilities: Readonly<Record<string, readonly string[]>>;
    readonly rlimits: readonly { readonly type: string; readonly hard: number }[];
    readonly oomScoreAdj?: number;
  };
  readonly root: unknown;
  readonly mounts: readonly Mount[];
  readonly linux: {
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
    readonly uidMappings: unknown;
    readonly gidMappings: unknown;
    readonly cgroupsPath: string;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    readonly seccomp: { readonly defaultAction: string };
    readonly resources: { readonly devices: unknown; readonly memory: { readonly limit: number; readonly swap?: number }; readonly pids: { readonly limit: number }; readonly cpu: { readonly shares: number } };
  };
}

const mappings = [{ containerID: 0, hostID: idBase, size: idsPerApp }];
const fields = {
  top: ['hostname', 'linux', 'mounts', 'ociVersion', 'process', 'root'],
  process: ['args', 'capabilities', 'cwd', 'env', 'noNewPrivileges', 'oomScoreAdj', 'rlimits', 'terminal', 'user'],
  linux: ['cgroupsPath', 'gidMappings', 'maskedPaths', 'namespaces', 'readonlyPaths', 'resources', 'seccomp', 'uidMappings'],
  resources: ['cpu', 'devices', 'memory', 'pids'],
};

/** What holds for every app, whatever it asks for. */
function requireContained(config: Config): void {
  const { process, linux } = config;
  const within = (object: object, known: readonly string[]): void => {
    assert.deepEqual(Object.keys(object).filter((name) => !known.includes(name)), []);
  };
  within(config, fields.top);
  within(process, fields.process);
  within(linux, fields.linux);
  within(linux.resources, fields.resources);
  assert.deepEqual(config.root, { path: rootfs, readonly: true });
  assert.deepEqual([process.terminal, process.noNewPrivileges], [false, true]);
  assert.equal(process.user.uid < idsPerApp && process.user.gid < idsPerApp, true);
  for (const set of Object.values(process.capabilities)) assert.deepEqual(set.filter((name) => !defaultRights.capabilities.includes(name)), []);
  for (const { type, hard } of process.rlimits) assert.equal(hard <= defaultRights.rlimits[type]!, true, type);
  assert.equal((process.oomScoreAdj ?? 0) >= 0, true);
  assert.deepEqual(linux.namespaces, ['pid', 'mount', 'ipc', 'uts', 'network', 'cgroup', 'user'].map((type) => ({ type })));
  assert.deepEqual([linux.uidMappings, linux.gidMappings, linux.cgroupsPath], [mappings, mappings, '/berth/demo/app']);
  for (const path of maskedPaths) assert.equal(linux.maskedPaths.includes(path), true, path);
  for (const path of readonlyPaths) assert.equal(linux.readonlyPaths.includes(path), true, path);
  for (const path of [...linux.maskedPaths, ...linux.readonlyPaths]) assert.match(path, /^\/(proc|sys)\//);
  assert.equal(linux.seccomp.defaultAction, 'SCMP_ACT_ERRNO');
  assert.deepEqual(linux.resources.devices, [{ allow: false, access: 'rwm' }]);
  assert.equal(linux.resources.memory.limit <= defaultRights.memory && linux.resources.memory.swap === undefined, true);
  assert.equal(linux.resources.pids.limit <= defaultRights.pids && linux.resources.cpu.shares <= defaultRights.cpuShares, true);
  requireOwnMounts(config.mounts);
}

function requireOwnMounts(mounts: readonly Mount[]): void {
  assert.equal(new Set(mounts.map(({ destination }) => destination)).size, mounts.length, 'nothing is mounted over something else');
  for (const { destination, type, source, options } of mounts) {
    if (type === 'bind') assert.equal(source, '/run/berth/apps/demo', destination);
    else assert.match(type, /^(proc|tmpfs|devpts|mqueue|sysfs)$/);
    assert.equal(options.includes('nosuid'), true, destination);
    if (type === 'tmpfs') assert.match(options.join(','), /size=[1-9]\d*/);
    if (type === 'sysfs') assert.equal(options.includes('ro'), true);
    if (destination !== '/dev') assert.equal(type === 'devpts' || options.includes('nodev'), true, destination);
    assert.equal(options.some((option) => /shared|slave|idmap|^(suid|dev)$/.test(option)), false, destination);
  }
}

test('the corpus is as large as it is said to be', () => {
  assert.equal(hostileConfigs.length >= 150, true, `${hostileConfigs.length}`);
  assert.equal(new Set(hostileConfigs.map(({ what }) => what)).size, hostileConfigs.length);
});

for (const { what, text, outcome } of hostileConfigs) {
  if (outcome !== 'harmless' && 'malformed' in outcome) {
    test(`a config with ${what} is no config`, () => {
      assert.throws(() => judge(text, true), (error: BerthError) => {
        assert.equal(error.code, 'bad_package');
        assert.equal(error.message.startsWith('config.json: ') && error.message.includes(outcome.malformed), true, error.message);
        return true;
      });
    });
  } else {
    test(`a config with ${what} ${outcome === 'harmless' ? 'does no harm' : 'is refused by its path'}`, () => {
      const { decisions, config } = judge(text, false);
      const refused = decisions.filter(({ verdict }) => verdict === 'refused');
      assert.deepEqual(refused.map(({ path }) => path), outcome === 'harmless' ? [] : outcome.refused);
      for (const { why = '' } of refused) assert.notEqual(why, '');
      requireContained(config as unknown as Config);
      // Where a rule degrades, the same is told, and no more is given.
      const tolerated = judge(text, true);
      assert.deepEqual(tolerated.decisions.filter(({ verdict }) => verdict === 'degraded').map(({ path }) => path), refused.map(({ path }) => path));
      assert.deepEqual(tolerated.config, config);
      assert.deepEqual({ ...tolerated.extras, blockIo: {} }, { network: { mode: 'none', ports: [] }, devices: [], busNames: [], volumes: [], hostPaths: [], blockIo: {} });
    });
  }
}
