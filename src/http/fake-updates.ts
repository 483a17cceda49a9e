import type { Readable } from 'node:stream';
import { once } from 'node:events';
import { sha256Stream } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import type { AppStatus } from '../lifecycle/index.ts';
import type { AppStorage, AppUpdate, InstallOptions, UpdateOptions, UpdatePhase, UpdatePlan, UpdateReport, Updates, UpdateStatus } from '../update/index.ts';

const digest = `sha256:${'5a'.repeat(32)}` as const;
const startedAt = Date.UTC(2026, 0, 2, 3, 4, 5);

/** An update that is over, with what a test says otherwise. */
export function fakeUpdate(id: number, change: Partial<UpdateStatus> = {}): UpdateStatus {
  return {
    id,
    source: 'command-line',
    phase: 'trial',
    startedAt,
    phases: [{ phase: 'receiving', at: startedAt }, { phase: 'switching', at: startedAt + 1500 }, { phase: 'trial', at: startedAt + 2000 }],
    bytes: 1 << 20,
    apps: [{ app: 'web', from: { version: '1.0-1', digest }, to: { version: '2.0-1', digest } }],
    ...change,
  };
}

/**
 * Reads a payload to its end and says that its app `newcomer` is there. How the payload begins decides otherwise:
 * `bad!` is refused at once, `late` after it was read, `back` in its trial; `hold` waits for a window and `long` is
 * tried until it is cancelled, which it cannot be in its trial.
 */
export class FakeUpdates implements Updates {
  readonly #apps: Map<string, AppStatus>;
  readonly #newApp: (name: string, change: Partial<AppStatus>) => AppStatus;
  readonly removed: { readonly app: string; readonly purge: boolean }[] = [];
  /** Newest last. */
  readonly updates: UpdateStatus[] = [];
  /** What the last payload was sent with. */
  lastOptions: UpdateOptions | undefined;
  /** Installs whose payload did not come to its end. */
  abandoned = 0;
  /** Installs that were cancelled while they waited. */
  cancelled = 0;
  planned: UpdatePlan = {
    apps: [
      {
        app: 'web', from: { version: '1.0-1', digest }, to: { version: '2.0-1', digest }, imageBytes: 5 << 20, imageInodes: 40, stop: true, start: true,
        snapshot: 'copy', dataBytes: 3 << 20, dataInodes: 12, migrate: ['/bin/migrate', '--all'], trial: { uptimeMs: 10_000, health: true, confirm: true },
      },
    ],
    stops: ['web'],
    starts: ['web'],
    removes: [{ app: 'web', version: '0.9-1', digest, bytes: 4 << 20 }],
    needs: { bytes: 8 << 20, inodes: 52 },
    free: { bytes: 1 << 30, inodes: 100_000 },
    deadlineMs: 300_000,
  };

  constructor(apps: Map<string, AppStatus>, newApp: (name: string, change: Partial<AppStatus>) => AppStatus) {
    this.#apps = apps;
    this.#newApp = newApp;
  }

