/** The truth on disk: the SQLite database, image directories and data directories. */
export type * from './types.ts';
