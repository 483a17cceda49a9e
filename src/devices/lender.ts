import { existsSync } from 'node:fs';
import type { Clock } from '../lib/clock.ts';
import { Signal } from '../lib/emitter.ts';
import { asBerthError } from '../lib/errors.ts';
import type { DeviceGrant, DeviceLoan } from '../policy/index.ts';
import { describePlace } from './declaration.ts';
import type { Declarations } from './declarations.ts';
import { inUse } from './in-use.ts';
import { due, noLeases, release, request, strictest, withdraw, type LeaseAnswer, type LeaseBook, type Terms } from './leases.ts';
import { lookAt, type HostPlaces } from './look.ts';
import { numberOf } from './node.ts';
import { assign, type Presence } from './presence.ts';
import { PrivateDevs } from './private-dev.ts';
import { deviceRules } from './rules.ts';
import { compare } from './sightings.ts';
import type { DeviceLender, DeviceNews, DeviceStatus, LeaseStatus } from './types.ts';
import { changes, wantedNodes, type LentNode } from './wanted.ts';
import { DeviceWatch } from './watch.ts';

export interface LenderOptions {
  readonly declarations: Declarations;
  /** Directory for the /dev of apps, on a tmpfs that a restart empties. */
  readonly directory: string;
  readonly places: HostPlaces;
  /** Host id of an app's root. */
  readonly owner: (app: string) => number;
  readonly clock: Clock;
  readonly tell: (news: DeviceNews) => void;
}

/** udev has not yet made its links to what came: it is asked again this soon. */
const settleMs = 50;

/**
 * Lends devices to apps: keeps the book of leases, and the nodes in the /dev of each app that holds one in accord with
 * the devices that are there.
 */
export class Lender implements DeviceLender {
  readonly #options: LenderOptions;
  readonly #devs: PrivateDevs;
  readonly #due = new Signal<string>();
  readonly #watch: DeviceWatch;
  /** What is in the /dev of each app that has one, by path. */
  readonly #contents = new Map<string, Map<string, LentNode>>();
  /** Faults that were told, by app, so that each is told once. */
  readonly #told = new Map<string, string>();
  #book: LeaseBook = noLeases;
  #presences: readonly Presence[];
  /** Changes of /dev directories are made one after the other. */
  #tail: Promise<void> = Promise.resolve();

