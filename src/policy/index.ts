/** What an app asks for, held against what it may have: the config that runs. */
export { grant } from './grant.ts';
export type * from './types.ts';
