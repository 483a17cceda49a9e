/** A stand-in for whoever lends devices, for tests: every device goes to one app at a time, nothing of the host is touched. */
import type { DeviceLender, LeaseAnswer, LeaseStatus } from '../devices/index.ts';
import { Signal } from '../lib/emitter.ts';
import type { DeviceGrant, DeviceLoan } from '../policy/index.ts';

export class FakeLender implements DeviceLender {
  readonly #log: string[];
  readonly #due = new Signal<string>();
  readonly held = new Map<string, readonly DeviceGrant[]>();
  /** Apps that wait, with what for. */
  readonly queue = new Map<string, readonly DeviceGrant[]>();
  /** Devices that a second app does not wait for. */
  readonly failing = new Set<string>();

  /** @param log takes what is done: `lend web`, `return web` */
  constructor(log: string[] = []) {
    this.#log = log;
  }

  request(app: string, devices: readonly DeviceGrant[]): LeaseAnswer {
    for (const { device } of devices) {
      const holder = this.#holderOf(device);
      if (holder === undefined || holder === app) continue;
      if (this.failing.has(device)) return { kind: 'refused', device, holder };
      this.queue.set(app, devices);
      this.held.delete(app);
      return { kind: 'queued', device, holder };
    }
    this.queue.delete(app);
    if (devices.length > 0) this.held.set(app, devices);
    return { kind: 'held' };
  }

  lend(app: string): Promise<DeviceLoan | undefined> {
    if (!this.held.has(app)) return Promise.resolve(undefined);
    this.#log.push(`lend ${app}`);
    return Promise.resolve({ directory: `/run/berth/devices/${app}`, rules: [] });
  }

  keep(app: string, devices: readonly DeviceGrant[]): void {
    if (devices.length > 0) this.held.set(app, devices);
  }

  leases(app: string): readonly LeaseStatus[] {
    return (this.held.get(app) ?? []).map(({ device, path, access }) => ({ app, device, path, access, present: true }));
  }

  release(app: string, reserved = false): Promise<void> {
    if (reserved) {
      if (this.held.has(app)) this.#log.push(`reserve ${app}`);
      return Promise.resolve();
    }
    if (this.held.delete(app)) this.#log.push(`return ${app}`);
    this.#tellDue();
    return Promise.resolve();
  }

  withdraw(app: string): void {
    this.queue.delete(app);
  }

  sweep(): Promise<void> {
    return Promise.resolve();
  }

  onDue(listener: (app: string) => void): () => void {
    return this.#due.on(listener);
  }

  #holderOf(device: string): string | undefined {
    return [...this.held].find(([, devices]) => devices.some((had) => had.device === device))?.[0];
  }

  #tellDue(): void {
    for (const [app, devices] of this.queue) if (devices.every(({ device }) => this.#holderOf(device) === undefined)) this.#due.emit(app);
  }
}
