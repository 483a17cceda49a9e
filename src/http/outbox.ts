/**
 * Values on their way to a client that may read more slowly than they come: holds a bounded number. A full one either
 * loses its oldest (progress, where only the latest counts) or gives up on the client (events).
 */
export class Outbox<T> implements AsyncIterable<T> {
  readonly #limit: number;
  readonly #onOverflow: (() => void) | undefined;
  #waiting: T[] = [];
  #ended = false;
  #fault: unknown;
  #wake = (): void => undefined;

  /** `onOverflow`: called once instead of holding more than `limit` values; without it the oldest are dropped. */
  constructor(limit: number, onOverflow?: () => void) {
    this.#limit = limit;
    this.#onOverflow = onOverflow;
  }

  push(value: T): void {
    if (this.#ended) return;
    if (this.#waiting.length >= this.#limit) {
      if (this.#onOverflow !== undefined) {
        this.end();
        this.#waiting = [];
        this.#onOverflow();
        return;
      }
      this.#waiting.shift();
    }
    this.#waiting.push(value);
    this.#wake();
  }

  /** No more values; those that wait are still given out. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** As {@link end}, and then the reader gets this error. */
  fail(error: unknown): void {
    this.#fault = error;
    this.end();
  }

  /** Resolves when there is something to give out; rejects if all there is is a failure. */
  async ready(): Promise<void> {
    while (this.#waiting.length === 0 && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#waiting.length === 0 && this.#fault !== undefined) throw this.#fault;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      await this.ready();
      if (this.#waiting.length === 0) return;
      yield this.#waiting.shift()!;
    }
  }
}
