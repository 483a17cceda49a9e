/** Runs one piece of work at a time, in the order they came. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();
  #count = 0;

  /** True while something runs or waits for its turn. */
  get busy(): boolean {
    return this.#count > 0;
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    this.#count += 1;
    const turn = this.#last.then(work).finally(() => {
      this.#count -= 1;
    });
    // The next in line waits for the end of this one, not for its success, which is its caller's concern.
    this.#last = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }
}
