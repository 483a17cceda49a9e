/** An app as the order of start sees it. */
export interface OrderedApp {
  readonly name: string;
  /** Names of apps to be started before it; names that are not in the list do not matter. */
  readonly after: readonly string[];
}

export interface Order {
  /** Every app once, each after all that it waits for. */
  readonly names: readonly string[];
  /** For each app, those it waits for. */
  readonly after: ReadonlyMap<string, readonly string[]>;
  /** Cycles that were broken, for people; `members` in the order of waiting, the first one again at the end. */
  readonly warnings: readonly { readonly app: string; readonly message: string; readonly members: readonly string[] }[];
}

/**
 * The order in which apps start. Depends on names only, not on the order of the list. A cycle is broken at the edge
 * that closes it when apps are visited by name.
 */
export function startOrder(apps: readonly OrderedApp[]): Order {
  const wanted = new Map(apps.map((app) => [app.name, [...new Set(app.after)].toSorted()]));
  const after = new Map<string, string[]>();
  const warnings: { app: string; message: string; members: readonly string[] }[] = [];
  const names: string[] = [];
  const path: string[] = [];

  const visit = (name: string): void => {
    const kept: string[] = [];
    after.set(name, kept);
    path.push(name);
    for (const other of wanted.get(name)!) {
      if (!wanted.has(other) || other === name) continue;
      if (path.includes(other)) {
        const members = [...path.slice(path.indexOf(other)), other];
        warnings.push({ app: name, message: `apps wait for each other (${members.join(' → ')}); ${name} does not wait for ${other}`, members });
        continue;
      }
      kept.push(other);
      if (!after.has(other)) visit(other);
    }
    path.pop();
    names.push(name);
  };
  for (const name of [...wanted.keys()].toSorted()) if (!after.has(name)) visit(name);
  return { names, after, warnings };
}

/** The order in which apps stop: each after all that wait for it in the order of start. */
export function stopOrder(order: Order): Order {
  const after = new Map<string, string[]>(order.names.map((name) => [name, []]));
  for (const [name, others] of order.after) for (const other of others) after.get(other)!.push(name);
  return { names: order.names.toReversed(), after, warnings: [] };
}

/**
 * Does `act` for every app as soon as it is done for all that the app waits for; `act` is given what came of those.
 * It must not reject: one app never holds up another.
 */
export async function inOrder<T>(order: Order, act: (name: string, before: ReadonlyMap<string, T>) => Promise<T>): Promise<void> {
  const results = new Map<string, Promise<T>>();
  for (const name of order.names) {
    const before = order.after.get(name)!.map(async (other) => [other, await results.get(other)!] as const);
    const result = async (): Promise<T> => act(name, new Map(await Promise.all(before)));
    results.set(name, result());
  }
  await Promise.all(results.values());
}

/** Lets at most `count` pieces of work run at a time, first come first served. */
export class Slots {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else {
      // A slot is handed over, never freed in between.
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
