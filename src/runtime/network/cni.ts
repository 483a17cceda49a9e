import { join } from 'node:path';
import * as v from 'valibot';
import { BerthError } from '../../lib/errors.ts';
import { formatNetwork, type IpNetwork } from '../../lib/ip.ts';
import { run } from '../../lib/process.ts';
import { addressOf, gatewayOf, type Attachment, type Plug } from './attachment.ts';
import type { NetworkPlan } from './plan.ts';
import { findPlugins, pluginDirectories, pluginNames, type PluginName } from './tools.ts';

/** CNI specification of this version: all that Debian 12's plugins know. */
const cniVersion = '1.0.0';
/** Name of the network device in the container. */
const deviceName = 'eth0';
const timeoutMs = 30_000;

/** A network configuration for one plugin (CNI specification, section 1). */
export type CniConfig = Readonly<Record<string, unknown>>;

/**
 * For the plugin `bridge`: a pair of devices with these addresses, one end on the bridge. Addresses are given (IPAM
 * plugin `static`), since {@link Attachment} is their lease. Masquerading and published ports are Berth's own rules
 * (`ruleset.ts`), applied and taken away in one step; the plugins' need iptables.
 */
export function bridgeConfig({ name, subnet, subnet6 }: NetworkPlan, attachment: Attachment): CniConfig {
  const families: readonly (readonly [IpNetwork, string])[] = [[subnet, '0.0.0.0/0'], ...(subnet6 === undefined ? [] : [[subnet6, '::/0'] as const])];
  return {
    cniVersion,
    name,
    type: 'bridge',
    bridge: name,
    isGateway: false,
    ipMasq: false,
    ipam: {
      type: 'static',
      addresses: families.map(([network]) => ({ address: `${formatNetwork(addressOf(attachment, network))}/${network.prefix}`, gateway: formatNetwork(gatewayOf(network)) })),
      routes: families.map(([network, dst]) => ({ dst, gw: formatNetwork(gatewayOf(network)) })),
    },
  };
}

/** Least that a queue must take at once, in bits: one packet as large as the kernel makes them. */
const minBurstBits = 64 * 1024 * 8;
/** A queue takes what arrives in this part of a second at once, beyond its rate. */
const burstsPerSecond = 20;

/**
 * For the plugin `bandwidth`: queues in both directions (tbf(8)), of which "ingress" is what the app receives.
 * Undefined without limits.
 */
export function bandwidthConfig({ name }: NetworkPlan, { network }: Attachment, prevResult?: unknown): CniConfig | undefined {
  const { in: into, out } = network.bandwidth ?? {};
  if (into === undefined && out === undefined) return undefined;
  const burst = (rate: number): number => Math.min(Math.max(minBurstBits, Math.ceil(rate / burstsPerSecond)), 0xffff_ffff);
  return {
    cniVersion,
    name,
    type: 'bandwidth',
    ...(into === undefined ? {} : { ingressRate: into, ingressBurst: burst(into) }),
    ...(out === undefined ? {} : { egressRate: out, egressBurst: burst(out) }),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}

/** What plugins answer to ADD, as far as it matters here (CNI specification, section 5). */
const resultSchema = v.object({ interfaces: v.array(v.object({ name: v.string(), mac: v.string(), sandbox: v.optional(v.string()) })) });

/** Which devices the plugin `bridge` made. @throws BerthError `runtime` if its answer does not say */
export function plugOf(plan: NetworkPlan, result: unknown): Plug {
  const parsed = v.safeParse(resultSchema, result);
  const devices = parsed.success ? parsed.output.interfaces : [];
  const port = devices.find(({ name, sandbox }) => (sandbox ?? '') === '' && name !== plan.name);
  const inside = devices.find(({ sandbox }) => (sandbox ?? '') !== '');
  if (port === undefined || inside === undefined) throw new BerthError('runtime', 'the CNI plugin bridge does not say which devices it made');
  return { port: port.name, mac: inside.mac };
}

const errorSchema = v.object({ msg: v.string(), details: v.optional(v.string()) });

/** The CNI plugins of a directory. */
export class Plugins {
  readonly #directory: string;

  /** @throws BerthError `unavailable` if they are not there */
  constructor(configured: string | undefined) {
    const directory = findPlugins(configured);
    if (directory === undefined) {
      const places = configured ?? pluginDirectories.join(' or ');
      throw new BerthError('unavailable', `the CNI plugins ${pluginNames.join(', ')} are not in ${places}, without which no app can have a bridge; install the package containernetworking-plugins`);
    }
    this.#directory = directory;
  }

  /**
   * Calls a plugin and gives its result (undefined for DEL).
   * @param id the container's
   * @param namespace path of its network namespace; absent for DEL if it is gone already
   * @throws BerthError `runtime` with the plugin's message
   */
  async call(command: 'ADD' | 'DEL', config: CniConfig, id: string, namespace = ''): Promise<unknown> {
    const plugin = config['type'] as PluginName;
    const env = {
      PATH: process.env['PATH'], CNI_COMMAND: command, CNI_CONTAINERID: id, CNI_NETNS: namespace, CNI_IFNAME: deviceName, CNI_PATH: this.#directory,
    };
    const { code, stdout, stderr } = await run(join(this.#directory, plugin), [], { env, input: JSON.stringify(config), timeoutMs });
    if (code !== 0) {
      const error = v.safeParse(errorSchema, parse(stdout));
      throw new BerthError('runtime', `the CNI plugin ${plugin} failed: ${error.success ? [error.output.msg, error.output.details ?? ''].join(' ').trim() : stderr.trim()}`);
    }
    return stdout === '' ? undefined : parse(stdout);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
