/** The truth on disk: the SQLite database, image directories and data directories. */
export { openStore } from './store.ts';
export type { StagedImage, StoreOptions, WritableStore } from './store.ts';
export { defaultIds } from './id-ranges.ts';
export type { IdPool } from './id-ranges.ts';
export type { UpdateBook } from './update-book.ts';
export type { Brought, FolderBook } from './folder-book.ts';
export type { RecallList, TrustBook } from './trust-book.ts';
export { dataDirectory } from './data.ts';
export { openCopy } from './copy.ts';
export type { CopyLimits, CopyOptions, CopyReport, DataCopy } from './copy.ts';
export { copyWorkerMain } from './copy-worker.ts';
export { leastTakenBytes, measureTaken, measureTree, storageOf, takenBy } from './measure.ts';
export { makeVolume, volumesDirectory } from './volumes.ts';
export type { AppSpace, TakenSpace, TreeSize } from './measure.ts';
export type { StagingDirectory } from './staging.ts';
export type * from './types.ts';
