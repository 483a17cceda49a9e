/** The truth on disk: the SQLite database, image directories and data directories. */
export { openStore } from './store.ts';
export type { StoreOptions, WritableStore } from './store.ts';
export { dataDirectory } from './data.ts';
export type { StagingDirectory } from './staging.ts';
export type * from './types.ts';
