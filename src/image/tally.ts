/** What the packages of a payload took so far, all together; the limits are for that. */
export interface Tally {
  unpackedBytes: number;
  entries: number;
  manifestBytes: number;
}

export function emptyTally(): Tally {
  return { unpackedBytes: 0, entries: 0, manifestBytes: 0 };
}
