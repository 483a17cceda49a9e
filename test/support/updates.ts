import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { digestHex, type Digest } from '../../src/lib/digest.ts';
import type { ErrorBody, ErrorCode } from '../../src/lib/errors.ts';
import type { AppStatus, BerthEvent } from '../../src/lifecycle/index.ts';
import type { UpdatePhase, UpdatePlan, UpdateProgress, UpdateReport, UpdateStatus } from '../../src/update/index.ts';
import { ApiClient } from './api.ts';
import { startBerthd, until, whyNoContainers, type TestDaemon } from './berthd.ts';
import type { PackageOptions } from './packages.ts';
import type { Shelf } from './shelf.ts';

/** What came of a payload that was sent. */
export interface Answered {
  readonly status: number;
  readonly progress: readonly UpdateProgress[];
  readonly result?: UpdateReport;
  readonly error?: ErrorBody['error'];
}

type Query = Readonly<Record<string, string | number | boolean>>;

/** A daemon whose apps are updated, with an app beside them that no update is about. */
export class UpdateDevice {
  readonly daemon: TestDaemon;
  readonly api: ApiClient;
  readonly #shelf: Shelf;
  /** Instance and process of the app that is not to be disturbed. */
  #bystander = '';

  constructor(daemon: TestDaemon, shelf: Shelf) {
    this.daemon = daemon;
    this.api = new ApiClient(daemon.socket);
    this.#shelf = shelf;
  }

  /** Installs and starts the app that is not to be disturbed. */
  async beginBeside(): Promise<void> {
    await this.commits([app('bystander', '1.0')], { now: true });
    this.#bystander = await this.instance('bystander');
  }

