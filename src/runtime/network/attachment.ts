import { createHash } from 'node:crypto';
import { BerthError } from '../../lib/errors.ts';
import { addressAt, sizeOf, type IpNetwork } from '../../lib/ip.ts';
import type { PublishedPort } from '../../lib/network.ts';
import type { InstanceNetwork } from '../types.ts';

/** What an instance has on the bridge; kept in its bundle directory for as long as it is there. */
export interface Attachment {
  readonly id: string;
  readonly app: string;
  /** Place of its addresses in the networks of the bridge. */
  readonly index: number;
  readonly network: InstanceNetwork;
  /** Name servers that it may ask. */
  readonly dns: readonly string[];
  /** Its end on the bridge and the address of its own end; absent until it was plugged in. */
  readonly plug?: Plug;
}

/** A pair of virtual network devices (veth(4)): one end on the bridge, the other in the container. */
export interface Plug {
  /** Name of the bridge's end. */
  readonly port: string;
  /** Hardware address of the container's end. */
  readonly mac: string;
}

/** Place 0 is the network itself, place 1 the host; the last of IPv4 is for broadcasts. */
const firstIndex = 2;
const gatewayIndex = 1n;

/**
 * The bridge's link-local address (RFC 4291 section 2.5.6), from which the host looks for apps. Berth gives it instead
 * of the kernel: then it is known to the rules, and good at once.
 */
export const linkAddress = 'fe80::1';

/** The host's own address in a network of the bridge. */
export function gatewayOf(network: IpNetwork): IpNetwork {
  return addressAt(network, gatewayIndex);
}

/** The address of an attachment in a network of the bridge. */
export function addressOf({ index }: Pick<Attachment, 'index'>, network: IpNetwork): IpNetwork {
  return addressAt(network, BigInt(index));
}

/**
 * A place for an app's addresses: the same each time, unless another app that runs has it.
 * @throws BerthError `unavailable` if the network is full
 */
export function choosePlace(app: string, subnet: IpNetwork, taken: ReadonlySet<number>): number {
  const places = Number(sizeOf(subnet)) - firstIndex - 1;
  const start = createHash('sha256').update(app).digest().readUInt32BE() % places;
  for (let step = 0; step < places; step += 1) {
    const index = firstIndex + ((start + step) % places);
    if (!taken.has(index)) return index;
  }
  throw new BerthError('unavailable', `no address is left for ${app}: all ${places} of the apps' network are taken; configure a larger network.subnet`);
}

/** @throws BerthError `conflict` naming the app that already publishes one of these ports */
export function checkPorts(ports: readonly PublishedPort[], others: readonly Attachment[]): void {
  for (const { hostPort, protocol } of ports) {
    const other = others.find(({ network }) => network.ports.some((port) => port.hostPort === hostPort && port.protocol === protocol));
    if (other !== undefined) throw new BerthError('conflict', `port ${hostPort}/${protocol} of this device is published by ${other.app}`);
  }
}
