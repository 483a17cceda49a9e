/** Repeatable chance for tests. */
export interface Random {
  /** A whole number from 0 to below `below`. */
  below(below: number): number;
  /** True once in `n`. */
  once(n: number): boolean;
  pick<T>(from: readonly T[]): T;
}

/** The same numbers for the same seed and case (splitmix32). */
export function randomFrom(seed: number, number: number): Random {
  let state = Math.imul(seed + 1, 0x9e37_79b1) ^ Math.imul(number + 1, 0x85eb_ca6b);
  const next = (): number => {
    state = (state + 0x9e37_79b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0_aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a_2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  const below = (bound: number): number => next() % bound;
  return { below, once: (n) => below(n) === 0, pick: (from) => from[below(from.length)]! };
}
