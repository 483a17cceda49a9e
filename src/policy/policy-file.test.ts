import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { BerthError } from '../lib/errors.ts';
import { openYaml } from '../lib/yaml-file.ts';
import { policyFingerprint, readPolicyRules } from './policy-file.ts';

const yaml = await openYaml();

function folder(t: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'policy-'));
  t.after(() => { rmSync(directory, { recursive: true }); });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

test('every right has a word in a policy file', (t) => {
  const directory = folder(t, {
    'all.yaml': `
apps: [broker, sensor-*]
degrade: [linux.seccomp, "mounts[*]"]
only-unsigned: true
rights:
  capabilities: [CAP_NET_RAW]
  memory: 1GiB
  swap: 64MiB
  pids: 10
  cpu-shares: 512
  cpus: 0.5
  block-io: { weight: 100, read-bytes: 1MiB, write-bytes: 2MiB, read-operations: 5, write-operations: 6 }
  rlimits: { RLIMIT_NOFILE: 1024 }
  tmpfs: 1MiB
  data: 20MiB
  networks: [none, bridge]
  ports: [8080/tcp, 9000-9010/udp]
  outbound: ["*", "10.0.0.0/8:443/tcp"]
  bandwidth: { in: 1Mbit, out: 500kbit }
  devices: [gps, "camera-*"]
  host-paths: [{ path: /srv/media }, { path: /srv/out, access: write }]
  bus-names: [{ name: org.example.Clock }, { name: "org.example.*", access: own }]
  sysctls: [net.ipv4.ip_unprivileged_port_start]
`,
  });
  assert.deepEqual(readPolicyRules(directory, yaml), [{
    origin: 'all.yaml',
    apps: ['broker', 'sensor-*'],
    degrade: ['linux.seccomp', 'mounts[*]'],
    onlyUnsigned: true,
    rights: {
      capabilities: ['CAP_NET_RAW'],
      memory: 2 ** 30,
      swap: 2 ** 26,
      pids: 10,
      cpuShares: 512,
      cpus: 0.5,
      blockIo: { weight: 100, readBytes: 2 ** 20, writeBytes: 2 ** 21, readOperations: 5, writeOperations: 6 },
      rlimits: { RLIMIT_NOFILE: 1024 },
      tmpfs: 2 ** 20,
      data: 20 * 2 ** 20,
      networks: ['none', 'bridge'],
      ports: ['8080/tcp', '9000-9010/udp'],
      outbound: ['*', '10.0.0.0/8:443/tcp'],
      bandwidth: { in: 1e6, out: 5e5 },
      devices: ['gps', 'camera-*'],
      hostPaths: [{ path: '/srv/media', access: 'read' }, { path: '/srv/out', access: 'write' }],
      busNames: [{ name: 'org.example.Clock', access: 'talk' }, { name: 'org.example.*', access: 'own' }],
      sysctls: ['net.ipv4.ip_unprivileged_port_start'],
    },
  }]);
});

test('files come in the order of their names, documents in theirs; a directory that is not there holds no rules', (t) => {
  const directory = folder(t, { '20-b.yaml': 'apps: [b]\n---\napps: [c]\n', '10-a.yaml': 'apps: [a]\n', 'notes.txt': 'none', '.hidden.yaml': '][' });
  assert.deepEqual(readPolicyRules(directory, yaml).map(({ origin, apps }) => [origin, apps[0]]), [['10-a.yaml', 'a'], ['20-b.yaml (document 1)', 'b'], ['20-b.yaml (document 2)', 'c']]);
  assert.deepEqual(readPolicyRules(join(directory, 'none'), yaml), []);
});

for (const [what, text, message] of [
  ['no YAML', 'apps: [', /bad\.yaml: /],
  ['a key twice', 'apps: [a]\napps: [b]\n', /bad\.yaml: /],
  ['an unknown key', 'apps: [a]\nright: {}\n', /bad\.yaml: right: not a key that Berth knows/],
  ['an unknown right', 'apps: [a]\nrights: { hostPaths: [] }\n', /bad\.yaml: rights\.hostPaths: not a key that Berth knows/],
  ['no apps', 'rights: {}\n', /bad\.yaml: apps: /],
  ['a capability that is none', 'apps: [a]\nrights: { capabilities: [CAP_ALL] }\n', /rights\.capabilities\.0: not a capability/],
  ['a size that is none', 'apps: [a]\nrights: { memory: much }\n', /rights\.memory: much is not a size/],
  ['a sysctl of the host', 'apps: [a]\nrights: { sysctls: [kernel.panic] }\n', /rights\.sysctls\.0: not a sysctl/],
  ['a sysctl by way of a path', 'apps: [a]\nrights: { sysctls: [net/../kernel.panic] }\n', /rights\.sysctls\.0: not a sysctl/],
  ['a tmpfs without a bound', 'apps: [a]\nrights: { tmpfs: 0 }\n', /rights\.tmpfs: less than 4096 bytes/],
  ['no bandwidth at all', 'apps: [a]\nrights: { bandwidth: { in: 0bit } }\n', /rights\.bandwidth\.in: less than 8kbit/],
  ['a relative host path', 'apps: [a]\nrights: { host-paths: [{ path: ../etc }] }\n', /rights\.host-paths\.0\.path: not a plain absolute path/],
  ['a path to degrade that is none', `apps: [a]\ndegrade: ['["\\q"]']\n`, /bad\.yaml: degrade/],
  ['a fault in its second document', 'apps: [a]\n---\napps: []\n', /bad\.yaml \(document 2\): apps: /],
] as const) {
  test(`a policy file with ${what} is told with file and key`, (t) => {
    const directory = folder(t, { 'bad.yaml': text });
    assert.throws(() => readPolicyRules(directory, yaml), (error: BerthError) => error.code === 'usage' && message.test(error.message) && error.message.includes(directory));
  });
}

test('the fingerprint of a directory changes with its files', (t) => {
  const directory = folder(t, { 'a.yaml': 'apps: [a]\n' });
  const seen = [policyFingerprint(directory)];
  assert.equal(policyFingerprint(directory), seen[0]);
  writeFileSync(join(directory, 'a.yaml'), 'apps: [ab]\n');
  seen.push(policyFingerprint(directory));
  writeFileSync(join(directory, 'b.yaml'), '');
  seen.push(policyFingerprint(directory));
  rmSync(join(directory, 'a.yaml'));
  mkdirSync(join(directory, 'sub'));
  seen.push(policyFingerprint(directory));
  assert.equal(new Set(seen).size, 4);
});
