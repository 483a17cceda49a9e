/** Runs one piece of work at a time, in the order they came. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    // The next in line waits for the end of this one, not for its success, which is its caller's concern.
    this.#last = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }
}
