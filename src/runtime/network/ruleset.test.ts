import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNetwork } from '../../lib/ip.ts';
import type { InstanceNetwork } from '../types.ts';
import type { Attachment } from './attachment.ts';
import { ruleset, type BridgePlan } from './ruleset.ts';

const plan: BridgePlan = { name: 'berth0', subnet: parseNetwork('10.213.64.0/22')!, subnet6: parseNetwork('fd00::/64')!, forwardsForUs: [] };

function attachment(app: string, index: number, network: Partial<InstanceNetwork> = {}): Attachment {
  return { id: app, app, index, dns: [], network: { mode: 'bridge', ports: [], ...network }, plug: { port: `veth${app}`, mac: `02:00:00:00:00:0${index}` } };
}

/** Lines of a chain, without indentation. */
function chain(text: string, family: 'bridge' | 'inet', name: string): readonly string[] {
  const table = text.slice(text.indexOf(`table ${family} berth0 {\n`));
  const [, body] = new RegExp(`\\n  chain ${name} \\{\\n((?:    .*\\n)*)  \\}`).exec(table.slice(0, table.indexOf('\n}'))) ?? [];
  assert.notEqual(body, undefined, `${family} ${name}`);
  return body!.split('\n').map((line) => line.trim()).filter((line) => line !== '');
}

test('both tables are replaced whole, whether they were there or not', () => {
  assert.deepEqual(ruleset(plan, []).split('\n').slice(0, 5), ['table bridge berth0 {}', 'delete table bridge berth0', 'table inet berth0 {}', 'delete table inet berth0', 'table bridge berth0 {']);
});

test('frames of an app pass with its own hardware and IP addresses only, judged by the port they come from', () => {
  const text = ruleset(plan, [attachment('a', 7), attachment('b', 9)]);
  assert.deepEqual(chain(text, 'bridge', 'prerouting').slice(1), ['iifname vmap { "vetha" : jump app_7, "vethb" : jump app_9 }']);
  assert.deepEqual(chain(text, 'bridge', 'app_7'), [
    'ether saddr != 02:00:00:00:00:07 counter drop',
    'arp saddr ether 02:00:00:00:00:07 arp saddr ip 10.213.64.7 arp daddr ip 10.213.64.1 accept',
    'ip saddr 10.213.64.7 accept',
    'ip6 saddr fd00::7 icmpv6 type nd-neighbor-solicit @th,64,128 { 0xfd000000000000000000000000000001, 0xfe800000000000000000000000000001 } accept',
    'ip6 saddr fd00::7 icmpv6 type nd-neighbor-advert @th,64,128 0xfd000000000000000000000000000007 accept',
    'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect } counter drop',
    'ip6 saddr fd00::7 accept',
    'counter drop',
  ]);
  assert.deepEqual(chain(text, 'bridge', 'input').slice(1), ['iifname { "vetha", "vethb" } ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f counter drop']);
  assert.deepEqual(chain(text, 'bridge', 'forward').slice(1), ['iifname { "vetha", "vethb" } drop', 'oifname { "vetha", "vethb" } drop']);
});

test('nothing from an app reaches the host but neighbour discovery and answers', () => {
  assert.deepEqual(chain(ruleset(plan, [attachment('a', 7)]), 'inet', 'input').slice(1), [
    'iifname != "berth0" accept', 'ct state established,related accept', 'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept', 'counter drop',
  ]);
});

test('an app without a list of destinations reaches the public internet', () => {
  const rules = chain(ruleset(plan, [attachment('a', 7)]), 'inet', 'app_7');
  assert.equal(rules.at(-1), 'accept');
  assert.match(rules.at(-3)!, /^ip daddr \{ .*10\.0\.0\.0\/8,.*192\.168\.0\.0\/16.* \} counter drop$/);
  assert.equal(rules.at(-2), 'ip6 daddr != 2000::/3 counter drop');
});

test('an app with a list of destinations reaches these and its name servers, and nothing else', () => {
  const outbound = [{ network: '192.0.2.0/24', port: 443, protocol: 'tcp' as const }, { network: '2001:db8::/32' }, { network: '198.51.100.7', port: 53 }, { network: '0.0.0.0/0', protocol: 'udp' as const }];
  const app = { ...attachment('a', 7, { outbound }), dns: ['192.0.2.53', '2001:db8::53'] };
  assert.deepEqual(chain(ruleset(plan, [app]), 'inet', 'app_7'), [
    'ct count over 4096 counter drop',
    'ip daddr 192.0.2.53 meta l4proto { tcp, udp } th dport 53 accept',
    'ip6 daddr 2001:db8::53 meta l4proto { tcp, udp } th dport 53 accept',
    'ip daddr 192.0.2.0/24 tcp dport 443 accept',
    'ip6 daddr 2001:db8::/32 accept',
    'ip daddr 198.51.100.7 meta l4proto { tcp, udp } th dport 53 accept',
    'meta nfproto ipv4 meta l4proto udp accept',
    'counter drop',
  ]);
  assert.deepEqual(chain(ruleset(plan, [attachment('a', 7, { outbound: [] })]), 'inet', 'app_7').slice(1), ['counter drop'], 'an empty list is nowhere');
});

test('an app with limited bandwidth sends no flood of small packets either', () => {
  const [first] = chain(ruleset(plan, [attachment('a', 7, { bandwidth: { out: 8_000_000 } })]), 'bridge', 'app_7');
  assert.equal(first, 'limit rate over 4500/second burst 450 packets counter drop');
});

test('published ports are translated on their way in, and only so do connections reach apps', () => {
  const text = ruleset(plan, [attachment('a', 7, { ports: [{ hostPort: 8080, appPort: 80, protocol: 'tcp' }] })]);
  assert.deepEqual(chain(text, 'inet', 'published'), ['meta nfproto ipv4 tcp dport 8080 dnat ip to 10.213.64.7:80', 'meta nfproto ipv6 tcp dport 8080 dnat ip6 to [fd00::7]:80']);
  assert.deepEqual(chain(text, 'inet', 'to_apps'), [
    'ct state established,related accept', 'ip daddr 10.213.64.7 tcp dport 80 ct status dnat accept', 'ip6 daddr fd00::7 tcp dport 80 ct status dnat accept', 'counter drop',
  ]);
});

test('where the host forwards only for Berth, nothing else is forwarded', () => {
  const forward = chain(ruleset({ ...plan, forwardsForUs: [4] }, []), 'inet', 'forward');
  assert.equal(forward.at(-1), 'meta nfproto ipv4 iifname != "berth0" oifname != "berth0" counter drop');
  assert.equal(chain(ruleset(plan, []), 'inet', 'forward').some((rule) => rule.includes('nfproto')), false);
});

test('without IPv6 no rule has an IPv6 address, and of an app that is not plugged in there is none at all', () => {
  const text = ruleset({ name: 'berth0', subnet: plan.subnet, forwardsForUs: [] }, [attachment('a', 7, { ports: [{ hostPort: 1, appPort: 1, protocol: 'udp' }] })]);
  assert.equal(text.includes('fd00'), false);
  const { plug: _plug, ...reserved } = attachment('b', 9);
  assert.equal(ruleset(plan, [reserved]), ruleset(plan, []));
});
