import { existsSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import { removeTree, syncFileSystem } from '../lib/durable.ts';
import type { CopyLimits, CopyReport } from './copy.ts';
import { CopyPass } from './copy-pass.ts';

export interface CopyJob {
  readonly from: string;
  readonly to: string;
  readonly limits: CopyLimits;
}

/** Inode times are those of the last tick, and the wall clock is read in milliseconds. */
const marginMs = 2000;

/** Turns are taken this often, in files or megabytes. */
const stepsPerTurn = 32;

/**
 * Copies a tree in two passes. The second finds what has changed by the time of its last change (ctime), which nobody
 * can set: a file whose ctime lies before the first pass began is as that pass found it. Three things need care:
 *
 * - A shared mapping that was dirty already changes no time when it is written again. So the first pass begins with a
 *   `sync`, after which every mapping must fault, and a fault sets the time.
 * - A directory that was renamed brings files with it whose own times did not change. So a file counts as unchanged only
 *   in the directory where the first pass found it: the inode numbers of directories are remembered.
 * - The wall clock may have been set back between the passes. Then everything is copied again.
 */
export class TreeCopier {
  readonly #job: CopyJob;
  readonly #clock: Clock;
  /** For each directory of the copy, by its inode, the directory it was copied from. */
  readonly #origins = new Map<bigint, string>();
  #began: { readonly wallMs: number; readonly monotonicMs: number } | undefined;
  #steps = 0;

  constructor(job: CopyJob, clock: Clock) {
    this.#job = job;
    this.#clock = clock;
  }

  async first(): Promise<CopyReport> {
    const { from, to } = this.#job;
    const began = { wallMs: this.#clock.now(), monotonicMs: this.#clock.monotonic() };
    if (existsSync(from)) await syncFileSystem(from);
    this.#began = began;
    const report = await this.#pass({ settledBefore: undefined, changing: true });
    // So that the last pass has little to bring to disk while the app is down.
    if (existsSync(to)) await syncFileSystem(to);
    return report;
  }

  async last(): Promise<CopyReport> {
    const { to } = this.#job;
    const report = await this.#pass({ settledBefore: this.#settledBefore(), changing: false });
    if (existsSync(to)) await syncFileSystem(to);
    return report;
  }

  async #pass(how: { readonly settledBefore: bigint | undefined; readonly changing: boolean }): Promise<CopyReport> {
    const { from, to } = this.#job;
    if (!existsSync(from)) {
      await removeTree(to);
      return { bytes: 0, entries: 0, copied: 0, leftOut: 0 };
    }
    return await new CopyPass({ ...this.#job, ...how, origins: this.#origins, pause: () => this.#pause() }).run();
  }

  /** Nanoseconds since 1970, or undefined if times tell nothing. */
  #settledBefore(): bigint | undefined {
    if (this.#began === undefined) return undefined;
    const wallPassedMs = this.#clock.now() - this.#began.wallMs;
    const passedMs = this.#clock.monotonic() - this.#began.monotonicMs;
    if (wallPassedMs < passedMs - marginMs / 2) return undefined;
    return BigInt(Math.floor(this.#began.wallMs - marginMs)) * 1_000_000n;
  }

  async #pause(): Promise<void> {
    this.#steps += 1;
    if (this.#steps % stepsPerTurn === 0) await turn();
  }
}
