import { appContract, appPath } from './contract.ts';
import { maxReasonLength } from './limits.ts';
import type { Served, ServedObject } from './serve.ts';
import type { AppBusesOptions } from './types.ts';

export type AppInterface = Required<Served<typeof appContract>>;

/** `org.berth.App1` of one app. */
export function appInterface(app: string, { lifecycle, updates }: Pick<AppBusesOptions, 'lifecycle' | 'updates'>): AppInterface {
  return {
    contract: appContract,
    methods: {
      Confirm: () => {
        updates.confirm(app, 'app');
        return [];
      },
      Fail: (reason: string) => {
        updates.fail(app, reason.slice(0, maxReasonLength).toWellFormed());
        return [];
      },
      Watchdog: () => {
        lifecycle.feedWatchdog(app);
        return [];
      },
      Defer: (seconds: number) => [updates.defer(app, seconds)],
    },
    properties: {
      Version: () => lifecycle.show(app).version,
      Trial: () => updates.appUpdate(app).trial,
      Deadline: () => BigInt(Math.ceil(updates.appUpdate(app).leftMs)),
      Pending: () => updates.appUpdate(app).pending,
      WatchdogInterval: () => BigInt(lifecycle.show(app).watchdogMs ?? 0),
    },
  };
}

export function appObject(served: AppInterface): ServedObject {
  return { path: appPath, interfaces: [served] };
}
