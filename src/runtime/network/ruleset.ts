import { formatNetwork, parseNetwork, type IpNetwork } from '../../lib/ip.ts';
import { privateNetworks4, publicNetwork6, type Destination, type PublishedPort } from '../../lib/network.ts';
import { addressOf, gatewayOf, linkAddress, type Attachment, type Plug } from './attachment.ts';

/** Connections that one app may have at a time: the kernel's table of them is everybody's. */
const maxConnections = 4096;

/**
 * Packets that an app with limited bandwidth may send: each costs the host about the same, whatever its size. So many a
 * second, and besides those that fill its bandwidth with this many bytes in each.
 */
const packets = { perSecond: 2000, ofBytes: 400 } as const;

/** The bridge as the rules see it. */
export interface BridgePlan {
  /** Name of the bridge, and of Berth's tables. */
  readonly name: string;
  readonly subnet: IpNetwork;
  /** Absent on a host without IPv6. */
  readonly subnet6?: IpNetwork;
  /**
   * Families in which the host forwards only because Berth had it do so: nothing but what apps send and receive is
   * forwarded there, or the device would have become a router.
   */
  readonly forwardsForUs: readonly (4 | 6)[];
}

type Plugged = Attachment & { readonly plug: Plug };

/**
 * All of Berth's rules, as one text for `nft -f`, which applies it whole or not at all (nft(8)). Tables of others are
 * left alone.
 *
 * Two tables have the name of the bridge. The one of family `bridge` sees frames as they come out of each app, by the
 * port they come from: only those with the app's own hardware and IP addresses pass, so that afterwards an address
 * stands for its app. The one of family `inet` decides what passes between apps, host and the world.
 */
export function ruleset(plan: BridgePlan, attachments: readonly Attachment[]): string {
  const plugged = attachments.filter((attachment): attachment is Plugged => attachment.plug !== undefined);
  return [...removal(plan.name), ...bridgeTable(plan, plugged), ...inetTable(plan, plugged), ''].join('\n');
}

/** Takes Berth's tables away, whether they are there or not. */
export function removal(name: string): readonly string[] {
  return ['bridge', 'inet'].flatMap((family) => [`table ${family} ${name} {}`, `delete table ${family} ${name}`]);
}

function bridgeTable(plan: BridgePlan, plugged: readonly Plugged[]): readonly string[] {
  const ports = plugged.map(({ plug }) => quote(plug.port)).join(', ');
  return block(`table bridge ${plan.name}`, [
    ...block('chain prerouting', [
      'type filter hook prerouting priority -300; policy accept;',
      ...verdictMap('iifname', plugged.map((attachment) => [quote(attachment.plug.port), `jump ${chainOf(attachment)}`])),
    ]),
    // Frames for bridges themselves (IEEE 802.1D, table 7-10) pass by `prerouting`.
    ...block('chain input', ['type filter hook input priority -300; policy accept;', ...(ports === '' ? [] : [`iifname { ${ports} } ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f counter drop`])]),
    // Isolated ports exchange no frames anyway; this holds if somebody clears the flag.
    ...block('chain forward', ['type filter hook forward priority -300; policy accept;', ...(ports === '' ? [] : [`iifname { ${ports} } drop`, `oifname { ${ports} } drop`])]),
    ...plugged.flatMap((attachment) => block(`chain ${chainOf(attachment)}`, ownFrames(plan, attachment))),
  ]);
}

/** Frames that an app may send: IPv4 and IPv6 from its own addresses, and what it needs to find the host's hardware address. */
function ownFrames({ subnet, subnet6 }: BridgePlan, attachment: Plugged): readonly string[] {
  const { mac } = attachment.plug;
  const address = own(attachment, subnet);
  const rules = [
    ...packetLimit(attachment),
    `ether saddr != ${mac} counter drop`,
    `arp saddr ether ${mac} arp saddr ip ${address} arp daddr ip ${formatNetwork(gatewayOf(subnet))} accept`,
    `ip saddr ${address} accept`,
  ];
  if (subnet6 !== undefined) {
    const address6 = own(attachment, subnet6);
    // The target of neighbour discovery (RFC 4861 sections 4.3 and 4.4) begins 64 bits into the message.
    rules.push(
      `ip6 saddr ${address6} icmpv6 type nd-neighbor-solicit @th,64,128 { ${hex(gatewayOf(subnet6))}, ${hex(parseNetwork(linkAddress)!)} } accept`,
      `ip6 saddr ${address6} icmpv6 type nd-neighbor-advert @th,64,128 ${hex(addressOf(attachment, subnet6))} accept`,
      'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect } counter drop',
      `ip6 saddr ${address6} accept`,
    );
  }
  return [...rules, 'counter drop'];
}

function packetLimit({ network }: Attachment): readonly string[] {
  const { out } = network.bandwidth ?? {};
  if (out === undefined) return [];
  const most = packets.perSecond + Math.floor(out / 8 / packets.ofBytes);
  // A tenth of a second's worth may come at once.
  return [`limit rate over ${most}/second burst ${Math.ceil(most / 10)} packets counter drop`];
}

