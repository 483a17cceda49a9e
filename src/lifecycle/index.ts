/** The supervisor: one state machine per app, restart policy, health, order of start and stop. */
export type * from './types.ts';
