/** A package can give a reason for a warning with every entry; people read the first ones. */
const maxWarnings = 100;

/** What is told rather than obeyed. */
export class Warnings {
  readonly #list: string[] = [];
  #more = 0;

  add(warning: string): void {
    if (this.#list.length < maxWarnings) this.#list.push(warning);
    else this.#more += 1;
  }

  list(): readonly string[] {
    return this.#more === 0 ? this.#list : [...this.#list, `and ${this.#more} more warnings`];
  }
}