  async install(payload: Readable, options: InstallOptions): Promise<UpdateReport> {
    this.lastOptions = options;
    const update = this.updates.length + 1;
    let bytes = 0;
    const enter = (phase: UpdatePhase, change: Partial<UpdateStatus> = {}): void => {
      this.updates[update - 1] = fakeUpdate(update, { apps: [], ...(options.origin !== undefined && { origin: options.origin }), phase, bytes, ...change });
      options.onProgress?.({ update, phase, bytes });
    };
    const { kind, hash } = await this.#read(payload, (length) => {
      bytes += length;
      enter('receiving');
    });
    enter('storing');
    if (kind === 'late') throw new BerthError('no_space', '3.0 MiB are missing on /var/lib/berth');
    if (kind === 'hold') {
      enter('waiting', { waitingFor: 'the window of 02:00' });
      await once(options.signal!, 'abort');
      this.cancelled += 1;
      throw new BerthError('cancelled', 'the update was cancelled');
    }
    if (kind === 'long') {
      enter('trial', { leftMs: 120_000 });
      await new Promise(() => undefined);
    }
    if (kind === 'back') {
      enter('trial', { leftMs: 120_000 });
      const reason = { code: 'rolled_back', message: 'web 2.0-1 did not stay up: exited with code 3' } as const;
      enter('rolling-back', { outcome: 'rolled-back', reason });
      throw new BerthError('rolled_back', reason.message);
    }
    enter('starting', { outcome: 'committed' });
    const status = this.#newApp('newcomer', { digest: `sha256:${hash}`, state: options.start ? 'running' : 'stopped' });
    this.#apps.set(status.name, status);
    const { name: app, version, signed } = status;
    const report = { app, version, digest: status.digest, signed, entries: 3, bytes, warnings: ['postinst does not run'], degraded: [], status };
    return { update, outcome: options.wait === false ? 'under-way' : 'committed', installed: [report] };
  }

  async plan(payload: Readable, options: UpdateOptions): Promise<UpdatePlan> {
    this.lastOptions = options;
    await this.#read(payload, () => undefined);
    return this.planned;
  }

  remove(app: string, options: { readonly purge: boolean }): Promise<void> {
    if (!this.#apps.delete(app)) return Promise.reject(new BerthError('not_found', `there is no app "${app}"`));
    this.removed.push({ app, purge: options.purge });
    return Promise.resolve();
  }

  list(): readonly UpdateStatus[] {
    return this.updates.toReversed();
  }

  show(id: number): UpdateStatus {
    const found = this.updates.find((update) => update.id === id);
    if (found === undefined) throw new BerthError('not_found', `there is no update ${id}; \`berth updates\` lists those there are`);
    return found;
  }

  confirm(app: string): UpdateStatus {
    return this.#end(app, { outcome: 'committed' });
  }

  fail(app: string, reason: string): void {
    this.#end(app, { outcome: 'rolled-back', reason: { code: 'rolled_back', message: reason } });
  }

  async rollback(app: string): Promise<UpdateStatus> {
    return this.#end(app, { outcome: 'rolled-back', reason: { code: 'rolled_back', message: 'a person asked for it' } });
  }

  defer(): number {
    return 0;
  }

  appUpdate(): AppUpdate {
    return { trial: false, leftMs: 0, pending: '' };
  }

  onAppUpdate(): () => void {
    return () => undefined;
  }

  storage(): Promise<readonly AppStorage[]> {
    return Promise.resolve([...this.#apps.keys()].map((app) => ({ app, image: 5 << 20, previous: 1 << 20, data: 3000, logs: 0 })));
  }

  /** Ends the update that tries this app. */
  #end(app: string, change: Pick<UpdateStatus, 'outcome' | 'reason'>): UpdateStatus {
    const index = this.updates.findIndex((update) => update.outcome === undefined && update.apps.some((entry) => entry.app === app));
    if (index < 0) throw new BerthError('conflict', `${app} is not being tried`);
    const { leftMs: _, ...before } = this.updates[index]!;
    return (this.updates[index] = { ...before, ...change, endedAt: startedAt + 12_000 });
  }

  async #read(payload: Readable, onBytes: (length: number) => void): Promise<{ readonly kind: string; readonly hash: string }> {
    const hash = sha256Stream();
    let kind = '';
    try {
      for await (const chunk of payload as AsyncIterable<Buffer>) {
        if (kind === '') kind = chunk.toString('latin1', 0, 4);
        if (kind === 'bad!') throw new BerthError('bad_package', 'not a package: wrong magic', { detail: { offset: 0 } });
        hash.update(chunk);
        onBytes(chunk.length);
      }
    } catch (error) {
      this.abandoned += 1;
      throw error;
    }
    return { kind, hash: hash.digest('hex') };
  }
}
