/** The supervisor: one state machine per app, restart policy, health, order of start and stop. */
export { explain, foresee, planLaunch, readLaunch } from './launch.ts';
export type { LaunchPlaces, LaunchRequest, Ruling } from './launch.ts';
export { describeMachine } from './machine.ts';
export { startOrder } from './order.ts';
export type { Order, OrderedApp } from './order.ts';
export type { LaunchPlan, Prepare } from './plan.ts';
export { openSupervisor } from './supervisor.ts';
export type { SupervisorOptions } from './supervisor.ts';
export { eventTypes, reasonCodes } from './types.ts';
export type * from './types.ts';
