/** Changes which images are on the device: install, remove. */
export { openUpdates } from './updates.ts';
export type { UpdatesOptions } from './updates.ts';
export type { Provided } from './dependencies.ts';
export { updateOutcomes, updatePhases, updateSources } from './types.ts';
export type * from './types.ts';
