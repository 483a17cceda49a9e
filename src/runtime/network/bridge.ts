import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { formatNetwork, type IpNetwork } from '../../lib/ip.ts';
import { readIfThere } from '../files.ts';
import { gatewayOf, linkAddress, type Plug } from './attachment.ts';
import type { NetworkPlan } from './plan.ts';
import { runTool } from './tools.ts';

/** Parameters of the kernel's networks (Documentation/networking/ip-sysctl.rst), of the namespace that Berth runs in. */
const parameters = '/proc/sys/net';
export const forwardingPaths = { 4: `${parameters}/ipv4/ip_forward`, 6: `${parameters}/ipv6/conf/all/forwarding` } as const;
type Family = keyof typeof forwardingPaths;
/** A bridge without an address of its own takes one of its ports', and changes it when that goes. */
const hardwareAddress = '02:62:65:72:74:68';

/** True if the kernel has IPv6, and it is not turned off for all devices. */
export function hasIpv6(): boolean {
  return existsSync(forwardingPaths[6]) && readIfThere(`${parameters}/ipv6/conf/all/disable_ipv6`)?.trim() !== '1';
}

/** The bridge of a daemon and what the host needs to forward for it. */
export class Bridge {
  readonly #plan: NetworkPlan;
  /** Holds the families whose forwarding Berth turned on, for as long as it is. */
  readonly #mark: string;

  constructor(plan: NetworkPlan, mark: string) {
    this.#plan = plan;
    this.#mark = mark;
  }

  /** Families that the host forwards only because of {@link forward}. */
  get forwardsForUs(): readonly Family[] {
    return (readIfThere(this.#mark) ?? '').split(' ').filter((text) => text !== '').map((text) => Number(text) as Family);
  }

  /** Families that {@link forward} would turn on now. */
  get toForward(): readonly Family[] {
    const families: readonly Family[] = this.#plan.subnet6 === undefined ? [4] : [4, 6];
    return families.filter((family) => readFileSync(forwardingPaths[family], 'utf8').trim() !== '1');
  }

  /** True if it is there. */
  get exists(): boolean {
    return isDevice(this.#plan.name);
  }

  /** Makes the bridge, or what it lacks, with the host's addresses on it. */
  async open(): Promise<void> {
    const { name, subnet, subnet6 } = this.#plan;
    // Without snooping, what looks for an IPv6 neighbour reaches the apps whatever they have joined.
    const link = this.exists ? [] : [`link add name ${name} address ${hardwareAddress} type bridge mcast_snooping 0`, `link set dev ${name} addrgenmode none`];
    const own = (network: IpNetwork): string => `address replace ${formatNetwork(gatewayOf(network))}/${network.prefix} dev ${name}`;
    const addresses = subnet6 === undefined ? [own(subnet)] : [own(subnet), `${own(subnet6)} nodad`, `address replace ${linkAddress}/64 dev ${name} nodad`];
    const lines = [...link, ...addresses, `link set dev ${name} up`];
    await runTool('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
    // The host asks for apps by its address on the bridge, whichever of its own it sends from: apps may answer that one only.
    writeFileSync(`${parameters}/ipv4/conf/${name}/arp_announce`, '2');
    // The host learns no routes from apps.
    writeFileSync(`${parameters}/ipv4/conf/${name}/accept_redirects`, '0');
    if (subnet6 !== undefined) for (const setting of ['accept_ra', 'accept_redirects']) writeFileSync(`${parameters}/ipv6/conf/${name}/${setting}`, '0');
  }

  /** Has the host forward packets, if it does not: rules must stand by then that keep it to the apps'. */
  forward(): void {
    const families = this.toForward;
    if (families.length === 0) return;
    writeFileSync(this.#mark, [...new Set([...this.forwardsForUs, ...families])].join(' '));
    if (families.includes(6)) keepRouterAdvertisements();
    for (const family of families) writeFileSync(forwardingPaths[family], '1');
  }

  /** Has the host forward no more than before. */
  stopForwarding(): void {
    for (const family of this.forwardsForUs) writeFileSync(forwardingPaths[family], '0');
    rmSync(this.#mark, { force: true });
  }

  async remove(): Promise<void> {
    await removeDevice(this.#plan.name);
  }

  /**
   * Keeps a port of the bridge from exchanging frames with other ports, and has the bridge know what is there instead of
   * learning it from frames (bridge(8)): it learns from some that no rule sees, those for the bridge itself.
   */
  async isolate({ port, mac }: Plug): Promise<void> {
    await runTool('bridge', ['-batch', '-'], `link set dev ${port} isolated on learning off flood off\nfdb replace ${mac} dev ${port} master static\n`);
  }
}

/** Takes a network device away, if it is there. */
export async function removeDevice(name: string): Promise<void> {
  if (!isDevice(name)) return;
  try {
    await runTool('ip', ['link', 'delete', 'dev', name]);
  } catch (error) {
    // The kernel takes a container's devices away some time after its last process ended: it may have done so just now.
    if (isDevice(name)) throw error;
  }
}

function isDevice(name: string): boolean {
  return existsSync(`${parameters}/ipv4/conf/${name}`);
}

/** A host that forwards IPv6 no longer takes its own routes from routers, unless `accept_ra` is 2. */
function keepRouterAdvertisements(): void {
  const devices = `${parameters}/ipv6/conf`;
  for (const device of readdirSync(devices)) {
    const path = `${devices}/${device}/accept_ra`;
    if (device !== 'all' && readIfThere(path)?.trim() === '1') writeFileSync(path, '2');
  }
}
