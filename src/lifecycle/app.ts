import { BerthError } from '../lib/errors.ts';
import { formatDestination, formatPublishedPort } from '../lib/network.ts';
import type { DataHolder, DataUse } from './data-watch.ts';
import type { NetworkGrant } from '../policy/index.ts';
import type { ExecSession, ExecSpec } from '../runtime/index.ts';
import type { AppRow } from '../store/index.ts';
import { Actor } from './actor.ts';
import { phases } from './machine.ts';
import { judgeAtBoot } from './records.ts';
import type { Tools } from './tools.ts';
import type { AppFigures, AppStatus, NetworkStatus } from './types.ts';

/** One app as people and the supervisor see it: what can be done with it, and what can be told of it. */
export class App {
  readonly name: string;
  readonly #tools: Tools;
  readonly #image: AppRow['image'];
  readonly #actor: Actor;

  /** @param predecessor what this one takes the place of, after an install */
  constructor(tools: Tools, row: AppRow, predecessor?: App) {
    this.name = row.name;
    this.#tools = tools;
    this.#image = row.image;
    this.#actor = new Actor(tools, row, predecessor === undefined ? undefined : predecessor.#actor);
  }

  /** Names of what it comes after in the order of start. */
  get after(): readonly string[] {
    const { dependsOn, settings } = this.#actor.profile;
    return [...dependsOn, ...settings.startAfter];
  }

  /** The id of its instance, if it has one. */
  get instanceId(): string | undefined {
    return this.#actor.instance?.id;
  }

