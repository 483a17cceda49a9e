import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressAt, contains, formatNetwork, overlap, parseNetwork } from './ip.ts';
import { commonDestination, coversDestination, formatDestination, isPublic, parseDestination, parsePortRange, parsePublishedPort } from './network.ts';
import { formatRate, parseRate } from './units.ts';

for (const [text, written = text] of [
  ['10.0.0.0/8'], ['192.0.2.1/32', '192.0.2.1'], ['0.0.0.0/0'], ['::/0'], ['2001:DB8::/32', '2001:db8::/32'], ['2001:db8:0:0:0:0:0:1', '2001:db8::1'], ['::ffff:192.0.2.1', '::ffff:c000:201'],
]) {
  test(`the network ${text} is read, and written as ${written}`, () => {
    assert.equal(formatNetwork(parseNetwork(text!)!), written);
  });
}

for (const text of ['', '10.0.0.1/8', '10.0.0.0/33', '10.0.0', '2001:db8::1/32', '::/129', '2001:::1', '10.0.0.0/8/8', '010.0.0.1', 'fe80::1%eth0']) {
  test(`"${text}" is no network`, () => {
    assert.equal(parseNetwork(text), undefined);
  });
}

test('networks hold addresses and each other, in one family', () => {
  const net = (text: string): NonNullable<ReturnType<typeof parseNetwork>> => parseNetwork(text)!;
  assert.equal(contains(net('10.0.0.0/8'), net('10.255.255.255')), true);
  assert.equal(contains(net('10.0.0.0/8'), net('11.0.0.0')), false);
  assert.equal(contains(net('0.0.0.0/0'), net('::/0')), false);
  assert.equal(contains(net('10.1.0.0/16'), net('10.0.0.0/8')), false);
  assert.equal(overlap(net('10.1.0.0/16'), net('10.0.0.0/8')), true);
  assert.equal(overlap(net('fd00::/64'), net('fd00:0:0:1::/64')), false);
  assert.equal(formatNetwork(addressAt(net('10.0.0.0/22'), 257n)), '10.0.1.1');
});

for (const text of ['10.0.0.0/8', '192.0.2.1:53/udp', '[2001:db8::]/32:443/tcp', '198.51.100.7/tcp', '[2001:db8::1]:80']) {
  test(`the destination ${text} is read and written alike`, () => {
    assert.deepEqual(parseDestination(text, 'x').map(formatDestination), [text]);
  });
}

test('an IPv6 destination without a port needs no brackets, and * is all of both families', () => {
  assert.deepEqual(parseDestination('2001:db8::/32', 'x'), [{ network: '2001:db8::/32' }]);
  assert.deepEqual(parseDestination('*', 'x'), [{ network: '0.0.0.0/0' }, { network: '::/0' }]);
});

for (const text of ['', 'example.org', '10.0.0.0/8:0', '10.0.0.0/8:70000/tcp', '10.0.0.1/8', '2001:db8::1:443/tcp', '[10.0.0.1', '10.0.0.1/sctp', '*:80']) {
  test(`"${text}" is no destination`, () => {
    assert.throws(() => parseDestination(text, 'outbound'), /outbound: .* is not a destination/);
  });
}

test('destinations are held against each other by network, port and protocol', () => {
  const one = (text: string): ReturnType<typeof parseDestination>[0] => parseDestination(text, 'x')[0]!;
  assert.equal(coversDestination(one('10.0.0.0/8'), one('10.1.0.0/16:80/tcp')), true);
  assert.equal(coversDestination(one('10.0.0.0/8:80'), one('10.1.0.0/16')), false);
  assert.deepEqual(commonDestination(one('10.0.0.0/8/tcp'), one('10.1.0.0/16:80')), one('10.1.0.0/16:80/tcp'));
  assert.deepEqual(commonDestination(one('10.1.0.0/16'), one('10.0.0.0/8')), one('10.1.0.0/16'));
  assert.equal(commonDestination(one('10.0.0.0/8:80'), one('10.0.0.0/8:81')), undefined);
  assert.equal(commonDestination(one('10.0.0.0/8'), one('11.0.0.0/8')), undefined);
});

test('the public internet holds no private network, and no network holds both', () => {
  for (const text of ['192.0.2.1', '8.0.0.0/8', '[2001:db8::]/32']) assert.equal(isPublic(parseDestination(text, 'x')[0]!), true, text);
  for (const text of ['10.1.2.3', '0.0.0.0/0', '169.254.169.254', '[fd00::1]', '[fe80::]/10', '[::]/0', '172.0.0.0/8']) assert.equal(isPublic(parseDestination(text, 'x')[0]!), false, text);
});

test('published ports are host, app and protocol, of which all but the first may be left out', () => {
  assert.deepEqual(parsePublishedPort('8080:80/udp', 'x'), { hostPort: 8080, appPort: 80, protocol: 'udp' });
  assert.deepEqual(parsePublishedPort('53', 'x'), { hostPort: 53, appPort: 53, protocol: 'tcp' });
  for (const text of ['0:80', '80:65536/tcp', 'http', '80/sctp', '127.0.0.1:80:80']) assert.throws(() => parsePublishedPort(text, 'x'), /not a published port/);
  assert.deepEqual(parsePortRange('9000-9010/udp', 'x'), { first: 9000, last: 9010, protocol: 'udp' });
  for (const text of ['9000', '9010-9000/udp', '0/tcp']) assert.throws(() => parsePortRange(text, 'x'), /not a port or range/);
});

test('rates are bits a second, and are written in their largest unit', () => {
  assert.equal(parseRate('2.5Mbit', 'x'), 2_500_000);
  assert.deepEqual([2_500_000, 1_000_000, 999, 100_000_000_000].map(formatRate), ['2500kbit', '1Mbit', '999bit', '100Gbit']);
  assert.throws(() => parseRate('1MB', 'x'), /not a rate/);
});
