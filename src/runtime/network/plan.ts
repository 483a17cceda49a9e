import { createHash } from 'node:crypto';
import { BerthError } from '../../lib/errors.ts';
import { formatNetwork, overlap, parseNetwork, type IpNetwork } from '../../lib/ip.ts';

/** What the operator says about the apps' network (`network` in `berthd.yaml`). */
export interface NetworkOptions {
  /** Directory of the CNI plugins; by default the first of `/usr/lib/cni` and `/opt/cni/bin` that has them. */
  readonly plugins?: string;
  /** Name of the bridge, and of Berth's tables of rules. */
  readonly bridge?: string;
  /** Addresses of apps, IPv4 and IPv6, in CIDR notation; `none`: no IPv6 for apps. */
  readonly subnet?: string;
  readonly subnet6?: string;
  /** Name servers of apps; by default those of the host that are not on the host itself. */
  readonly dns?: readonly string[];
}

/** The bridge of this daemon and the addresses on it. */
export interface NetworkPlan {
  readonly name: string;
  readonly subnet: IpNetwork;
  /** Absent where apps have no IPv6. */
  readonly subnet6?: IpNetwork;
}

/** A network that is seldom used, and an address range of one's own (RFC 4193); neither leaves the device. */
const defaultSubnet = '10.213.64.0/22';
const defaultSubnet6 = 'fd62:6572:7468::/64';
const defaultRunDir = '/run/berth';

/**
 * The apps' network of a daemon. The name of its bridge is derived from its run directory, so that two daemons do not
 * share one.
 * @throws BerthError `usage` naming the key
 */
export function planNetwork(options: NetworkOptions, runDir: string, hasIpv6: boolean): NetworkPlan {
  const name = options.bridge ?? (runDir === defaultRunDir ? 'berth0' : `berth-${createHash('sha256').update(runDir).digest('hex').slice(0, 8)}`);
  // IFNAMSIZ of if.h, without the zero byte.
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,14}$/.test(name)) throw new BerthError('usage', `network.bridge: "${name}" is not a name of at most 15 letters, digits, _ and -`);
  const subnet = networkOf(options.subnet ?? defaultSubnet, 4, 29, 'network.subnet');
  if (!hasIpv6 || options.subnet6 === 'none') return { name, subnet };
  const subnet6 = networkOf(options.subnet6 ?? defaultSubnet6, 6, 112, 'network.subnet6');
  if (128 - subnet6.prefix < 32 - subnet.prefix) throw new BerthError('usage', 'network.subnet6: smaller than network.subnet, whose apps all have an address in both');
  return { name, subnet, subnet6 };
}

function networkOf(text: string, family: 4 | 6, longest: number, field: string): IpNetwork {
  const network = parseNetwork(text);
  if (network?.family !== family || network.prefix > longest) {
    throw new BerthError('usage', `${field}: "${text}" is not an IPv${family} network of at most ${longest} bits without bits beyond them`);
  }
  return network;
}

/** An address of the host, as `os.networkInterfaces()` tells them. */
export interface HostAddress {
  readonly device: string;
  /** Address and length of its network: `192.0.2.7/24`. */
  readonly cidr: string;
}

/** @throws BerthError `conflict` if the host is itself on a network that has addresses of the apps' */
export function checkOverlap({ name, subnet, subnet6 }: NetworkPlan, addresses: readonly HostAddress[]): void {
  for (const { device, cidr } of addresses) {
    if (device === name) continue;
    const [address = '', length] = cidr.split('/');
    const host = parseNetwork(address);
    if (host === undefined) continue;
    const bits = BigInt((host.family === 4 ? 32 : 128) - Number(length));
    const network: IpNetwork = { ...host, first: (host.first >> bits) << bits, prefix: Number(length) };
    const own = [subnet, subnet6].find((candidate) => candidate !== undefined && overlap(candidate, network));
    if (own !== undefined) {
      throw new BerthError('conflict', `the apps' network ${formatNetwork(own)} overlaps with that of ${device} (${cidr}); configure another network.subnet${own.family === 6 ? '6' : ''}`);
    }
  }
}
