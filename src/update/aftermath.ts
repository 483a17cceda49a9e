import { asBerthError, type BerthError } from '../lib/errors.ts';
import { undone } from './recovery.ts';
import { clear } from './removal.ts';
import type { UpdatesOptions } from './tools.ts';

/** Takes away what is left outside the store of apps that were removed when an earlier daemon was killed. */
export async function clearLeavings(options: UpdatesOptions): Promise<void> {
  const { store, ready, lifecycle } = options;
  await ready;
  for (const app of store.leavings()) {
    try {
      await clear(app, options);
    } catch (error) {
      lifecycle.announce({ type: 'app.warning', message: `what ${app} has left cannot be deleted yet: ${asBerthError(error).message}` });
    }
  }
}

/**
 * Ends and starts the apps of an update that was being switched when an earlier daemon was killed, and undoes it: some of
 * them may have ended, some may be about to, some may not have heard of it.
 * @param closing aborts when berthd ends; then the next one does it
 */
export async function startAgain(id: number, names: readonly string[], options: UpdatesOptions, closing: AbortSignal): Promise<void> {
  const { ready, lifecycle, store, clock } = options;
  await ready;
  const fault = await lifecycle.halt(names).then(() => undefined, asBerthError);
  if (closing.aborted) return;
  const warn = ({ message }: BerthError): void => {
    lifecycle.announce({ type: 'app.warning', message: `after the undone update ${id}, not all of ${names.join(', ')} may run as before: ${message}`, detail: { update: id } });
  };
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      warn(asBerthError(error));
    }
  };
  if (fault !== undefined) warn(fault);
  for (const name of names) {
    attempt(() => {
      store.updateApp(name, { lastExit: null });
      lifecycle.admit(name);
    });
  }
  attempt(() => {
    store.book.end(id, undone(store.book.get(id)!.details, clock.now()));
  });
  await lifecycle.release(names);
}
