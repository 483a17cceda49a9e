import { existsSync, readFileSync } from 'node:fs';
import { asBerthError } from '../../lib/errors.ts';
import { readIfThere } from '../files.ts';
import { findProgram } from '../program.ts';
import type { Attachment } from './attachment.ts';
import { forwardingPaths, hasIpv6 } from './bridge.ts';
import { nameServers, resolvConfPaths } from './names.ts';
import { planNetwork, type NetworkOptions } from './plan.ts';
import { ruleset } from './ruleset.ts';
import { findPlugins, networkPrograms, pluginDirectories, runTool } from './tools.ts';

/** One thing that apps with a bridge stand on; what is missing hurts no other app. */
export interface NetworkCheck {
  readonly name: string;
  readonly outcome: 'ok' | 'warning';
  readonly found: string;
  readonly advice?: string;
}

/** Looks whether this host can give apps a bridge; changes nothing. */
export async function examineNetwork(options: NetworkOptions, runDir: string): Promise<readonly NetworkCheck[]> {
  return [plugins(options), await programs(), bridgeDriver(), await rules(options, runDir), forwarding(), servers(options)];
}

function ok(name: string, found: string): NetworkCheck {
  return { name, outcome: 'ok', found };
}

function lacks(name: string, found: string, advice: string): NetworkCheck {
  return { name, outcome: 'warning', found, advice: `${advice}; until then no app can have a bridge` };
}

function plugins(options: NetworkOptions): NetworkCheck {
  const directory = findPlugins(options.plugins);
  if (directory !== undefined) return ok('network-plugins', directory);
  return lacks('network-plugins', `no CNI plugins in ${options.plugins ?? pluginDirectories.join(' or ')}`, 'install containernetworking-plugins');
}

async function programs(): Promise<NetworkCheck> {
  const missing: (keyof typeof networkPrograms)[] = [];
  for (const program of Object.keys(networkPrograms) as (keyof typeof networkPrograms)[]) if ((await findProgram(program)) === undefined) missing.push(program);
  if (missing.length === 0) return ok('network-programs', Object.keys(networkPrograms).join(', '));
  return lacks('network-programs', `without ${missing.join(', ')}`, `install ${[...new Set(missing.map((program) => networkPrograms[program]))].join(' and ')}`);
}

/** A driver that is a module of the kernel is loaded when the first bridge is made. */
function bridgeDriver(): NetworkCheck {
  const release = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  const isModule = ['modules.builtin', 'modules.dep'].some((list) => readIfThere(`/lib/modules/${release}/${list}`)?.includes('/bridge.ko') === true);
  if (existsSync('/sys/module/bridge') || isModule) return ok('network-bridge', 'the kernel has bridges');
  return lacks('network-bridge', 'the kernel seems to have no bridges', 'enable CONFIG_BRIDGE in the kernel');
}

/** An app with all that rules may hold; nothing is done with it. */
const sample: Attachment = {
  id: '', app: '', index: 2, dns: [], plug: { port: 'veth0', mac: '02:00:00:00:00:01' },
  network: { mode: 'bridge', ports: [{ hostPort: 80, appPort: 80, protocol: 'tcp' }] },
};

async function rules(options: NetworkOptions, runDir: string): Promise<NetworkCheck> {
  try {
    const plan = planNetwork(options, runDir, hasIpv6());
    await runTool('nft', ['--check', '-f', '-'], ruleset({ ...plan, forwardsForUs: [4] }, [sample]));
    return ok('network-rules', 'nft and the kernel take all rules');
  } catch (error) {
    return lacks('network-rules', asBerthError(error).message, 'install nftables, and enable what is missing in the kernel (docs/networks.md lists it)');
  }
}

function forwarding(): NetworkCheck {
  const isOn = readIfThere(forwardingPaths[4])?.trim() === '1';
  return ok('network-forwarding', isOn ? 'on' : 'off; berthd turns it on while an app has a bridge, for apps only');
}

function servers(options: NetworkOptions): NetworkCheck {
  const found = nameServers(options.dns, resolvConfPaths.map((path) => readIfThere(path) ?? ''));
  if (found.length > 0) return ok('network-dns', found.join(', '));
  return { name: 'network-dns', outcome: 'warning', found: 'no name server that apps can reach', advice: 'set network.dns: apps do not reach what runs on this device' };
}
