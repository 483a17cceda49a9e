/** Measuring two or more ways of doing the same thing side by side. Times are milliseconds. */

/** Does the work once and gives how long the part of it that counts took. */
export type Measured = (round: number) => Promise<number>;

/** How long a piece of work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/**
 * Measures all in turn, A B A B …, so that whatever changes on the machine meanwhile meets all of them. Warm-up rounds
 * come first and do not count.
 */
export async function alternate<Name extends string>(
  contenders: Readonly<Record<Name, Measured>>,
  options: { readonly rounds: number; readonly warmUps?: number },
): Promise<Readonly<Record<Name, readonly number[]>>> {
  const names = Object.keys(contenders) as Name[];
  const series = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -(options.warmUps ?? 1); round < options.rounds; round += 1) {
    for (const name of names) {
      const ms = await contenders[name](round);
      if (round >= 0) series[name].push(ms);
    }
  }
  return series;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws RangeError for no values */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values were measured');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** Ratio of each value to the one of the same round. @throws RangeError unless there are as many of both */
export function ratios(values: readonly number[], to: readonly number[]): readonly number[] {
  if (values.length !== to.length) throw new RangeError(`${values.length} values cannot be paired with ${to.length}`);
  return values.map((value, index) => value / to[index]!);
}

/** What a figure says of two series that were measured in turn: the median of the ratios, their range, and all of them. */
export function compared(values: readonly number[], to: readonly number[]): { readonly value: number; readonly min: number; readonly max: number; readonly ratio: readonly number[] } {
  const ratio = ratios(values, to);
  const { median, min, max } = spread(ratio);
  return { value: median, min, max, ratio };
}
