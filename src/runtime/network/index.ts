/** Puts instances on a bridge behind the host, with rules that keep them from the host and from each other. */
export { examineNetwork, type NetworkCheck } from './examine.ts';
export { Networks } from './networks.ts';
export type { NetworkOptions } from './plan.ts';
