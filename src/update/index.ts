/** Changes which images are on the device: install, remove. */
export type * from './types.ts';
