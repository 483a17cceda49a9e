import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../image/index.ts';
import { Decisions } from './decisions.ts';
import { defaultRate, grantNetwork } from './network.ts';
import type { NetworkGrant, Rights } from './rights.ts';

interface Judged {
  readonly grant: NetworkGrant;
  /** Verdict and reason by annotation. */
  readonly said: Readonly<Record<string, string>>;
}

function judge(annotations: Readonly<Record<string, string>>, rights: Rights): Judged {
  const { network } = parseSettings(Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`org.berth.${name}`, value])));
  const decide = new Decisions();
  const grant = grantNetwork(network, rights, decide);
  return { grant, said: Object.fromEntries(decide.all.map(({ path, verdict, why }) => [path, why === undefined ? verdict : `${verdict}: ${why}`])) };
}

const bandwidth = { in: defaultRate, out: defaultRate };

test('an app that asks for no network has none, whatever its rights are', () => {
  assert.deepEqual(judge({}, { networks: ['bridge', 'host'] }), { grant: { mode: 'none', ports: [] }, said: {} });
});

for (const mode of ['bridge', 'host'] as const) {
  test(`a network of kind ${mode} is refused without the right to it`, () => {
    const { grant, said } = judge({ network: mode }, { networks: [] });
    assert.deepEqual(grant, { mode: 'none', ports: [] });
    assert.match(said['annotations["org.berth.network"]']!, new RegExp(`^refused: .*kind ${mode} .*rights: networks`));
  });
}

test('a bridge comes with the public internet, the default rate and no ports', () => {
  assert.deepEqual(judge({ network: 'bridge' }, { networks: ['bridge'] }).grant, { mode: 'bridge', ports: [], bandwidth });
});

test('ports are published as far as the rights have them, by number and protocol', () => {
  const rights: Rights = { networks: ['bridge'], ports: ['8000-8099/tcp', '53/udp'] };
  assert.equal(judge({ network: 'bridge', 'network.ports': '8080:80,53:53/udp' }, rights).said['annotations["org.berth.network.ports"]'], 'granted');
  const { grant, said } = judge({ network: 'bridge', 'network.ports': '8080:80,53:53/tcp' }, rights);
  assert.deepEqual(grant.ports, [{ hostPort: 8080, appPort: 80, protocol: 'tcp' }]);
  assert.match(said['annotations["org.berth.network.ports"]']!, /^refused: .*publish 53\/tcp/);
});

test('an app that names no destinations gets those of its rights', () => {
  assert.deepEqual(judge({ network: 'bridge' }, { networks: ['bridge'], outbound: ['10.0.0.0/8', '[fd00::]/8:443/tcp'] }).grant.outbound, [
    { network: '10.0.0.0/8' }, { network: 'fd00::/8', port: 443, protocol: 'tcp' },
  ]);
  assert.deepEqual(judge({ network: 'bridge' }, { networks: ['bridge'], outbound: [] }).grant.outbound, []);
});

test('an app may ask for less than its rights, and is cut down to them', () => {
  const rights: Rights = { networks: ['bridge'], outbound: ['10.0.0.0/8:443/tcp'] };
  const less = judge({ network: 'bridge', 'network.outbound': '10.1.0.0/16:443/tcp' }, rights);
  assert.equal(less.said['annotations["org.berth.network.outbound"]'], 'granted');
  const more = judge({ network: 'bridge', 'network.outbound': '10.1.0.0/16,192.0.2.1' }, rights);
  assert.deepEqual(more.grant.outbound, [{ network: '10.1.0.0/16', port: 443, protocol: 'tcp' }]);
  assert.match(more.said['annotations["org.berth.network.outbound"]']!, /^refused: .*connect to 10\.1\.0\.0\/16, 192\.0\.2\.1/);
});

test('without rights about destinations, private networks are refused', () => {
  const rights: Rights = { networks: ['bridge'] };
  assert.equal(judge({ network: 'bridge', 'network.outbound': '192.0.2.1:443' }, rights).said['annotations["org.berth.network.outbound"]'], 'granted');
  const { grant, said } = judge({ network: 'bridge', 'network.outbound': '192.168.1.0/24,192.0.2.1' }, rights);
  assert.deepEqual(grant.outbound, [{ network: '192.0.2.1' }]);
  assert.match(said['annotations["org.berth.network.outbound"]']!, /^refused: 192\.168\.1\.0\/24 is not on the public internet/);
  assert.match(judge({ network: 'bridge', 'network.outbound': '*' }, rights).said['annotations["org.berth.network.outbound"]']!, /^refused: 0\.0\.0\.0\/0, \[::\]\/0 is not/);
  assert.equal(judge({ network: 'bridge', 'network.outbound': '*' }, { ...rights, outbound: ['*'] }).said['annotations["org.berth.network.outbound"]'], 'granted');
});

test('bandwidth is the lesser of what is asked for and the right', () => {
  const { grant } = judge({ network: 'bridge', 'network.bandwidth.in': '1Mbit', 'network.bandwidth.out': '1Gbit' }, { networks: ['bridge'], bandwidth: { out: 500_000_000 } });
  assert.deepEqual(grant.bandwidth, { in: 1_000_000, out: 500_000_000 });
});

test('ports, destinations and bandwidth are refused where there is no bridge', () => {
  const details = { 'network.ports': '80', 'network.outbound': '192.0.2.1', 'network.bandwidth.in': '1Mbit' };
  assert.deepEqual(Object.keys(judge(details, {}).said), ['annotations["org.berth.network.ports"]', 'annotations["org.berth.network.outbound"]', 'annotations["org.berth.network.bandwidth.in"]']);
  const host = judge({ network: 'host', ...details }, { networks: ['host'] });
  assert.deepEqual(host.grant, { mode: 'host', ports: [] });
  assert.match(host.said['annotations["org.berth.network.ports"]']!, /^refused: .*network of the host/);
});
