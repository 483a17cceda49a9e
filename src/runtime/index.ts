/** Runs OCI containers through conmon and runc or crun: start, adopt, signal, exec, figures, logs. */
export { openExchange, type Exchange } from './exchange.ts';
export { examineNetwork, type NetworkCheck, type NetworkOptions } from './network/index.ts';
export { busNamesReadiness } from './bus-names/index.ts';
export { openRuntime, type RuntimeOptions } from './runtime.ts';
export type * from './types.ts';
