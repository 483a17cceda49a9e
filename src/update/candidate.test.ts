import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseControl, type PackageReport, type PayloadPackage } from '../image/index.ts';
import type { BerthError, ErrorCode } from '../lib/errors.ts';
import { defaultRights } from '../policy/index.ts';
import { candidateOf, describeApp, judge, type Candidate, type Device, type Reception } from './candidate.ts';
import { fakeCandidate, fakeImage } from './fixtures.ts';

const { digest } = fakeImage('a');

const namespaces = ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type }));
const oci = { root: { path: 'rootfs' }, linux: { namespaces }, process: { args: ['/bin/a'], cwd: '/' }, annotations: { 'org.berth.restart': 'always' } };
const config = JSON.stringify(oci);

const entitlement = { rights: defaultRights, degrade: false, origin: 'a.yaml' };
const reception: Reception = { architectures: ['amd64'], rule: () => ({ entitlement, declared: [] }), now: 0 };

function unpacked(change: Partial<PackageReport> = {}, architecture = 'all'): PayloadPackage {
  const control = parseControl(Buffer.from(`Package: a\nVersion: 1.0\nArchitecture: ${architecture}\nDepends: b (>= 2)\nDescription: an app\n`));
  return {
    directory: '/staging/0',
    name: '',
    report: {
      digest, control, manifestGiven: false, packageBytes: 500, unpackedBytes: 1000, entries: 10, files: 5, compression: 'gz',
      warnings: ['odd'], scripts: [], config, hasRootfs: true, ...change,
    },
  };
}

function refused(code: ErrorCode, pattern: RegExp, act: () => void): void {
  assert.throws(act, (error: BerthError) => {
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  });
}

test('an unpacked package becomes an image row with settings, warnings and where it lies', () => {
  const { image, settings, warnings, staged } = candidateOf(unpacked(), { ...reception, now: 77 });
  assert.deepEqual(image, { digest, package: 'a', version: '1.0', architecture: 'all', depends: 'b (>= 2)', description: 'an app', bytes: 1000, entries: 10, signed: false, signers: [], addedAt: 77 });
  assert.deepEqual([settings.restart, warnings, staged], ['always', ['odd'], '/staging/0']);
});

test('a package that was only read lies nowhere', () => {
  assert.equal('staged' in candidateOf({ ...unpacked(), directory: undefined }, reception), false);
});

test('a foreign architecture is refused with what this device takes', () => {
  refused('architecture', /a is for pdp11; this device takes amd64, arm64 and all/, () => candidateOf(unpacked({}, 'pdp11'), { ...reception, architectures: ['amd64', 'arm64'] }));
});

test('a package without a bundle, or with one that is no config, is refused', () => {
  const { config: _, ...withoutConfig } = unpacked().report;
  refused('bad_package', /a holds no OCI bundle: config\.json is missing/, () => candidateOf({ ...unpacked(), report: withoutConfig }, reception));
  refused('bad_package', /rootfs\/ is missing/, () => candidateOf(unpacked({ hasRootfs: false }), reception));
  refused('bad_package', /config\.json/, () => candidateOf(unpacked({ config: '"process": {}}' }), reception));
});

test('a package that asks for what it is not granted is refused with every such field, or told where the policy degrades', () => {
  const asking = unpacked({ config: JSON.stringify({ ...oci, hooks: { poststart: [{ path: '/bin/sh' }] }, linux: { namespaces, personality: { domain: 'LINUX32' } } }) });
  refused('denied', /^a asks .*: linux\.personality: .*; hooks\.poststart: .*root.*a\.yaml/, () => candidateOf(asking, reception));
  const { degraded } = candidateOf(asking, { ...reception, rule: () => ({ entitlement: { ...entitlement, degrade: true }, declared: [] }) });
  assert.deepEqual(degraded.map(({ path, verdict }) => [path, verdict]), [['linux.personality', 'degraded'], ['hooks.poststart', 'degraded']]);
});

const strict = { allowDowngrade: false, allowMix: false, wayBack: false };

