import { closeSync, openSync, writeSync } from 'node:fs';
import { BerthError } from '../lib/errors.ts';
import type { Content } from './content.ts';

const batchBytes = 1024 * 1024;

/** A private file that holds the contents of many files one after the other, until they are packed. */
export class Spool implements Disposable {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #file: number;
  readonly #batch = Buffer.allocUnsafe(batchBytes);
  #batched = 0;
  #written = 0;

  /** `path` must not exist. Beyond `maxBytes` it takes nothing more. */
  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#file = openSync(path, 'wx', 0o600);
  }

  get bytes(): number {
    return this.#written + this.#batched;
  }

  /** @throws BerthError `too_large` naming `what`. */
  append(bytes: Uint8Array, what: string): void {
    if (this.bytes + bytes.length > this.#maxBytes) throw new BerthError('too_large', `${what}: more than ${this.#maxBytes} bytes in all`);
    for (let start = 0; start < bytes.length;) {
      const part = bytes.subarray(start, start + batchBytes - this.#batched);
      this.#batch.set(part, this.#batched);
      this.#batched += part.length;
      start += part.length;
      if (this.#batched === batchBytes) this.flush();
    }
  }

  /** What was appended since the spool had `offset` bytes. Readable after {@link flush}. */
  since(offset: number): Content {
    return { kind: 'span', file: this.#path, offset, size: this.bytes - offset };
  }

  flush(): void {
    for (let done = 0; done < this.#batched;) done += writeSync(this.#file, this.#batch, done, this.#batched - done);
    this.#written += this.#batched;
    this.#batched = 0;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
