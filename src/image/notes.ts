/** Paths named in one warning; the rest are counted. */
const maxNamed = 5;

/** What was left out or changed while reading input, gathered so that ten thousand cases make one sentence. */
export class Notes {
  readonly #paths = new Map<string, { readonly named: string[]; count: number }>();

  /** `what` is a sentence that a list of paths can follow. */
  add(what: string, path: string): void {
    const entry = this.#paths.get(what) ?? { named: [], count: 0 };
    this.#paths.set(what, entry);
    entry.count += 1;
    if (entry.named.length < maxNamed) entry.named.push(path);
  }

  /** One line for each kind, in the order of their first case. */
  lines(): readonly string[] {
    return [...this.#paths].map(([what, { named, count }]) => {
      const more = count > named.length ? ` and ${count - named.length} more` : '';
      return `${what}: ${named.join(', ')}${more}`;
    });
  }
}

/** Notes that more than one reader makes. */
export const notes = {
  setId: 'set-id bits were taken off',
  special: 'device nodes, FIFOs and sockets were left out',
  capability: 'file capabilities were left out',
} as const;
