import type { Clock } from '../lib/clock.ts';
import { asBerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import { leastTakenBytes } from '../store/index.ts';
import { defaultReserve, greediest, isDue, isRoomy, isShort, judgeData, writtenBetween, type DataState, type FileSystemRoom, type Reserve } from './data-rules.ts';

/** How often the room on the file system is asked for, milliseconds: some microseconds of work. */
const lookMs = 250;

/** In place of an instance's id. */
const notRunning = '';

/** An app that runs and may write data. */
export interface DataHolder {
  readonly app: string;
  /** Id of its instance. */
  readonly instance: string;
  readonly limitBytes?: number;
  /** Of the data that it writes to, if not the one that the database names. */
  readonly generation?: number;
}

export interface DataWatchOptions {
  /** Those that run now. */
  readonly holders: () => readonly DataHolder[];
  readonly room: () => FileSystemRoom;
  /** What all that the app may write to takes, and what it has deleted and still holds open. */
  readonly measure: (holder: DataHolder) => Promise<{ readonly bytes: number; readonly tooDeep: boolean }>;
  /** Ends the app, which is not started again by itself. */
  readonly end: (app: string, why: string) => void;
  readonly warn: (app: string | undefined, message: string) => void;
  /** Room that no app may take; by default that of {@link defaultReserve}. */
  readonly reserveBytes?: number;
  readonly clock: Clock;
}

/** What is known of an app's data while it runs. */
export interface DataUse {
  /** As last measured; absent if it was not since berthd began. */
  readonly usedBytes?: number;
  readonly limitBytes?: number;
}

/**
 * Keeps the data of apps within their bounds, and a reserve on the disk that no app takes: one that goes beyond is ended.
 * What an app takes in the moment between two looks is beyond this.
 */
export class DataWatch {
  readonly #options: DataWatchOptions;
  readonly #states = new Map<string, DataState>();
  #cancel: (() => void) | undefined;
  #closed = false;
  /** All that was written since the watch began, by anybody: what was freed at the same time is not seen. */
  #writtenBytes = 0;
  /** As at the look before. */
  #room: FileSystemRoom | undefined;
  #toldShort = false;

  constructor(options: DataWatchOptions) {
    this.#options = options;
    this.#schedule();
  }

  use(app: string): DataUse | undefined {
    const state = this.#states.get(app);
    return state === undefined ? undefined : { usedBytes: state.usedBytes, ...(state.limitBytes === undefined ? {} : { limitBytes: state.limitBytes }) };
  }

  /** Before an instance starts: what it begins with is known, so that it has no time to grow unseen. */
  async prime(app: string, limitBytes: number | undefined): Promise<void> {
    if (limitBytes !== undefined) await this.#measure({ app, instance: notRunning, limitBytes }, true);
  }

  /** It is no app any more. */
  forget(app: string): void {
    this.#states.delete(app);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancel = this.#options.clock.after(lookMs, () => {
      void this.#lookAndSchedule();
    });
  }

  async #lookAndSchedule(): Promise<void> {
    try {
      await this.#look();
    } catch (error) {
      this.#options.warn(undefined, `the data of apps cannot be measured: ${asBerthError(error).message}`);
    }
    this.#schedule();
  }

  async #look(): Promise<void> {
    const holders = this.#options.holders();
    if (holders.length === 0) return;
    const room = this.#options.room();
    if (this.#room !== undefined) this.#writtenBytes += writtenBetween(this.#room, room, leastTakenBytes);
    this.#room = room;
    const usual = defaultReserve(room);
    const reserve = { ...usual, bytes: this.#options.reserveBytes ?? usual.bytes };
    const short = isShort(room, reserve);
    for (const holder of holders) {
      const state = this.#states.get(holder.app);
      if (!isDue(state, this.#options.clock.monotonic(), { ...holder, writtenBytes: this.#writtenBytes }, short)) continue;
      await this.#measure(holder, isRoomy(room, reserve));
    }
    if (short) this.#relieve(holders, reserve);
    else this.#toldShort = false;
  }

  async #measure(holder: DataHolder, roomy: boolean): Promise<void> {
    const { measure, clock, end, warn } = this.#options;
    const { app } = holder;
    const start = clock.monotonic();
    const writtenBytes = this.#writtenBytes;
    const { bytes, tooDeep } = await measure(holder);
    const at = clock.monotonic();
    const { state, news, over } = judgeData(this.#states.get(app), { ...holder, usedBytes: bytes, tooDeep, at, costMs: at - start, writtenBytes, roomy });
    this.#states.set(app, state);
    if (holder.instance === notRunning) return;
    if (news !== undefined) warn(app, news);
    if (over !== undefined) end(app, over);
  }

  /** One at a time: the next look sees whether that was enough. */
  #relieve(holders: readonly DataHolder[], reserve: Reserve): void {
    const { room, end, warn } = this.#options;
    const now = room();
    if (!isShort(now, reserve)) return;
    const running = new Set(this.#options.holders().map(({ app }) => app));
    const states = new Map(holders.flatMap(({ app }) => (running.has(app) && this.#states.has(app) ? [[app, this.#states.get(app)!] as const] : [])));
    const most = greediest(states);
    if (most !== undefined) {
      end(most.app, `the disk is full but for the reserve (${formatSize(now.freeBytes)} are free), and the data of this app has grown most, by ${formatSize(most.grownBytes)}`);
    } else if (!this.#toldShort) {
      this.#toldShort = true;
      warn(undefined, `the disk is full but for the reserve (${formatSize(now.freeBytes)} are free), and not by the data of an app that runs`);
    }
  }
}
