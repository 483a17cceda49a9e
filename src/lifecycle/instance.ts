import type { InstanceExit, InstanceRecord, Runtime } from '../runtime/index.ts';
import type { Because } from './machine.ts';

/** Work that is done one piece at a time, in the order it was asked for. */
export class WorkQueue {
  #tail: Promise<void> = Promise.resolve();

  /** Settles as the work does; what comes after it is done in any case. */
  async add(work: () => Promise<void>): Promise<void> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** All that has been asked for so far is done. */
  async settled(): Promise<void> {
    await this.#tail;
  }
}

/** An instance in the runtime, from the decision to make it until nothing of it is left. */
export class Instance {
  readonly id: string;
  readonly #runtime: Runtime;
  readonly #work: WorkQueue;
  /** What the runtime gave; undefined while it is being made or taken over. */
  record: InstanceRecord | undefined;
  /** True while the runtime holds it frozen. */
  frozen = false;
  /** Why it is being ended. */
  asked: { readonly because: Because; readonly message: string } | undefined;
  /** From the stop signal to SIGKILL, if not the app's own. */
  stopTimeoutMs: number | undefined;
  /** It ended before the runtime had said that it runs; told once that is known. */
  early: InstanceExit | undefined;
  #over = false;

  constructor(runtime: Runtime, work: WorkQueue, id: string) {
    this.#runtime = runtime;
    this.#work = work;
    this.id = id;
  }

  async signal(signal: string): Promise<void> {
    return this.#whileThere(async () => this.#runtime.signal(this.id, signal));
  }

  async pause(): Promise<void> {
    return this.#whileThere(async () => {
      await this.#runtime.pause(this.id);
      this.frozen = true;
    });
  }

  async thaw(): Promise<void> {
    return this.#whileThere(async () => {
      if (this.frozen) await this.#runtime.resume(this.id);
      this.frozen = false;
    });
  }

  /**
   * It has ended; takes away what is left, then gives back what it was lent. Work on it that is still queued has become
   * pointless and is left out.
   */
  async remove(giveBack: () => Promise<void>): Promise<void> {
    this.#over = true;
    return this.#work.add(async () => {
      try {
        await this.#runtime.remove(this.id);
      } finally {
        await giveBack();
      }
    });
  }

  /** An error that only says that the instance has ended meanwhile is none. */
  async #whileThere(act: () => Promise<void>): Promise<void> {
    return this.#work.add(async () => {
      if (this.record === undefined || this.#over) return;
      try {
        await act();
      } catch (error) {
        if (!this.#over) throw error;
      }
    });
  }
}