  constructor(options: LenderOptions) {
    this.#options = options;
    this.#devs = new PrivateDevs(options.directory);
    this.#presences = this.#look();
    this.#watch = new DeviceWatch(options.declarations.all, options.places, options.clock, () => {
      void this.reconcile();
    });
  }

  request(app: string, devices: readonly DeviceGrant[]): LeaseAnswer {
    const before = this.#book.held.get(app) ?? [];
    const { book, answer } = request(this.#book, app, devices, this.#terms);
    this.#book = book;
    const now = book.held.get(app) ?? [];
    const differing = (from: readonly DeviceGrant[], other: readonly DeviceGrant[]): readonly DeviceGrant[] => from.filter(({ device }) => !other.some((grant) => grant.device === device));
    this.#tellReturned(app, differing(before, now));
    for (const { device, path, access } of differing(now, before)) this.#options.tell({ type: 'device.lent', app, message: `${app} has the device ${device}`, detail: { device, path, access } });
    return answer;
  }

  async lend(app: string): Promise<DeviceLoan | undefined> {
    const leases = this.#book.held.get(app);
    if (leases === undefined) return undefined;
    await this.#inTurn(async () => {
      await this.#devs.open(app, this.#options.owner(app));
      this.#contents.set(app, new Map());
    });
    this.#watch.while(this.#book.held.size > 0);
    await this.reconcile();
    return { directory: this.#devs.path(app), rules: deviceRules(leases, this.#presences) };
  }

  keep(app: string, devices: readonly DeviceGrant[]): void {
    if (devices.length === 0) return;
    this.#book = { ...this.#book, held: new Map([...this.#book.held, [app, devices]]) };
  }

  leases(app: string): readonly LeaseStatus[] {
    const leases = this.#book.held.get(app) ?? [];
    const contents = [...(this.#contents.get(app)?.keys() ?? [])];
    return leases.map(({ device, path, access }) => {
      const inDev = path.slice('/dev/'.length);
      return { app, device, path, access, present: contents.some((has) => has === inDev || has.startsWith(`${inDev}/`)) };
    });
  }

  async release(app: string, reserved = false): Promise<void> {
    const leases = this.#book.held.get(app);
    if (leases === undefined) return;
    try {
      await this.#inTurn(async () => {
        this.#contents.delete(app);
        await this.#devs.close(app);
      });
    } catch (error) {
      this.#options.tell({ type: 'app.warning', app, message: asBerthError(error).message });
    }
    // It may have been lent other devices meanwhile.
    if (reserved || this.#book.held.get(app) !== leases) return;
    this.#book = release(this.#book, app);
    this.#watch.while(this.#book.held.size > 0);
    this.#tellReturned(app, leases);
  }

  withdraw(app: string): void {
    this.#book = withdraw(this.#book, app);
    this.#tellDue();
  }

  async sweep(): Promise<void> {
    try {
      await this.#inTurn(async () => this.#takeOver());
    } catch (error) {
      this.#tellFault('', { message: `what is left of devices that were lent cannot be taken away: ${asBerthError(error).message}` });
    }
    this.#watch.while(this.#book.held.size > 0);
    await this.reconcile();
  }

  async #takeOver(): Promise<void> {
    const { held } = this.#book;
    for (const app of held.keys()) {
      if (!this.#devs.isOpen(app)) continue;
      // Which devices the nodes stood for is not known any more; those that still do are made anew.
      this.#devs.remove(app, this.#devs.lent(app));
      this.#contents.set(app, new Map());
    }
    await this.#devs.retain(new Set(held.keys()));
  }

  onDue(listener: (app: string) => void): () => void {
    return this.#due.on(listener);
  }

  /** Looks at the host and brings every app's /dev into accord with it. Never throws; a fault is told. */
  async reconcile(): Promise<void> {
    try {
      await this.#inTurn(async () => this.#reconcileNow());
    } catch (error) {
      this.#tellFault('', { message: `devices of apps cannot be brought up to date: ${asBerthError(error).message}` });
    }
  }

  /** Every declared device at this moment. */
  async status(): Promise<readonly DeviceStatus[]> {
    await this.reconcile();
    const { held, queue } = this.#book;
    return this.#presences.toSorted((a, b) => (a.declaration.name < b.declaration.name ? -1 : 1)).map(({ declaration, nodes, fault }) => {
      const { name, description, place, sharing, busy, platform } = declaration;
      return {
        name,
        description,
        place: describePlace(place),
        sharing,
        busy,
        platform,
        nodes: nodes.map((node) => ({ name: node.name, number: numberOf(node) })),
        ...(fault === undefined ? {} : { fault }),
        holders: [...held].flatMap(([app, leases]) => leases.filter(({ device }) => device === name).map(({ path, access }) => ({ app, path, access }))),
        waiting: queue.filter(({ devices }) => devices.some(({ device }) => device === name)).map(({ app }) => app),
      };
    });
  }

  /** Looks no more; apps keep what they have. */
  async close(): Promise<void> {
    this.#watch.close();
    await this.#tail;
  }

  async #reconcileNow(): Promise<void> {
    const before = this.#presences;
    this.#presences = this.#look();
    for (const news of compare(before, this.#presences)) this.#options.tell(news);
    const plans = [...this.#contents].map(([app, contents]) => ({ app, contents, ...changes(contents, wantedNodes(this.#book.held.get(app) ?? [], this.#presences)) }));
    // In all apps first what has gone: its number may be another device's by now.
    for (const { app, contents, remove } of plans) {
      this.#devs.remove(app, remove);
      for (const path of remove) contents.delete(path);
    }
    const isUnsettled = existsSync(this.#options.places.udevQueue);
    for (const { app, contents, make } of plans) {
      if (make.length === 0) continue;
      // Without its links, a device of the platform's own may look like any other of its class.
      if (isUnsettled) {
        this.#watch.soon(settleMs);
        continue;
      }
      await this.#make(app, contents, make);
    }
  }

  async #make(app: string, contents: Map<string, LentNode>, nodes: readonly LentNode[]): Promise<void> {
    try {
      await this.#devs.make(app, this.#options.owner(app), nodes);
      for (const lent of nodes) contents.set(lent.path, lent);
      this.#told.delete(app);
      // What went away while its node was made is seen at once.
      this.#watch.soon(0);
    } catch (error) {
      // Some may have been made; nothing may stay that nobody remembers.
      this.#devs.remove(app, nodes.map(({ path }) => path));
      this.#tellFault(app, { app, message: asBerthError(error).message });
    }
  }

  /** Each look meets the same fault again; it is told once. */
  #tellFault(about: string, news: Pick<DeviceNews, 'app' | 'message'>): void {
    if (this.#told.get(about) === news.message) return;
    this.#told.set(about, news.message);
    this.#options.tell({ type: 'app.warning', ...news });
  }

  #look(): readonly Presence[] {
    const { declarations, places } = this.#options;
    return assign(declarations.all.map((declaration) => [declaration, lookAt(declaration, places)]), declarations.incomplete, inUse(places));
  }

  #tellReturned(app: string, leases: readonly DeviceGrant[]): void {
    for (const { device } of leases) this.#options.tell({ type: 'device.returned', app, message: `${app} no longer has the device ${device}`, detail: { device } });
    if (leases.length > 0) this.#tellDue();
  }

  #tellDue(): void {
    for (const app of due(this.#book, this.#terms)) this.#due.emit(app);
  }

  readonly #terms = (device: string): Terms => this.#options.declarations.all.find(({ name }) => name === device) ?? strictest;

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

