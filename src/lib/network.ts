import { BerthError } from './errors.ts';
import { contains, formatNetwork, overlap, parseNetwork, type IpNetwork } from './ip.ts';

/** How an app is on a network. */
export type NetworkMode = 'none' | 'bridge' | 'host';
export const networkModes: readonly NetworkMode[] = ['none', 'bridge', 'host'];

export type Transport = 'tcp' | 'udp';

/** A port of the host behind which a port of an app is reached. */
export interface PublishedPort {
  readonly hostPort: number;
  readonly appPort: number;
  readonly protocol: Transport;
}

/** Ports of the host, from the first to the last. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly protocol: Transport;
}

/** Where connections may go to. */
export interface Destination {
  /** Network in CIDR notation, IPv4 or IPv6. */
  readonly network: string;
  /** Any port if undefined. */
  readonly port?: number;
  /** TCP, UDP and others if undefined. */
  readonly protocol?: Transport;
}

/**
 * Networks that are no part of the public internet (RFC 6890, RFC 1918, RFC 6598, RFC 1112): a device's own and its
 * neighbours'. Of IPv6 only 2000::/3 is given out for public use (RFC 4291 section 2.4).
 */
export const privateNetworks4: readonly string[] = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.168.0.0/16', '198.18.0.0/15', '224.0.0.0/4', '240.0.0.0/4',
];
export const publicNetwork6 = '2000::/3';

/** Everywhere: what `*` stands for in a list of destinations. */
export const anywhere: readonly Destination[] = [{ network: '0.0.0.0/0' }, { network: '::/0' }];

/** `8080:80/tcp`, `8080:80` or `8080`: host port, app port, protocol. @throws BerthError `usage` naming `field` */
export function parsePublishedPort(text: string, field: string): PublishedPort {
  const match = /^(\d{1,5})(?::(\d{1,5}))?(?:\/(tcp|udp))?$/.exec(text);
  const hostPort = Number(match?.[1]);
  const appPort = Number(match?.[2] ?? match?.[1]);
  if (match === null || !isPort(hostPort) || !isPort(appPort)) {
    throw new BerthError('usage', `${field}: "${text}" is not a published port (expected HOST:APP/tcp or HOST:APP/udp, ports from 1 to 65535)`);
  }
  return { hostPort, appPort, protocol: (match[3] as Transport | undefined) ?? 'tcp' };
}

export function formatPublishedPort({ hostPort, appPort, protocol }: PublishedPort): string {
  return `${hostPort}:${appPort}/${protocol}`;
}

/** `8080/tcp`, `9000-9010/udp`. @throws BerthError `usage` naming `field` */
export function parsePortRange(text: string, field: string): PortRange {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?\/(tcp|udp)$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || !isPort(first) || !isPort(last) || last < first) {
    throw new BerthError('usage', `${field}: "${text}" is not a port or range of ports (expected 8080/tcp or 9000-9010/udp)`);
  }
  return { first, last, protocol: match[3] as Transport };
}

/**
 * One destination as it is written: `10.0.0.0/8`, `192.0.2.1:53/udp`, `[2001:db8::]/32:443/tcp`; `*` is two, everything
 * of IPv4 and of IPv6.
 * @throws BerthError `usage` naming `field`
 */
export function parseDestination(text: string, field: string): readonly Destination[] {
  if (text === '*') return anywhere;
  const match = /^(?:\[([^\]]+)\]|([\d.]+))(\/\d{1,3})?(?::(\d{1,5}))?(?:\/(tcp|udp))?$/.exec(text) ?? /^([0-9A-Fa-f:.]*::?[0-9A-Fa-f:.]*)()(\/\d{1,3})?$/.exec(text);
  const network = parseNetwork(`${match?.[1] ?? ''}${match?.[2] ?? ''}${match?.[3] ?? ''}`);
  const port = match?.[4] === undefined ? undefined : Number(match[4]);
  if (match === null || network === undefined || (port !== undefined && !isPort(port))) {
    throw new BerthError('usage', `${field}: "${text}" is not a destination (expected *, 10.0.0.0/8, 192.0.2.1:53/udp or [2001:db8::]/32:443/tcp, without bits beyond the prefix)`);
  }
  const protocol = match[5] as Transport | undefined;
  return [{ network: formatNetwork(network), ...(port === undefined ? {} : { port }), ...(protocol === undefined ? {} : { protocol }) }];
}

export function formatDestination({ network, port, protocol }: Destination): string {
  const [address = '', prefix] = network.split('/');
  const place = `${address.includes(':') ? `[${address}]` : address}${prefix === undefined ? '' : `/${prefix}`}`;
  return `${place}${port === undefined ? '' : `:${port}`}${protocol === undefined ? '' : `/${protocol}`}`;
}

/** What both destinations allow; undefined if that is nothing. */
export function commonDestination(a: Destination, b: Destination): Destination | undefined {
  const [first, second] = [networkOf(a), networkOf(b)];
  if (!overlap(first, second) || differ(a.port, b.port) || differ(a.protocol, b.protocol)) return undefined;
  const network = contains(first, second) ? b.network : a.network;
  const port = a.port ?? b.port;
  const protocol = a.protocol ?? b.protocol;
  return { network, ...(port === undefined ? {} : { port }), ...(protocol === undefined ? {} : { protocol }) };
}

/** True if all of `asked` lies in the one destination `allowed`. */
export function coversDestination(allowed: Destination, asked: Destination): boolean {
  return contains(networkOf(allowed), networkOf(asked)) && (allowed.port === undefined || allowed.port === asked.port) && (allowed.protocol === undefined || allowed.protocol === asked.protocol);
}

/** True if all addresses of a destination are on the public internet. */
export function isPublic(destination: Destination): boolean {
  const network = networkOf(destination);
  if (network.family === 6) return contains(parseNetwork(publicNetwork6)!, network);
  return !privateNetworks4.some((text) => overlap(parseNetwork(text)!, network));
}

function networkOf({ network }: Destination): IpNetwork {
  const parsed = parseNetwork(network);
  if (parsed === undefined) throw new BerthError('internal', `not a network: ${network}`);
  return parsed;
}

function differ<T>(a: T | undefined, b: T | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}

function isPort(value: number): boolean {
  return value >= 1 && value <= 65_535;
}
