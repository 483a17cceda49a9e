import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNetwork, parseNetwork } from '../../lib/ip.ts';
import type { PublishedPort } from '../../lib/network.ts';
import { addressOf, checkPorts, choosePlace, type Attachment } from './attachment.ts';
import { bandwidthConfig, bridgeConfig, plugOf } from './cni.ts';
import { hostsFile, nameServers, resolvConf } from './names.ts';
import { checkOverlap, planNetwork } from './plan.ts';

const plan = planNetwork({ subnet: '10.1.0.0/29', subnet6: 'fd00::/64' }, '/run/berth', true);

function attachment(app: string, network: Partial<Attachment['network']> = {}): Attachment {
  return { id: app, app, index: 5, dns: [], network: { mode: 'bridge', ports: [], ...network } };
}

test('the bridge is berth0, and of a daemon with another run directory another', () => {
  assert.equal(plan.name, 'berth0');
  const name = planNetwork({}, '/run/elsewhere', true).name;
  assert.match(name, /^berth-[0-9a-f]{8}$/);
  assert.notEqual(planNetwork({}, '/run/other', true).name, name);
});

for (const [what, options, reason] of [
  ['a name that no device can have', { bridge: 'a-name-that-is-too-long' }, /network\.bridge/],
  ['a network that is none', { subnet: '10.0.0.0' }, /network\.subnet: "10\.0\.0\.0"/],
  ['a network of the other family', { subnet: 'fd00::/64' }, /network\.subnet:/],
  ['an IPv6 network without room', { subnet: '10.0.0.0/8', subnet6: 'fd00::/112' }, /network\.subnet6: smaller/],
] as const) {
  test(`a configuration with ${what} is refused`, () => {
    assert.throws(() => planNetwork(options, '/run/berth', true), reason);
  });
}

test('apps have no IPv6 where the host has none, or the operator wants none', () => {
  assert.equal(planNetwork({}, '/run/berth', false).subnet6, undefined);
  assert.equal(planNetwork({ subnet6: 'none' }, '/run/berth', true).subnet6, undefined);
});

test('a network that the host itself is on is refused with its device', () => {
  checkOverlap(plan, [{ device: 'eth0', cidr: '10.2.0.1/16' }, { device: 'berth0', cidr: '10.1.0.1/29' }, { device: 'eth0', cidr: 'fe80::1/64' }]);
  assert.throws(() => { checkOverlap(plan, [{ device: 'eth0', cidr: '10.7.0.1/8' }]); }, /10\.1\.0\.0\/29 overlaps with that of eth0 \(10\.7\.0\.1\/8\)/);
});

test('an app has the same place each time, another if it is taken, and an error if none is left', () => {
  const subnet = plan.subnet;
  const first = choosePlace('web', subnet, new Set());
  assert.equal(choosePlace('web', subnet, new Set()), first);
  const taken = new Set<number>();
  for (let count = 0; count < 5; count += 1) taken.add(choosePlace('web', subnet, taken));
  assert.deepEqual([...taken].toSorted((a, b) => a - b), [2, 3, 4, 5, 6], 'neither the network, the host nor the broadcast address');
  assert.throws(() => choosePlace('web', subnet, taken), /no address is left for web/);
  assert.equal(formatNetwork(addressOf({ index: 6 }, subnet)), '10.1.0.6');
});

test('two apps cannot publish the same port, but the same number for another protocol', () => {
  const port = (protocol: PublishedPort['protocol']): PublishedPort => ({ hostPort: 53, appPort: 53, protocol });
  checkPorts([port('tcp')], [attachment('dns', { ports: [port('udp')] })]);
  assert.throws(() => { checkPorts([port('udp')], [attachment('dns', { ports: [port('udp')] })]); }, /port 53\/udp of this device is published by dns/);
});

test('the plugin bridge is given both addresses, the ways out and nothing to translate', () => {
  assert.deepEqual(bridgeConfig(plan, attachment('web')), {
    cniVersion: '1.0.0', name: 'berth0', type: 'bridge', bridge: 'berth0', isGateway: false, ipMasq: false,
    ipam: {
      type: 'static',
      addresses: [{ address: '10.1.0.5/29', gateway: '10.1.0.1' }, { address: 'fd00::5/64', gateway: 'fd00::1' }],
      routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }, { dst: '::/0', gw: 'fd00::1' }],
    },
  });
});

test('the plugin bandwidth is called for limits only, with room for the largest packet', () => {
  assert.equal(bandwidthConfig(plan, attachment('web')), undefined);
  const config = bandwidthConfig(plan, attachment('web', { bandwidth: { in: 100_000_000, out: 8000 } }))!;
  assert.deepEqual([config['ingressRate'], config['ingressBurst'], config['egressRate'], config['egressBurst']], [100_000_000, 5_000_000, 8000, 524_288]);
});

test('the devices that the plugin made are found in its answer', () => {
  const interfaces = [{ name: 'berth0', mac: 'a' }, { name: 'veth1', mac: 'b' }, { name: 'eth0', mac: 'c', sandbox: '/proc/1/ns/net' }];
  assert.deepEqual(plugOf(plan, { interfaces }), { port: 'veth1', mac: 'c' });
  for (const answer of [undefined, {}, { interfaces: interfaces.slice(0, 2) }]) assert.throws(() => plugOf(plan, answer), /does not say/);
});

test('name servers are those configured, else those of the host that are not on it', () => {
  assert.deepEqual(nameServers(['192.0.2.1'], ['nameserver 192.0.2.2']), ['192.0.2.1']);
  assert.deepEqual(nameServers(undefined, ['nameserver 127.0.0.53\nnameserver ::1\n', 'search x\nnameserver 192.0.2.2\nnameserver 2001:db8::1\n']), ['192.0.2.2', '2001:db8::1']);
  assert.deepEqual(nameServers(undefined, ['nameserver 127.0.0.1', '']), []);
  assert.equal(resolvConf(['192.0.2.1', '2001:db8::1']), 'nameserver 192.0.2.1\nnameserver 2001:db8::1\n');
  assert.match(resolvConf([]), /^# /);
});

test('an app finds itself in its hosts file', () => {
  assert.deepEqual(hostsFile('web', ['10.1.0.5', 'fd00::5']).split('\n').slice(2), ['10.1.0.5\tweb', 'fd00::5\tweb', '']);
  assert.equal(parseNetwork(hostsFile('web', []).split('\n')[2]!.split('\t')[0]!)?.family, 4);
});
