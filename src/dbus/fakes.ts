/** Stand-ins for what an app's bus acts on, for tests. */
import { Signal } from '../lib/emitter.ts';
import { BerthError } from '../lib/errors.ts';
import type { AppUpdate, UpdateStatus } from '../update/index.ts';
import type { BusLifecycle, BusUpdates } from './types.ts';

type Event = Parameters<Parameters<BusLifecycle['onEvent']>[0]>[0];

/** Apps with a version, and a watchdog or none; counts who listens. */
export class FakeLifecycle implements BusLifecycle {
  readonly apps = new Map<string, { version: string; watchdogMs?: number }>();
  readonly fed: string[] = [];
  readonly #events = new Signal<Event>();
  listeners = 0;

  list(): readonly { readonly name: string }[] {
    return [...this.apps.keys()].map((name) => ({ name }));
  }

  show(name: string): { version: string; watchdogMs?: number } {
    const app = this.apps.get(name);
    if (app === undefined) throw new BerthError('not_found', `there is no app "${name}"`);
    return app;
  }

  feedWatchdog(name: string): void {
    if ((this.show(name).watchdogMs ?? 0) === 0) throw new BerthError('conflict', `${name} declares no watchdog`);
    this.fed.push(name);
  }

  onEvent(listener: (event: Event) => void): () => void {
    this.listeners += 1;
    const off = this.#events.on(listener);
    return () => {
      this.listeners -= 1;
      off();
    };
  }

  emit(event: Event): void {
    this.#events.emit(event);
  }
}

/** One app at most is tried; Defer grants at most an hour; whatever is written down stays to be looked at. */
export class FakeUpdates implements BusUpdates {
  readonly told: (readonly [call: string, app: string, ...args: readonly unknown[]])[] = [];
  readonly states = new Map<string, AppUpdate>();
  readonly #changes = new Signal<string>();
  /** Thrown by `confirm`. */
  fault: unknown;

  confirm(app: string, by: 'app' | 'operator'): UpdateStatus {
    if (this.fault !== undefined) throw this.fault;
    this.#requireTrial(app);
    this.told.push(['confirm', app, by]);
    return { id: 1, source: 'command-line', phase: 'trial', startedAt: 0, phases: [], bytes: 0, apps: [] };
  }

  fail(app: string, reason: string): void {
    this.#requireTrial(app);
    this.told.push(['fail', app, reason]);
  }

  defer(app: string, seconds: number): number {
    this.told.push(['defer', app, seconds]);
    return Math.min(seconds, 3600);
  }

  appUpdate(app: string): AppUpdate {
    return this.states.get(app) ?? { trial: false, leftMs: 0, pending: '' };
  }

  onAppUpdate(listener: (app: string) => void): () => void {
    return this.#changes.on(listener);
  }

  become(app: string, state: AppUpdate): void {
    this.states.set(app, state);
    this.#changes.emit(app);
  }

  #requireTrial(app: string): void {
    if (!this.appUpdate(app).trial) throw new BerthError('conflict', `${app} is not tried`);
  }
}