function device(installed: readonly Candidate[] = [], change: Partial<Device> = {}): Device {
  return { architectures: [], platform: [], apps: installed.map(({ image, settings }) => describeApp(image, settings)), floors: new Map(), ownership: { owners: new Map(), authorities: [] }, recalls: new Map(), ...change };
}

test('what a payload needs may be on the device, declared by its platform, or in the payload itself', () => {
  const payload = [fakeCandidate(fakeImage('a', '1.0', { depends: 'b (>= 2), c, gps' })), fakeCandidate(fakeImage('b', '2.0'))];
  judge(payload, device([fakeCandidate(fakeImage('c'))], { platform: [{ name: 'gps' }] }), strict);
  refused('dependency', /a needs .*c; gps/, () => { judge(payload, device(), strict); });
});

test('what counts is the version afterwards, not the one before', () => {
  const needsOld = fakeCandidate(fakeImage('a', '1.0', { depends: 'b (<< 2)' }));
  refused('dependency', /b \(<< 2\)/, () => { judge([needsOld, fakeCandidate(fakeImage('b', '2.0'))], device([fakeCandidate(fakeImage('b'))]), strict); });
});

test('an app that is not in the payload keeps what it needs', () => {
  const client = fakeCandidate(fakeImage('client', '1.0', { depends: 'b (<< 2)' }));
  refused('dependency', /client needs b \(<< 2\)/, () => { judge([fakeCandidate(fakeImage('b', '2.0'))], device([client, fakeCandidate(fakeImage('b'))]), strict); });
});

test('a version below the floor is refused unless that is allowed', () => {
  const floors = new Map([['a', '2.0']]);
  refused('downgrade', /a 1\.0 is older than 2\.0/, () => { judge([fakeCandidate(fakeImage('a'))], device([], { floors }), strict); });
  judge([fakeCandidate(fakeImage('a'))], device([], { floors }), { ...strict, allowDowngrade: true });
});

test('two packages of one name are refused', () => {
  refused('bad_package', /two packages of the name a/, () => { judge([fakeCandidate(fakeImage('a')), fakeCandidate(fakeImage('a', '2.0'))], device(), strict); });
});

test('a cycle that the payload closes is refused and shown; one among others is not its fault', () => {
  const chicken = fakeCandidate(fakeImage('chicken', '1.0', { depends: 'egg' }));
  const egg = fakeCandidate(fakeImage('egg'), { 'start-after': 'chicken' });
  refused('dependency', /chicken → egg → chicken|egg → chicken → egg/, () => { judge([egg], device([chicken, fakeCandidate(fakeImage('egg', '0.9'))]), strict); });
  judge([fakeCandidate(fakeImage('a'))], device([chicken, egg]), strict);
});

test('an import needs an export on the other side, and the other side in Depends', () => {
  const broker = fakeCandidate(fakeImage('broker'), { exports: 'mqtt' });
  const consents = { imports: 'broker/mqtt' };
  judge([fakeCandidate(fakeImage('a', '1.0', { depends: 'broker' }), consents)], device([broker]), strict);
  refused('bad_package', /a imports broker\/mqtt but does not name broker in Depends/, () => { judge([fakeCandidate(fakeImage('a'), consents)], device([broker]), strict); });
  refused('dependency', /does not export/, () => { judge([fakeCandidate(fakeImage('a', '1.0', { depends: 'broker' }), consents)], device([fakeCandidate(fakeImage('broker'))]), strict); });
});

test('a port of the device is published by one app', () => {
  const publishes = (name: string, ports: string): Candidate => fakeCandidate(fakeImage(name), { network: 'bridge', 'network.ports': ports });
  const installed = device([publishes('web', '80:8080,53:53/udp')]);
  judge([publishes('dns', '53:53/tcp')], installed, strict);
  judge([publishes('web', '80:80')], installed, strict);
  refused('conflict', /shop publishes port 80\/tcp of this device, as web does/, () => { judge([publishes('shop', '80:3000')], installed, strict); });
  refused('conflict', /port 443\/tcp/, () => { judge([publishes('a', '443'), publishes('b', '443')], device(), strict); });
});
