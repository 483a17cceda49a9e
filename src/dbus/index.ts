/** A private D-Bus socket for each app, on which it learns of and takes part in its own update. */
export { serveAppBuses } from './buses.ts';
export type { AppBuses, AppBusesOptions, BusLifecycle, BusUpdates } from './types.ts';
