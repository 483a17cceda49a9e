import { isIP } from 'node:net';
import { formatNetwork, parseNetwork } from '../../lib/ip.ts';

/** Where a host says which name servers it asks; the second while the first names only systemd-resolved. */
export const resolvConfPaths: readonly string[] = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** resolv.conf(5): the resolver of the C library reads no more name servers than these. */
const maxServers = 3;

/**
 * Name servers for apps: those configured, else the host's own as its resolv.conf(5) files say (the first that has
 * any). A server on the host itself (systemd-resolved's, a dnsmasq) is out of apps' reach and left out.
 */
export function nameServers(configured: readonly string[] | undefined, resolvConfs: readonly string[]): readonly string[] {
  if (configured !== undefined) return configured;
  for (const text of resolvConfs) {
    const servers = [...text.matchAll(/^nameserver\s+(\S+)/gm)].map(([, server]) => server!).filter((server) => isIP(server) !== 0 && !isLoopback(server));
    if (servers.length > 0) return servers.slice(0, maxServers);
  }
  return [];
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || formatNetwork(parseNetwork(address)!) === '::1';
}

/** The resolv.conf(5) of an app. */
export function resolvConf(servers: readonly string[]): string {
  const lines = servers.map((server) => `nameserver ${server}\n`).join('');
  return lines === '' ? '# This device has no name server that apps can reach.\n' : lines;
}

/** The hosts(5) of an app. */
export function hostsFile(hostname: string, addresses: readonly string[]): string {
  const own = addresses.length === 0 ? ['127.0.1.1'] : addresses;
  return ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', ...own.map((address) => `${address}\t${hostname}`), ''].join('\n');
}
