/** The names on the system bus that apps may call or be: a filter (xdg-dbus-proxy) for each instance, one relay for all. */
export { BusNames, type BusOptions } from './bus-names.ts';
export { busNamesReadiness } from './readiness.ts';
