import type { NetworkRequest } from '../image/index.ts';
import type { Json } from '../lib/json.ts';
import {
  commonDestination, coversDestination, formatDestination, formatPublishedPort, isPublic, parseDestination, parsePortRange, type Destination, type PublishedPort,
} from '../lib/network.ts';
import { formatRate } from '../lib/units.ts';
import type { Decisions } from './decisions.ts';
import type { NetworkGrant, Rights } from './rights.ts';

/** Bits a second in each direction where the rights say nothing: enough for one app, and no flood. */
export const defaultRate = 100_000_000;

const pathOf = (name: string): string => `annotations["org.berth.${name}"]`;
const modePath = pathOf('network');
const portsPath = pathOf('network.ports');
const outboundPath = pathOf('network.outbound');

/**
 * How an app is on a network: never more than its rights, and never more than it asks for. An app that names no
 * destinations gets all that its rights have; without rights about them, the public internet.
 */
export function grantNetwork(asked: NetworkRequest, rights: Rights, decide: Decisions): NetworkGrant {
  const { mode } = asked;
  if (mode === 'none' || !(rights.networks ?? []).includes(mode)) {
    if (mode !== 'none') decide.limited(modePath, mode, `the policy gives this app no network of kind ${mode} (rights: networks)`, 'none');
    refuseDetails(asked, 'only an app with a bridge has any', decide);
    return { mode: 'none', ports: [] };
  }
  decide.granted(modePath, mode);
  if (mode === 'host') {
    refuseDetails(asked, 'an app on the network of the host has no bridge on which it could be held', decide);
    return { mode, ports: [] };
  }
  const outbound = grantOutbound(asked.outbound, rights.outbound, decide);
  return {
    mode,
    ports: grantPorts(asked.ports, rights.ports ?? [], decide),
    ...(outbound === undefined ? {} : { outbound }),
    bandwidth: { in: grantRate('in', asked, rights, decide), out: grantRate('out', asked, rights, decide) },
  };
}

/** Ports and the like mean something with a bridge only: where there is none, they are not dropped in silence. */
function refuseDetails({ ports, outbound, bandwidth }: NetworkRequest, why: string, decide: Decisions): void {
  if (ports.length > 0) decide.refused(portsPath, ports.map(formatPublishedPort), why);
  if (outbound.length > 0) decide.refused(outboundPath, outbound.map(formatDestination), why);
  for (const direction of ['in', 'out'] as const) {
    if (bandwidth[direction] !== undefined) decide.refused(pathOf(`network.bandwidth.${direction}`), formatRate(bandwidth[direction]), why);
  }
}

function grantPorts(asked: readonly PublishedPort[], allowed: readonly string[], decide: Decisions): readonly PublishedPort[] {
  if (asked.length === 0) return [];
  const ranges = allowed.map((text) => parsePortRange(text, 'ports'));
  const isAllowed = ({ hostPort, protocol }: PublishedPort): boolean => ranges.some((range) => range.protocol === protocol && hostPort >= range.first && hostPort <= range.last);
  const granted = asked.filter(isAllowed);
  const beyond = asked.filter((port) => !isAllowed(port)).map(({ hostPort, protocol }) => `${hostPort}/${protocol}`);
  tell(portsPath, asked.map(formatPublishedPort), granted.map(formatPublishedPort), `the policy does not let this app publish ${beyond.join(', ')} (rights: ports)`, decide);
  return granted;
}

function grantOutbound(asked: readonly Destination[], texts: readonly string[] | undefined, decide: Decisions): readonly Destination[] | undefined {
  const allowed = texts?.flatMap((text) => parseDestination(text, 'outbound'));
  if (asked.length === 0) return allowed;
  const isAllowed = (destination: Destination): boolean => allowed?.some((other) => coversDestination(other, destination)) ?? isPublic(destination);
  // What is only partly allowed is cut down to that part where the policy degrades.
  const granted = asked.flatMap((destination) => {
    if (isAllowed(destination)) return [destination];
    return (allowed ?? []).flatMap((other) => commonDestination(other, destination) ?? []);
  });
  const beyond = asked.filter((destination) => !isAllowed(destination)).map(formatDestination).join(', ');
  const why = allowed === undefined ? `${beyond} is not on the public internet, and the policy gives no other destinations (rights: outbound)` : `the policy does not let this app connect to ${beyond} (rights: outbound)`;
  tell(outboundPath, asked.map(formatDestination), granted.map(formatDestination), why, decide);
  return granted;
}

function tell(path: string, asked: readonly string[], granted: readonly string[], why: string, decide: Decisions): void {
  if (asked.length === granted.length && asked.every((text, index) => text === granted[index])) decide.granted(path, asked);
  else if (granted.length === 0) decide.refused(path, asked, why);
  else decide.limited(path, asked, why, granted);
}

/** The lesser of what is asked for and the right; nothing to refuse, since any rate serves any app sooner or later. */
function grantRate(direction: 'in' | 'out', { bandwidth }: NetworkRequest, rights: Rights, decide: Decisions): number {
  const asked = bandwidth[direction];
  const most = rights.bandwidth?.[direction] ?? defaultRate;
  if (asked === undefined) return most;
  const granted: Json = formatRate(Math.min(asked, most));
  decide.granted(pathOf(`network.bandwidth.${direction}`), formatRate(asked), granted);
  return Math.min(asked, most);
}
