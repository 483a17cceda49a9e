/** What an app asks for, held against what it may have: the config that runs. */
export { Decisions } from './decisions.ts';
export { grant } from './grant.ts';
export type * from './rights.ts';
export type * from './types.ts';