  status(): AppStatus {
    const { phase, record, profile, watch, reason, nextStartAt, instance } = this.#actor;
    const image = this.#tools.store.image(this.#image);
    const running = instance?.record;
    const devices = this.#tools.devices.leases(this.name);
    const data = this.#data();
    return {
      name: this.name,
      version: image?.version ?? '',
      digest: this.#image,
      signed: image?.signed ?? false,
      ...(image?.authority === undefined ? {} : { authority: image.authority }),
      description: image?.description ?? '',
      state: phases[phase].shown,
      desired: record.desired,
      health: watch?.health ?? 'none',
      ...(running === undefined ? {} : { instance: { id: running.id, pid: running.init.pid, startedAt: running.startedAt } }),
      restarts: record.restarts,
      ...(nextStartAt === undefined ? {} : { nextStartAt }),
      ...(record.lastEnd === undefined ? {} : { lastExit: record.lastEnd.exit }),
      ...(reason === undefined ? {} : { reason }),
      ...(profile.settings.watchdogMs === 0 ? {} : { watchdogMs: profile.settings.watchdogMs }),
      ...(profile.network === undefined || profile.network.mode === 'none' ? {} : { network: this.#network(profile.network) }),
      ...(devices.length === 0 ? {} : { devices }),
      ...(profile.hostUser === undefined ? {} : { hostUser: profile.hostUser }),
      ...(data === undefined ? {} : { data }),
      degraded: profile.degraded,
    };
  }

  #data(): DataUse | undefined {
    const { profile } = this.#actor;
    if (!this.#keepsData) return undefined;
    return this.#tools.dataUse(this.name) ?? (profile.dataBytes === undefined ? undefined : { limitBytes: profile.dataBytes });
  }

  #network({ mode, ports, outbound, bandwidth }: NetworkGrant): NetworkStatus {
    const { instance } = this.#actor;
    return {
      mode,
      addresses: instance === undefined ? [] : this.#tools.runtime.addresses(instance.id),
      ports: ports.map(formatPublishedPort),
      ...(outbound === undefined ? {} : { outbound: outbound.map(formatDestination) }),
      ...(bandwidth === undefined ? {} : { bandwidth }),
    };
  }

  figures(): AppFigures | undefined {
    const { instance, record } = this.#actor;
    const figures = instance?.record === undefined ? undefined : this.#tools.runtime.figures(instance.id);
    return figures === undefined ? undefined : { ...figures, name: this.name, restarts: record.restarts, at: this.#tools.clock.now() };
  }

  async exec(spec: ExecSpec): Promise<ExecSession> {
    const { phase, instance } = this.#actor;
    if (phase === 'running' && instance !== undefined) return this.#tools.runtime.exec(instance.id, spec);
    throw new BerthError('conflict', `app ${this.name} is ${phases[phase].shown}; a command can be run in an app only while it runs`);
  }

  async start(): Promise<void> {
    await this.#actor.command('start', 'started');
  }

  /** @param timeoutMs from the stop signal to SIGKILL, if not the app's own; also for `stop` */
  async restart(timeoutMs?: number): Promise<void> {
    await this.#actor.command('restart', 'started', timeoutMs);
  }

  async stop(timeoutMs?: number): Promise<void> {
    await this.#actor.command('stop', 'ended', timeoutMs);
    await this.#actor.settled();
    this.#actor.save();
  }

  async kill(): Promise<void> {
    await this.#actor.command('kill', 'ended');
    await this.#actor.settled();
    this.#actor.save();
  }

  async suspend(): Promise<void> {
    await this.#actor.command('suspend', 'suspended');
  }

  async resume(): Promise<void> {
    await this.#actor.command('resume', 'resumed');
  }

  /** Takes over the instance that the row names, if any. True if the app is to be started, in its turn. */
  async takeOver(): Promise<boolean> {
    return this.#actor.takeOver();
  }

  /** Starts it at boot, unless a person has stopped it since. Resolves when it runs, rejects with why it does not. */
  async autostart(): Promise<void> {
    if (this.#actor.record.desired === 'running') await this.#actor.command('autostart', 'started');
  }

  /** Starts it after an update if it is to run and does not. Resolves when it runs, rejects with why it does not. */
  async rejoin(): Promise<void> {
    const { record } = this.#actor;
    if (record.desired === 'running' && judgeAtBoot(record, this.#tools.bootId) !== 'rest') await this.#actor.command('autostart', 'started');
  }

  /** Resolves when it runs and is healthy (if it has a check); rejects when it ended, failed or is not to run. */
  async ready(): Promise<void> {
    await this.#actor.until('ready');
  }

  /** Stops it for an update: what is desired stays. That a full disk does not take it keeps nothing from going on. */
  async halt(): Promise<void> {
    await this.#actor.command('halt', 'ended');
    await this.#actor.settled();
  }

  /** It says that it lives. @throws BerthError `conflict` if its image declares no watchdog */
  feedWatchdog(): void {
    if (this.#actor.profile.settings.watchdogMs === 0) throw new BerthError('conflict', `app ${this.name} has no watchdog to feed: its image does not set org.berth.watchdog`);
    this.#actor.watch?.feed();
  }

  /** What the watch over data must know of it while it runs; undefined unless it runs and keeps data. */
  get dataHolder(): DataHolder | undefined {
    const { phase, instance, profile } = this.#actor;
    if (phase !== 'running' || instance === undefined || !this.#keepsData) return undefined;
    return { app: this.name, instance: instance.id, ...(profile.dataBytes === undefined ? {} : { limitBytes: profile.dataBytes }) };
  }

  /** Apps to whose volumes it can write while it runs. */
  get writesTo(): readonly string[] {
    const { phase, profile } = this.#actor;
    return phase === 'running' ? profile.settings.volumes.filter(({ access }) => access === 'write').map(({ owner }) => owner) : [];
  }

  /** The same of an app that does not run, to whose volumes others write. */
  get absentHolder(): DataHolder {
    const { profile } = this.#actor;
    return { app: this.name, instance: 'none', ...(profile.dataBytes === undefined ? {} : { limitBytes: profile.dataBytes }) };
  }

  get #keepsData(): boolean {
    const { settings } = this.#actor.profile;
    return settings.data.length > 0 || settings.sharedVolumes.length > 0;
  }

  /** Ends it at once, for good until a person starts it: why, for people. */
  overfull(why: string): void {
    this.#actor.overfull(why);
  }

  /** Stops it for the shutdown of the device: what is desired stays. */
  async shutdown(): Promise<void> {
    await this.#actor.command('shutdown', 'ended');
    await this.#actor.settled();
  }

  /** The time for the shutdown is over. */
  shutdownNow(): void {
    this.#actor.shutdownNow();
  }

  /** Lets go of it: what runs goes on; an instance that is being made is finished and recorded. */
  async detach(): Promise<void> {
    await this.#actor.detach();
  }

  /** What it waits for in the queue for a device would be its own now. */
  deviceDue(): void {
    this.#actor.deviceDue();
  }

  /** The runtime tells that an instance of it has ended. */
  exited(exit: Parameters<Actor['exited']>[0]): void {
    this.#actor.exited(exit);
  }
}
