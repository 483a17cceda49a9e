import { messageSize, prefixBytes } from './message.ts';

const nothing = Buffer.alloc(0);

/** Cuts what comes in on a connection into messages. Holds at most one that is not complete, and what was pushed last. */
export class MessageFrames {
  #input: Buffer = nothing;
  /** The message that is being received; at first only its prefix. */
  #message = Buffer.alloc(prefixBytes);
  #filled = 0;
  #sized = false;

  push(chunk: Buffer): void {
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
  }

  /** The next message, if all of it is there. @throws ProtocolError if what comes is none, or too large */
  next(): Buffer | undefined {
    if (!this.#fill()) return undefined;
    if (!this.#sized) {
      const whole = Buffer.alloc(messageSize(this.#message));
      this.#message.copy(whole);
      this.#message = whole;
      this.#sized = true;
      if (!this.#fill()) return undefined;
    }
    const message = this.#message;
    this.#message = Buffer.alloc(prefixBytes);
    this.#filled = 0;
    this.#sized = false;
    return message;
  }

  /** True if the buffer is full. */
  #fill(): boolean {
    const count = this.#input.copy(this.#message, this.#filled);
    this.#filled += count;
    this.#input = count === this.#input.length ? nothing : this.#input.subarray(count);
    return this.#filled === this.#message.length;
  }
}
