import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { removeTree } from '../lib/durable.ts';
import { BerthError } from '../lib/errors.ts';
import type { Journal } from '../lib/journal.ts';
import { isAlive, type ProcessIdentity } from '../lib/process.ts';
import { bytesWritten, LogKeeper, prepareLog, type LogBounds, type LogKeeping } from './log-keeper.ts';
import { readLog } from './log-reader.ts';
import type { LogLine, LogQuery } from './types.ts';

/** While a log grows fast it is looked at this often, in milliseconds. */
const hotMs = 100;

/** The logs of all apps. Trouble with one is told in the journal and never stops an app. */
export class Logs {
  readonly #directory: string;
  readonly #bounds: LogBounds;
  readonly #clock: Clock;
  readonly #journal: Journal;
  /** Of running instances, by app. */
  readonly #keepers = new Map<string, LogKeeper>();
  readonly #hot = new Map<string, () => void>();

  constructor(directory: string, bounds: LogBounds, clock: Clock, journal: Journal) {
    if (directory.includes(':')) throw new BerthError('usage', `the log directory must not contain ":" (conmon reads it as a separator): ${directory}`);
    this.#directory = directory;
    this.#bounds = bounds;
    this.#clock = clock;
    this.#journal = journal;
  }

  /** Path and maximum size for conmon; undefined (and a warning) if nothing can be written there. */
  prepare(app: string): { readonly path: string; readonly maxBytes: number } | undefined {
    const path = this.#try(app, () => prepareLog(join(this.#directory, app), this.#bounds));
    return path === undefined ? undefined : { path, maxBytes: this.#bounds.rotateBytes };
  }

  /** Looks after the log of a new instance until {@link release}. */
  begin(app: string, monitor: ProcessIdentity, countFile: string): void {
    this.#keep(app, this.#try(app, () => LogKeeper.begin(this.#keeping(app, monitor, countFile))));
  }

  /** Looks after the log of an instance that an earlier daemon started, running or ended. */
  takeOver(app: string, monitor: ProcessIdentity, countFile: string): void {
    this.#keep(app, this.#try(app, () => LogKeeper.takeOver(this.#keeping(app, monitor, countFile))));
    this.check(app);
  }

  /** Has a look; to be called every second. */
  check(app: string): void {
    const keeper = this.#keepers.get(app);
    if (keeper === undefined) return;
    const isHot = this.#try(app, () => keeper.check());
    if (isHot === undefined) this.#keepers.delete(app);
    if (isHot !== true || this.#hot.has(app)) return;
    this.#hot.set(
      app,
      this.#clock.after(hotMs, () => {
        this.#hot.delete(app);
        this.check(app);
      }),
    );
  }

  /** The instance has ended: a last look. */
  release(app: string): void {
    this.check(app);
    this.#keepers.delete(app);
    this.#hot.get(app)?.();
    this.#hot.delete(app);
  }

  async *read(app: string, query: LogQuery): AsyncGenerator<LogLine> {
    const directory = join(this.#directory, app);
    // Who follows an app that never ran waits for its first line.
    if (query.follow === true) this.#try(app, () => mkdirSync(directory, { recursive: true, mode: 0o700 }));
    if (!existsSync(directory)) return;
    const refresh = (): void => { this.check(app); };
    yield* readLog({ directory, refresh, now: () => this.#clock.now() }, query);
  }

  async forget(app: string): Promise<void> {
    await removeTree(join(this.#directory, app));
  }

  close(): void {
    for (const cancel of this.#hot.values()) cancel();
    this.#hot.clear();
    this.#keepers.clear();
  }

  #keep(app: string, keeper: LogKeeper | undefined): void {
    if (keeper !== undefined) this.#keepers.set(app, keeper);
  }

  #keeping(app: string, monitor: ProcessIdentity, countFile: string): LogKeeping {
    return {
      directory: join(this.#directory, app),
      bounds: this.#bounds,
      countFile,
      written: () => (isAlive(monitor) ? bytesWritten(monitor.pid) : undefined),
      now: () => this.#clock.now(),
    };
  }

  #try<T>(app: string, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (typeof (error as NodeJS.ErrnoException).errno !== 'number') throw error;
      this.#journal('warning', `the log of ${app} cannot be kept: ${(error as Error).message}; its output may be lost`);
      return undefined;
    }
  }
}
