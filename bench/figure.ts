import type { Workbench } from './workbench.ts';

/** One row of the table of figures, and how it is measured. */
export interface Figure {
  /** What one types to measure it alone. */
  readonly name: string;
  /** What it is, as the table says it. */
  readonly title: string;
  /** The most it may be. */
  readonly limit: number;
  readonly unit: 'times' | 'MB' | 'processes' | 'things';
  measure(bench: Workbench): Promise<Measurement>;
}

export interface Measurement {
  /** To be compared with the limit; of several values, the median. */
  readonly value: number;
  /** Smallest and largest of the values, if there are several. */
  readonly min?: number;
  readonly max?: number;
  /** Conditions besides the limit, each with whether it holds. */
  readonly conditions?: readonly { readonly what: string; readonly met: boolean }[];
  /** What else was measured in the same run. */
  readonly notes: readonly string[];
  /** All single values by what they are of. */
  readonly series: Readonly<Record<string, readonly number[]>>;
}

/** True if the value is within the limit and every condition holds. */
export function isMet(figure: Figure, measurement: Measurement): boolean {
  return measurement.value <= figure.limit && (measurement.conditions ?? []).every(({ met }) => met);
}