function inetTable(plan: BridgePlan, plugged: readonly Plugged[]): readonly string[] {
  const bridge = quote(plan.name);
  return block(`table inet ${plan.name}`, [
    ...block('chain input', [
      'type filter hook input priority filter - 1; policy accept;',
      `iifname != ${bridge} accept`,
      'ct state established,related accept',
      'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept',
      'counter drop',
    ]),
    ...block('chain forward', [
      'type filter hook forward priority filter - 1; policy accept;',
      `iifname ${bridge} oifname ${bridge} counter drop`,
      `oifname ${bridge} jump to_apps`,
      `iifname ${bridge} jump from_apps`,
      ...plan.forwardsForUs.map((family) => `meta nfproto ipv${family} iifname != ${bridge} oifname != ${bridge} counter drop`),
    ]),
    ...block('chain to_apps', ['ct state established,related accept', ...plugged.flatMap((attachment) => published(plan, attachment, accepted)), 'counter drop']),
    ...block('chain from_apps', [
      'ct state invalid counter drop',
      'ct state established,related accept',
      ...verdictMap('ip saddr', plugged.map((attachment) => [own(attachment, plan.subnet), `jump ${chainOf(attachment)}`])),
      ...(plan.subnet6 === undefined ? [] : verdictMap('ip6 saddr', plugged.map((attachment) => [own(attachment, plan.subnet6!), `jump ${chainOf(attachment)}`]))),
      'counter drop',
    ]),
    ...plugged.flatMap((attachment) => block(`chain ${chainOf(attachment)}`, outbound(attachment))),
    ...block('chain published', plugged.flatMap((attachment) => published(plan, attachment, translated))),
    ...block('chain prerouting', ['type nat hook prerouting priority dstnat; policy accept;', `iifname != ${bridge} fib daddr type local jump published`]),
    // The kernel does not send what comes from a loopback address to another device.
    ...block('chain output', ['type nat hook output priority -100; policy accept;', 'ip daddr 127.0.0.0/8 accept', 'ip6 daddr ::1 accept', 'fib daddr type local jump published']),
    ...block('chain postrouting', [
      'type nat hook postrouting priority srcnat; policy accept;',
      `ip saddr ${formatNetwork(plan.subnet)} oifname != ${bridge} masquerade`,
      ...(plan.subnet6 === undefined ? [] : [`ip6 saddr ${formatNetwork(plan.subnet6)} oifname != ${bridge} masquerade`]),
    ]),
  ]);
}

/** New connections of an app to elsewhere. */
function outbound({ network, dns }: Attachment): readonly string[] {
  const rules = [`ct count over ${maxConnections} counter drop`];
  for (const server of dns) rules.push(`${family(server)} daddr ${server} meta l4proto { tcp, udp } th dport 53 accept`);
  if (network.outbound === undefined) return [...rules, `ip daddr { ${privateNetworks4.join(', ')} } counter drop`, `ip6 daddr != ${publicNetwork6} counter drop`, 'accept'];
  return [...rules, ...network.outbound.map((destination) => `${matchOf(destination)} accept`), 'counter drop'];
}

function matchOf({ network, port, protocol }: Destination): string {
  const place = /^(0\.0\.0\.0|::)\/0$/.test(network) ? `meta nfproto ${network.includes(':') ? 'ipv6' : 'ipv4'}` : `${family(network)} daddr ${network}`;
  if (port !== undefined) return `${place} ${protocol ?? 'meta l4proto { tcp, udp } th'} dport ${port}`;
  return protocol === undefined ? place : `${place} meta l4proto ${protocol}`;
}

type PortRule = (family: 'ip' | 'ip6', address: string, port: PublishedPort) => string;

const accepted: PortRule = (ip, address, { appPort, protocol }) => `${ip} daddr ${address} ${protocol} dport ${appPort} ct status dnat accept`;
const translated: PortRule = (ip, address, { hostPort, appPort, protocol }) =>
  `meta nfproto ${ip === 'ip' ? 'ipv4' : 'ipv6'} ${protocol} dport ${hostPort} dnat ${ip} to ${ip === 'ip' ? address : `[${address}]`}:${appPort}`;

function published({ subnet, subnet6 }: BridgePlan, attachment: Attachment, rule: PortRule): readonly string[] {
  return attachment.network.ports.flatMap((port) => [
    rule('ip', own(attachment, subnet), port),
    ...(subnet6 === undefined ? [] : [rule('ip6', own(attachment, subnet6), port)]),
  ]);
}

function own(attachment: Attachment, network: IpNetwork): string {
  return formatNetwork(addressOf(attachment, network));
}

/** Name of an app's chain, in both tables. */
function chainOf({ index }: Attachment): string {
  return `app_${index}`;
}

function family(network: string): 'ip' | 'ip6' {
  return parseNetwork(network)?.family === 4 ? 'ip' : 'ip6';
}

function hex({ first }: IpNetwork): string {
  return `0x${first.toString(16).padStart(32, '0')}`;
}

function quote(name: string): string {
  return `"${name}"`;
}

function verdictMap(key: string, entries: readonly (readonly [string, string])[]): readonly string[] {
  return entries.length === 0 ? [] : [`${key} vmap { ${entries.map(([value, verdict]) => `${value} : ${verdict}`).join(', ')} }`];
}

function block(head: string, lines: readonly string[]): readonly string[] {
  return [`${head} {`, ...lines.map((line) => `  ${line}`), '}'];
}
