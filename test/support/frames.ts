/** Ethernet frames of any shape, in hexadecimal digits: what an app with CAP_NET_RAW may send. */
import { parseNetwork } from '../../src/lib/ip.ts';

export const everyone = 'ff:ff:ff:ff:ff:ff';

/** Who sends and who shall receive, as the frame says. */
export interface Ends {
  readonly from: { readonly mac: string; readonly ip: string };
  readonly to: { readonly mac: string; readonly ip: string };
}

/** A UDP datagram (RFC 768) over IPv4 or IPv6, by the addresses. */
export function datagram({ from, to }: Ends, port: number, text: string): string {
  const isIpv6 = from.ip.includes(':');
  const data = Buffer.from(text);
  const length = 8 + data.length;
  const udp = Buffer.concat([words(40_000, port, length, 0), data]);
  const pseudo = Buffer.concat([address(from.ip), address(to.ip), words(17, length)]);
  udp.writeUInt16BE(checksum(Buffer.concat([pseudo, udp])), 6);
  if (isIpv6) return ethernet(to.mac, from.mac, 0x86dd, Buffer.concat([ipv6Header(length, 17, from.ip, to.ip), udp]));
  const header = Buffer.concat([words(0x4500, 20 + length, 1, 0, (64 << 8) | 17, 0), address(from.ip), address(to.ip)]);
  header.writeUInt16BE(checksum(header), 10);
  return ethernet(to.mac, from.mac, 0x0800, Buffer.concat([header, udp]));
}

/** An answer (RFC 826) that says: the address `claimed` is at `from.mac`. */
export function arpReply({ from, to }: Ends, claimed: string): string {
  return ethernet(to.mac, from.mac, 0x0806, Buffer.concat([words(1, 0x0800, 0x0604, 2), hardware(from.mac), address(claimed), hardware(to.mac), address(to.ip)]));
}

/** A neighbour advertisement (RFC 4861 section 4.4) that overrides what was known: `claimed` is at `from.mac`. */
export function neighbourAdvertisement({ from, to }: Ends, claimed: string): string {
  const message = Buffer.concat([words(136 << 8, 0, 0x2000, 0), address(claimed), Buffer.from([2, 1]), hardware(from.mac)]);
  return icmpv6({ from, to }, message);
}

/** A router advertisement (RFC 4861 section 4.2) that offers itself as the way to everywhere. */
export function routerAdvertisement(ends: Ends): string {
  return icmpv6(ends, Buffer.concat([words(134 << 8, 0, 64 << 8, 1800, 0, 0, 0, 0), Buffer.from([1, 1]), hardware(ends.from.mac)]));
}

/** The frame with a VLAN tag (IEEE 802.1Q). */
export function tagged(frame: string, vlan: number): string {
  return `${frame.slice(0, 24)}8100${vlan.toString(16).padStart(4, '0')}${frame.slice(24)}`;
}

function icmpv6({ from, to }: Ends, message: Buffer): string {
  message.writeUInt16BE(checksum(Buffer.concat([address(from.ip), address(to.ip), words(58, message.length), message])), 2);
  return ethernet(to.mac, from.mac, 0x86dd, Buffer.concat([ipv6Header(message.length, 58, from.ip, to.ip), message]));
}

function ipv6Header(length: number, next: number, from: string, to: string): Buffer {
  return Buffer.concat([words(0x6000, 0, length, (next << 8) | 255), address(from), address(to)]);
}

function ethernet(to: string, from: string, type: number, payload: Buffer): string {
  return Buffer.concat([hardware(to), hardware(from), words(type), payload]).toString('hex');
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
}

export function hardware(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

function address(ip: string): Buffer {
  const network = parseNetwork(ip);
  if (network === undefined) throw new Error(`not an address: ${ip}`);
  return Buffer.from(network.first.toString(16).padStart(network.family === 4 ? 8 : 32, '0'), 'hex');
}

/** The checksum of the internet (RFC 1071). */
function checksum(data: Buffer): number {
  const even = data.length % 2 === 0 ? data : Buffer.concat([data, Buffer.alloc(1)]);
  let sum = 0;
  for (let offset = 0; offset < even.length; offset += 2) sum += even.readUInt16BE(offset);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