  /** The app beside runs as it did, and nothing is there that the database does not name. */
  async requireUndisturbed(): Promise<void> {
    assert.equal(await this.instance('bystander'), this.#bystander, 'the app beside never stopped');
    await this.requireTidy();
  }

  /** Nothing is there that the database does not name; of an update that nobody waited for, after its last moments. */
  async requireTidy(): Promise<void> {
    let left = await this.leftovers();
    for (let look = 0; look < 500 && left.length > 0; look += 1) {
      await delay(20);
      left = await this.leftovers();
    }
    // Of the look that ended the wait: in another, a process that berthd has just forked for a program would look like a worker.
    assert.deepEqual(left, []);
  }

  /** The device was rebooted: the app beside runs anew. */
  async beginAnew(): Promise<void> {
    await this.settled('bystander', ({ state }) => state === 'running');
    this.#bystander = await this.instance('bystander');
  }

  /** Sends these packages, as one payload. Aborting goes away. */
  async send(packages: readonly PackageOptions[], query: Query = {}, signal?: AbortSignal): Promise<Answered> {
    return this.sendFile(await this.#shelf.payload(packages.map(quick)), query, signal);
  }

  async sendFile(file: string, query: Query = {}, signal?: AbortSignal): Promise<Answered> {
    const { status, body } = await this.api.call('POST', `/install?${search(query)}`, file, signal);
    const lines = body.trim().split('\n').map((line) => JSON.parse(line) as UpdateProgress & Pick<Answered, 'result' | 'error'>);
    const { result, error } = lines.at(-1)!;
    return {
      status,
      progress: lines.filter((line) => 'phase' in line),
      ...(result === undefined ? {} : { result }),
      ...(error === undefined ? {} : { error }),
    };
  }

  /** Sends a payload that must be committed. */
  async commits(packages: readonly PackageOptions[], query: Query = {}): Promise<UpdateReport> {
    const { result, error } = await this.send(packages, query);
    assert.equal(result?.outcome, 'committed', `${JSON.stringify(error)}\n${this.daemon.log}`);
    return result;
  }

  /** Sends a payload that must be refused or rolled back. */
  async fails(packages: readonly PackageOptions[], code: ErrorCode, message: RegExp, query: Query = {}): Promise<ErrorBody['error']> {
    return refusal(await this.send(packages, query), code, message);
  }

  /** What an update with these packages would do. */
  async plan(packages: readonly PackageOptions[], query: Query = {}): Promise<UpdatePlan> {
    const { body } = await this.api.must('POST', `/install?${search({ ...query, dryRun: true })}`, await this.#shelf.payload(packages.map(quick)));
    return (JSON.parse(body) as { plan: UpdatePlan }).plan;
  }

  async updates(): Promise<readonly UpdateStatus[]> {
    return (JSON.parse((await this.api.must('GET', '/updates')).body) as { updates: UpdateStatus[] }).updates;
  }

  /** The newest update. */
  async last(): Promise<UpdateStatus> {
    return (await this.updates())[0]!;
  }

  async update(id: number): Promise<UpdateStatus> {
    return JSON.parse((await this.api.must('GET', `/updates/${id}`)).body) as UpdateStatus;
  }

  /** The newest update, once it is under way and in this phase. */
  async underWay(wanted: UpdatePhase, bytes = 0): Promise<UpdateStatus> {
    return until(async () => {
      const update = await this.last();
      return update.outcome === undefined && update.phase === wanted && update.bytes >= bytes && update;
    });
  }

  /** The newest update when it is over. */
  async over(): Promise<UpdateStatus> {
    return until(async () => {
      const update = await this.last();
      return update.outcome !== undefined && update;
    });
  }

  /** Version and state of every app but the one beside: `{ a: '1.0 running' }`. */
  async holding(): Promise<Readonly<Record<string, string>>> {
    const apps = (await this.api.apps()).filter(({ name }) => name !== 'bystander');
    return Object.fromEntries(apps.map(({ name, version, state }) => [name, `${version} ${state}`]));
  }

  /** The running instance of an app: its id and its process. */
  async instance(name: string): Promise<string> {
    const { instance, state } = await this.api.app(name);
    return instance === undefined ? state : `${instance.id} ${instance.pid}`;
  }

  /** Running instances of all of them. */
  async instances(names: readonly string[]): Promise<readonly string[]> {
    return Promise.all(names.map(async (name) => this.instance(name)));
  }

  async app(name: string): Promise<AppStatus> {
    return this.api.app(name);
  }

  /** Versions of an app's images that are on the device, in order. */
  async versions(name: string): Promise<readonly string[]> {
    const { images } = JSON.parse((await this.api.must('GET', '/images')).body) as { images: { package: string; version: string }[] };
    return images.filter((image) => image.package === name).map(({ version }) => version).toSorted();
  }

  async events(): Promise<readonly BerthEvent[]> {
    const { body } = await this.api.must('GET', '/events');
    return body.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as BerthEvent);
  }

  /** What happens after this event, until the daemon is gone. */
  async *follow(since: number): AsyncGenerator<BerthEvent, void, undefined> {
    for await (const line of this.api.lines(`/events?follow=true&since=${since}`)) yield JSON.parse(line) as BerthEvent;
  }

  /** Waits until an app is as `check` says. */
  async settled(name: string, check: (status: AppStatus) => boolean): Promise<AppStatus> {
    return until(async () => {
      const status = await this.app(name);
      return check(status) && status;
    });
  }

  /** What is held once all of these run. */
  async ready(names: readonly string[]): Promise<Readonly<Record<string, string>>> {
    for (const name of names) await this.settled(name, ({ state }) => state === 'running');
    return this.holding();
  }

  /** Directory of an app's data as it runs now. */
  data(name: string): string {
    const directory = join(this.daemon.root, 'data', name);
    const generations = readdirSync(directory);
    assert.equal(generations.length, 1, `${name} has one generation of data, not ${generations.join(', ')}`);
    return join(directory, generations[0]!, 'data');
  }

  /** Kills the daemon and starts another. */
  async crash(): Promise<void> {
    await this.daemon.end('SIGKILL');
    await this.daemon.start();
  }

  /** Sends a payload, ends the daemon with a signal as soon as something happens that `check` knows, and starts another. */
  async interrupts(packages: readonly PackageOptions[], signal: NodeJS.Signals, check: (event: BerthEvent) => boolean, query: Query = {}): Promise<void> {
    const { seq } = (await this.events()).at(-1)!;
    const end = async (): Promise<void> => {
      for await (const event of this.follow(seq)) {
        if (!check(event)) continue;
        await this.daemon.end(signal);
        return;
      }
    };
    // Nobody is there to answer.
    await Promise.all([end(), this.send(packages, query).catch(() => undefined)]);
    await this.daemon.start();
  }

  /** What is on the device and belongs to nothing that the daemon tells of. */
  async leftovers(): Promise<readonly string[]> {
    const { root, runDir, pid } = this.daemon;
    const { images } = JSON.parse((await this.api.must('GET', '/images')).body) as { images: { digest: Digest }[] };
    const apps = await this.api.apps();
    const named = new Set(images.map(({ digest }) => digestHex(digest)));
    const ids = new Set(apps.flatMap(({ instance }) => instance?.id ?? []));
    const names = new Set(apps.map(({ name }) => name));
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter((child) => linkOf(`/proc/${child}/exe`) === process.execPath);
    const data = list(join(root, 'data')).flatMap((name) => list(join(root, 'data', name)).slice(1).map((generation) => `data ${name}/${generation}`));
    const containers = [...this.daemon.cgroups(), ...this.daemon.traces()].map((path) => /[0-9a-f]{64}/.exec(path)?.[0]).filter((id) => id !== undefined && !ids.has(id));
    return [
      ...list(join(root, 'staging')).map((name) => `staging ${name}`),
      ...list(join(root, 'images')).filter((name) => !named.has(name)).map((name) => `image ${name}`),
      ...data,
      ...list(join(runDir, 'bundles')).filter((id) => !ids.has(id)).map((id) => `bundle ${id}`),
      ...[join(root, 'logs'), join(runDir, 'apps')].flatMap((directory) => list(directory).filter((name) => !names.has(name)).map((name) => `${directory}/${name}`)),
      ...children.map((child) => `worker ${child}`),
      ...containers.map((id) => `container ${id}`),
    ];
  }
}

/** Starts a device for this test, with trials of 0.3 s; it is taken away when the test ends. */
async function startUpdateDevice(t: TestContext, shelf: Shelf, rules: readonly string[] = []): Promise<UpdateDevice> {
  const defaults = ['trial-uptime: 300ms', 'trial-deadline: 20s'].filter((line) => !rules.some((rule) => rule.startsWith(line.split(':')[0]!)));
  const config = ['updates:', ...[...defaults, ...rules].map((line) => `  ${line}`), ''].join('\n');
  const device = new UpdateDevice(await startBerthd(t, { config }), shelf);
  await device.beginBeside();
  return device;
}

/**
 * A test on a device of its own, at whose end the app beside must run as it did and nothing must be left over.
 * @param rules lines of the configuration of updates
 */
export function updateTest(shelf: Shelf, name: string, body: (device: UpdateDevice, t: TestContext) => Promise<void>, rules: readonly string[] = []): void {
  const skip = whyNoContainers();
  test(name, skip === undefined ? { timeout: 300_000 } : { skip }, async (t) => {
    const device = await startUpdateDevice(t, shelf, rules);
    await body(device, t);
    await device.requireUndisturbed();
  });
}

/** A package of an app that runs until it is killed. */
export function app(name: string, version: string, options: Omit<PackageOptions, 'name' | 'version'> = {}): PackageOptions {
  return { name, version, ...options };
}

/** The error with which a payload was refused or rolled back. */
export function refusal({ status, error, result }: Answered, code: ErrorCode, message: RegExp): ErrorBody['error'] {
  assert.equal(result, undefined, 'it was not taken');
  assert.equal(error?.code, code, `status ${status}: ${error?.message}`);
  assert.match(error.message, message);
  return error;
}

/** An app that nobody need wait for when it is stopped. */
export function quick(options: PackageOptions): PackageOptions {
  return { ...options, annotations: { 'stop-signal': 'SIGKILL', ...options.annotations } };
}

function search(query: Query): string {
  return new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)])).toString();
}

/** Where a link of another process leads; empty if it is gone. */
export function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function list(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
