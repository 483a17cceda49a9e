/** Changes which images are on the device: the coordinator of updates, from a payload to its commit or the way back. */
export { openUpdates } from './coordinator.ts';
export type { UpdateCoordinator } from './coordinator.ts';
export { recoverUpdates } from './recovery.ts';
export { openFolders } from './folders.ts';
export type { Folders, FoldersOptions } from './folders.ts';
export { defaultRules } from './rules.ts';
export type { UpdateRules } from './rules.ts';
export { parseWindow } from './window.ts';
export type { UpdatesOptions, Workers } from './tools.ts';
export type { Provided } from './dependencies.ts';
export { readPlatform } from './platform.ts';
export { preload } from './preload.ts';
export type { PreloadedApp, PreloadOptions, PreloadProgress, PreloadReport } from './preload.ts';
export { updateOutcomes, updatePhases, updateSources } from './types.ts';
export type * from './types.ts';
