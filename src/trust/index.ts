/** Signatures and authorities: who vouches for a package. */
export type * from './types.ts';
