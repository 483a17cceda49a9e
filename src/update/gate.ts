import type { Clock } from '../lib/clock.ts';
import { Signal } from '../lib/emitter.ts';
import { delayOf, type Deferral, type Delay } from './deferral.ts';
import type { UpdateRules } from './rules.ts';

/** The wall clock may jump, so windows are looked at anew at least this often. */
const lookEveryMs = 60_000;

/** An update that is ready to switch. */
export interface Ready {
  readonly apps: readonly string[];
  /** Since when, monotonic milliseconds. */
  readonly since: number;
  /** False for one that has begun while a window was open: it goes on, since others wait for it. */
  readonly windows: boolean;
  /** Ends the wait. */
  readonly signal: AbortSignal;
  /** Told each time there is something else to wait for. */
  readonly waiting: (why: string) => void;
}

/** Lets updates through when a window is open and no app has put them off. */
export class Gate {
  readonly #clock: Clock;
  readonly #rules: Pick<UpdateRules, 'windows'>;
  readonly #deferrals = new Map<string, Deferral>();
  /** Something changed that an update may wait for. */
  readonly #stirred = new Signal<undefined>();

  constructor({ clock, rules }: { readonly clock: Clock; readonly rules: Pick<UpdateRules, 'windows'> }) {
    this.#clock = clock;
    this.#rules = rules;
  }

  /**
   * Puts updates of an app off. Gives the milliseconds granted.
   * @param mostMs in all, from when an update was ready
   * @param readySince if one is
   */
  defer(app: string, ms: number, { mostMs, readySince }: { readonly mostMs: number; readonly readySince: number | undefined }): number {
    const now = this.#clock.monotonic();
    const grantedMs = Math.max(Math.min(ms, (readySince ?? now) + mostMs - now), 0);
    this.#deferrals.set(app, { app, until: now + grantedMs, mostMs });
    this.#stirred.emit(undefined);
    return grantedMs;
  }

  forget(app: string): void {
    this.#deferrals.delete(app);
    this.#stirred.emit(undefined);
  }

  /** Resolves when nothing keeps the update, or the signal aborts. */
  async pass(update: Ready): Promise<void> {
    let told: string | undefined;
    for (let delay = this.#delay(update); delay !== undefined && !update.signal.aborted; delay = this.#delay(update)) {
      if (told !== delay.why) update.waiting(delay.why);
      told = delay.why;
      await this.#stirOr(delay.ms, update.signal);
    }
  }

  #delay({ apps, since, windows }: Ready): Delay | undefined {
    const now = this.#clock.monotonic();
    return delayOf(apps, { deferrals: [...this.#deferrals.values()], windows: windows ? this.#rules.windows : [] }, { readySince: since, now, wall: new Date(this.#clock.now()) });
  }

  async #stirOr(ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => {
      resolve();
    };
    const cancel = this.#clock.after(Math.min(ms, lookEveryMs), wake);
    const stopListening = this.#stirred.on(wake);
    signal.addEventListener('abort', wake, { once: true });
    await promise;
    signal.removeEventListener('abort', wake);
    cancel();
    stopListening();
  }
}
