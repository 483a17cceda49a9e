import { isIP } from 'node:net';

/** A network of IP addresses, or with the longest prefix one address. */
export interface IpNetwork {
  readonly family: 4 | 6;
  /** Its first address, as a number of 32 or 128 bits. */
  readonly first: bigint;
  /** Bits that all its addresses have in common. */
  readonly prefix: number;
}

const bitsOf = { 4: 32, 6: 128 } as const;

/**
 * A network in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3), or a single address. Undefined for other
 * text, and for a network whose address has bits beyond its prefix: one of the two is a mistake then.
 */
export function parseNetwork(text: string): IpNetwork | undefined {
  const match = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text);
  const family = isIP(match?.[1] ?? '');
  if (match === null || (family !== 4 && family !== 6)) return undefined;
  const bits = bitsOf[family];
  const prefix = match[2] === undefined ? bits : Number(match[2]);
  const first = family === 4 ? numberOf4(match[1]!) : numberOf6(match[1]!);
  if (prefix > bits || first % sizeOf({ family, prefix }) !== 0n) return undefined;
  return { family, first, prefix };
}

/** As {@link parseNetwork} reads it; a single address without a prefix, IPv6 as in RFC 5952. */
export function formatNetwork({ family, first, prefix }: IpNetwork): string {
  const address = family === 4 ? format4(first) : format6(first);
  return prefix === bitsOf[family] ? address : `${address}/${prefix}`;
}

/** How many addresses a network has. */
export function sizeOf({ family, prefix }: Pick<IpNetwork, 'family' | 'prefix'>): bigint {
  return 1n << BigInt(bitsOf[family] - prefix);
}

/** The address at a place in a network, counted from 0; a network with the longest prefix. */
export function addressAt(network: IpNetwork, index: bigint): IpNetwork {
  return { family: network.family, first: network.first + index, prefix: bitsOf[network.family] };
}

/** True if every address of `inner` is in `outer`. */
export function contains(outer: IpNetwork, inner: IpNetwork): boolean {
  return outer.family === inner.family && outer.prefix <= inner.prefix && inner.first >= outer.first && inner.first < outer.first + sizeOf(outer);
}

/** True if they have an address in common: of two networks one is then in the other. */
export function overlap(a: IpNetwork, b: IpNetwork): boolean {
  return contains(a, b) || contains(b, a);
}

function numberOf4(text: string): bigint {
  return text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

/** Of a valid address (`net.isIP`). */
function numberOf6(text: string): bigint {
  // The last 32 bits may be written as an IPv4 address (RFC 4291 section 2.2).
  const plain = text.replace(/[^:]+\.[^:]+$/, (last) => {
    const number = numberOf4(last);
    return `${(number >> 16n).toString(16)}:${(number & 0xffffn).toString(16)}`;
  });
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

function format4(address: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (address >> shift) & 255n).join('.');
}

function format6(address: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => ((address >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  // URLs hold IPv6 addresses in the form of RFC 5952 (WHATWG URL, host serializing).
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
