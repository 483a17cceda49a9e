import type { Clock } from '../lib/clock.ts';
import type { App } from './app.ts';
import type { News } from './events.ts';
import { inOrder, type Order, Slots, stopOrder } from './order.ts';
import { duration } from './reason.ts';

/** An app waits this long for one that it comes after, from the moment that one begins to start. */
export const dependencyWaitMs = 30_000;

/** After the shutdown's deadline everything was killed; what does not end now is left to the kernel. */
export const lastWaitMs = 5_000;

/**
 * Starts apps in order: each once those it comes after run and are healthy, have failed, or have had their time. At
 * most `parallel` starts are under way at once. Resolves when every start was tried.
 */
export async function startAll(
  order: Order,
  options: {
    readonly clock: Clock;
    readonly parallel: number;
    /** The app of the moment with this name, if it is (still) to be started. */
    readonly find: (name: string) => App | undefined;
    readonly start: (app: App) => Promise<void>;
    readonly tell: (news: News) => void;
  },
): Promise<void> {
  const { clock, find, start, tell } = options;
  const slots = new Slots(options.parallel);
  const waitedFor = new Set([...order.after.values()].flat());

  await inOrder<'settled' | 'late'>(order, async (name, before) => {
    let until = 0;
    const started = await slots.use(async () => {
      const app = find(name);
      if (app === undefined) return 'settled';
      for (const [other, came] of before) {
        if (came === 'late') tell({ type: 'app.warning', app: name, message: `${name} starts although ${other} is not ready after ${duration(dependencyWaitMs)}` });
      }
      until = clock.monotonic() + dependencyWaitMs;
      return within(clock, dependencyWaitMs, start(app));
    });
    const app = find(name);
    if (app === undefined || started === 'late' || !waitedFor.has(name)) return started;
    return within(clock, until - clock.monotonic(), app.ready());
  });
}

/**
 * Stops these apps for an update, in the reverse order of start.
 * @param mayGoOn throws when berthd is ending
 * @throws BerthError the first error of one that cannot be stopped, after all were tried
 */
export async function haltAll(apps: ReadonlyMap<string, App>, order: Order, names: readonly string[], mayGoOn: (name: string) => void): Promise<void> {
  const faults: unknown[] = [];
  await inOrder<void>(stopOrder(order), async (name) => {
    if (!names.includes(name)) return;
    try {
      mayGoOn(name);
      await apps.get(name)?.halt();
    } catch (fault) {
      faults.push(fault);
    }
  });
  if (faults.length > 0) throw faults[0];
}

/** Stops all apps in the reverse order of start; at the deadline everything that is left is killed. */
export async function stopAll(apps: ReadonlyMap<string, App>, order: Order, options: { readonly clock: Clock; readonly deadlineMs: number }): Promise<void> {
  const { clock, deadlineMs } = options;
  const cancelDeadline = clock.after(deadlineMs, () => {
    for (const app of apps.values()) app.shutdownNow();
  });
  const stopped = inOrder<void>(stopOrder(order), async (name) => {
    // What keeps it from ending the app tells itself; the others go on.
    await apps.get(name)?.shutdown().catch(() => undefined);
  });
  await within(clock, deadlineMs + lastWaitMs, stopped);
  cancelDeadline();
}

/** `late` if the work has not ended within the time; how it ended does not matter here, as the app itself tells. */
async function within(clock: Clock, ms: number, work: Promise<void>): Promise<'settled' | 'late'> {
  const { promise, resolve } = Promise.withResolvers<'settled' | 'late'>();
  const cancel = clock.after(Math.max(ms, 0), () => {
    resolve('late');
  });
  const settle = async (): Promise<void> => {
    await work.catch(() => undefined);
    cancel();
    resolve('settled');
  };
  void settle();
  return promise;
}
