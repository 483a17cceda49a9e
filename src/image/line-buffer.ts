/** Puts lines together so that each is not a write of its own. */
export class LineBuffer {
  readonly #write: (bytes: Buffer) => void;
  #text = '';

  constructor(write: (bytes: Buffer) => void) {
    this.#write = write;
  }

  add(line: string): void {
    this.#text += line;
    if (this.#text.length >= 64 * 1024) this.flush();
  }

  flush(): void {
    this.#write(Buffer.from(this.#text));
    this.#text = '';
  }
}
