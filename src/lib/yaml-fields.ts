import * as v from 'valibot';
import { parseDuration, parseRate, parseSize } from './units.ts';

/** A text (or number) of a YAML file, read by a parser that throws; `expected` says what it has to be. */
export function field<T extends string | number, R>(input: v.GenericSchema<T>, parse: (value: T) => R, expected?: string): v.GenericSchema<T, R> {
  return v.pipe(input, v.rawTransform<T, R>(({ dataset, addIssue, NEVER }) => {
    try {
      return parse(dataset.value);
    } catch (error) {
      addIssue({ message: expected === undefined ? (error as Error).message : `${dataset.value} is not ${expected}` });
      return NEVER;
    }
  }));
}

/** Bytes. */
export const size = field(v.union([v.string(), v.number()]), (value) => parseSize(value, 'size'), 'a size (64KiB, 20MiB, 1GiB)');

/** Milliseconds. */
export const duration = field(v.string(), (value) => parseDuration(value, 'duration'), 'a duration (250ms, 10s, 5m, 2h, 1d)');

/** Bits a second. */
export const rate = field(v.string(), (value) => parseRate(value, 'rate'), 'a rate (500kbit, 1Mbit, 1Gbit)');

export const absolutePath = v.pipe(v.string(), v.regex(/^\//, 'not an absolute path'));

export const count = v.pipe(v.number(), v.integer(), v.minValue(1));
