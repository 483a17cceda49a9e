import { rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { replaceFileSync } from '../../lib/durable.ts';
import { asBerthError } from '../../lib/errors.ts';
import { formatNetwork } from '../../lib/ip.ts';
import type { Journal } from '../../lib/journal.ts';
import { Queue } from '../../lib/queue.ts';
import { namesIn, readIfThere } from '../files.ts';
import { bundleFiles, type BundleFiles, type Places } from '../places.ts';
import type { InstanceNetwork, InstanceSpec, OciConfig } from '../types.ts';
import { addressOf, checkPorts, choosePlace, type Attachment } from './attachment.ts';
import { Bridge, hasIpv6, removeDevice } from './bridge.ts';
import { bandwidthConfig, bridgeConfig, Plugins, plugOf } from './cni.ts';
import { hostsFile, nameServers, resolvConf, resolvConfPaths } from './names.ts';
import { checkOverlap, planNetwork, type NetworkOptions, type NetworkPlan } from './plan.ts';
import { RulesWatch } from './rules-watch.ts';
import { removal, ruleset } from './ruleset.ts';
import { requireTools, runTool } from './tools.ts';

/**
 * Connects instances to the bridge and takes them off again. Everything that the host has for it (bridge, rules,
 * forwarding) is there only while an instance is connected. One step at a time, whoever asks.
 */
export class Networks {
  readonly #plan: NetworkPlan;
  readonly #options: NetworkOptions;
  readonly #places: Places;
  readonly #bridge: Bridge;
  readonly #journal: Journal;
  readonly #queue = new Queue();
  /** By instance; those that an earlier daemon connected too. */
  readonly #attachments: Map<string, Attachment>;
  readonly #watch: RulesWatch;
  /** True while a look at the rules is due, which sees all that was before it. */
  #isLooking = false;

  /** @throws BerthError `usage` naming a key of the configuration that is wrong */
  constructor(options: NetworkOptions, runDir: string, places: Places, journal: Journal) {
    this.#options = options;
    this.#plan = planNetwork(options, runDir, hasIpv6());
    this.#places = places;
    this.#bridge = new Bridge(this.#plan, places.forwarding);
    this.#journal = journal;
    this.#watch = new RulesWatch(() => { void this.#look(); }, journal);
    this.#attachments = new Map(
      namesIn(places.bundles).flatMap((id) => {
        const text = readIfThere(bundleFiles(places, id).network);
        return text === undefined ? [] : [[id, JSON.parse(text) as Attachment]];
      }),
    );
  }

  /** Addresses of an instance on the bridge, with the length of their networks; none without a bridge. */
  addresses(id: string): readonly string[] {
    const attachment = this.#attachments.get(id);
    return attachment === undefined ? [] : this.#families().map((network) => `${formatNetwork(addressOf(attachment, network))}/${network.prefix}`);
  }

  /**
   * Before the container is created: reserves addresses and ports, and gives the config with the files that tell the
   * app about its network.
   * @throws BerthError `conflict` naming the app that has one of its ports
   */
  async prepare({ id, app, network, config }: InstanceSpec, files: BundleFiles): Promise<OciConfig> {
    if (network === undefined || network.mode === 'none') return config;
    const servers = nameServers(this.#options.dns, resolvConfPaths.map((path) => readIfThere(path) ?? ''));
    if (network.mode === 'bridge') await this.#queue.run(async () => { this.#reserve(id, app, network, servers); });
    const addresses = this.addresses(id).map((address) => address.replace(/\/.*/, ''));
    // On the network of the host, a server on the host is in reach.
    writeFileSync(files.resolvConf, network.mode === 'host' ? (readIfThere(resolvConfPaths[0]!) ?? '') : resolvConf(servers));
    writeFileSync(files.hosts, hostsFile(typeof config['hostname'] === 'string' ? config['hostname'] : app, addresses));
    const given = Array.isArray(config['mounts']) ? (config['mounts'] as readonly Mount[]) : [];
    const mounts = network.mode === 'host' ? given.map((mount) => (mount.type === 'sysfs' ? emptySys : mount)) : given;
    return { ...config, mounts: [...mounts, file(files.resolvConf, '/etc/resolv.conf'), file(files.hosts, '/etc/hosts')] };
  }

  /**
   * Between creation and start: connects a container. When this resolves, the rules stand; nothing of the app has run.
   * @param pid its first process
   * @throws BerthError saying what is missing or failed; {@link disconnect} then takes away what was made
   */
  async connect(id: string, pid: number): Promise<void> {
    const attachment = this.#attachments.get(id);
    if (attachment !== undefined) await this.#queue.run(async () => { await this.#plug(attachment, `/proc/${pid}/ns/net`); });
  }

  /** Takes an instance off the bridge, wherever it stands; its processes have ended. */
  async disconnect(id: string): Promise<void> {
    if (this.#attachments.has(id)) await this.#queue.run(async () => { await this.#unplug(id); });
  }

  /** Makes bridge and rules whole again for the instances that are there; without any, takes them away. */
  async restore(): Promise<void> {
    try {
      await this.#queue.run(async () => { await (this.#attachments.size === 0 ? this.#close() : this.#open()); });
    } catch (error) {
      // Instances of an earlier daemon go on, as their rules do; no other is connected before they can be made whole.
      this.#journal('error', `the network of apps could not be made whole again: ${asBerthError(error).message}`);
    }
  }

  /** Watches no more; instances stay connected. */
  close(): void {
    this.#watch.stop();
  }

  #families(): readonly NetworkPlan['subnet'][] {
    return [this.#plan.subnet, ...(this.#plan.subnet6 === undefined ? [] : [this.#plan.subnet6])];
  }

  #reserve(id: string, app: string, network: InstanceNetwork, dns: readonly string[]): void {
    const hostAddresses = Object.entries(networkInterfaces()).flatMap(([device, entries]) => (entries ?? []).flatMap(({ cidr }) => (cidr === null ? [] : [{ device, cidr }])));
    checkOverlap(this.#plan, hostAddresses);
    const others = [...this.#attachments.values()];
    checkPorts(network.ports, others);
    const index = choosePlace(app, this.#plan.subnet, new Set(others.map((other) => other.index)));
    const reachable = this.#plan.subnet6 === undefined ? dns.filter((server) => !server.includes(':')) : dns;
    this.#keep({ id, app, index, network, dns: reachable });
  }

  async #plug(reserved: Attachment, namespace: string): Promise<void> {
    const plugins = new Plugins(this.#options.plugins);
    await requireTools();
    await this.#bridge.open();
    const result = await plugins.call('ADD', bridgeConfig(this.#plan, reserved), reserved.id, namespace);
    const plug = plugOf(this.#plan, result);
    const attachment: Attachment = { ...reserved, plug };
    this.#keep(attachment);
    await this.#bridge.isolate(plug);
    const bandwidth = bandwidthConfig(this.#plan, attachment, result);
    if (bandwidth !== undefined) await plugins.call('ADD', bandwidth, attachment.id, namespace);
    await this.#open();
  }

  async #unplug(id: string): Promise<void> {
    const attachment = this.#attachments.get(id);
    if (attachment === undefined) return;
    try {
      await this.#takeAway(attachment);
      this.#attachments.delete(id);
      await (this.#attachments.size === 0 ? this.#close() : this.#apply());
    } catch (error) {
      // A pair of devices ends with the container, and rules for an address that nobody has do no harm: the app is off
      // the network all the same, and whatever it is that fails, it must not keep the app from being started again.
      this.#journal('error', `${attachment.app} is off the network, but not all that it had there could be taken away: ${asBerthError(error).message}`);
    } finally {
      this.#attachments.delete(id);
      rmSync(bundleFiles(this.#places, id).network, { force: true });
    }
  }

  async #takeAway(attachment: Attachment): Promise<void> {
    const { id, plug } = attachment;
    if (plug === undefined) return;
    const plugins = new Plugins(this.#options.plugins);
    const bandwidth = bandwidthConfig(this.#plan, attachment);
    if (bandwidth !== undefined) await plugins.call('DEL', bandwidth, id);
    await plugins.call('DEL', bridgeConfig(this.#plan, attachment), id);
    // The pair goes with the container's namespace, but some time after the last process.
    await removeDevice(plug.port);
  }

  /** In this order, so that nothing is forwarded before the rules stand. */
  async #open(): Promise<void> {
    await this.#bridge.open();
    await this.#apply();
    this.#bridge.forward();
    await this.#watch.start();
  }

  /** Tables were taken away: if they were Berth's, and not by Berth, apps are not held any more. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#queue.run(async () => {
        this.#isLooking = false;
        if (this.#attachments.size === 0 || (await this.#hasRules())) return;
        this.#journal('warning', 'the rules of the apps\' network were taken away by another program; they are loaded again');
        await this.#open();
      });
    } catch (error) {
      this.#journal('error', `the rules of the apps' network could not be loaded again: ${asBerthError(error).message}`);
    }
  }

  async #hasRules(): Promise<boolean> {
    const tables = await runTool('nft', ['list', 'tables']);
    return ['bridge', 'inet'].every((family) => tables.split('\n').includes(`table ${family} ${this.#plan.name}`));
  }

  async #close(): Promise<void> {
    this.#watch.stop();
    if (!this.#bridge.exists) return;
    this.#bridge.stopForwarding();
    await runTool('nft', ['-f', '-'], `${removal(this.#plan.name).join('\n')}\n`);
    // Last, since it tells that there is something to take away.
    await this.#bridge.remove();
  }

  async #apply(): Promise<void> {
    const forwardsForUs = [...new Set([...this.#bridge.forwardsForUs, ...this.#bridge.toForward])];
    await runTool('nft', ['-f', '-'], ruleset({ ...this.#plan, forwardsForUs }, [...this.#attachments.values()]));
  }

  #keep(attachment: Attachment): void {
    replaceFileSync(bundleFiles(this.#places, attachment.id).network, JSON.stringify(attachment));
    this.#attachments.set(attachment.id, attachment);
  }
}

interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/**
 * What an app on the network of the host has at `/sys`: nothing. The kernel lets a user namespace mount sysfs only with
 * a network namespace of its own (`sysfs_init_fs_context`), and bound from the host it would bring the host's cgroups.
 */
const emptySys: Mount = { destination: '/sys', type: 'tmpfs', source: 'tmpfs', options: ['ro', 'nosuid', 'nodev', 'noexec', 'mode=555', 'size=4k'] };

/** A file that is seen read-only in the container. */
function file(source: string, destination: string): Mount {
  return { destination, type: 'bind', source, options: ['bind', 'ro', 'nosuid', 'nodev', 'noexec'] };
}
