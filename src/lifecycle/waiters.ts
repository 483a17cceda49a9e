import { BerthError } from '../lib/errors.ts';
import { type Phase, phases } from './machine.ts';
import type { HealthState } from './types.ts';

/** What somebody waits for: the commands of people, and `ready`: an app that others wait for runs and is healthy. */
export const everythingAwaited = ['started', 'ended', 'suspended', 'resumed', 'ready'] as const;

export type Awaited = (typeof everythingAwaited)[number];

/** What the answer depends on. */
export interface View {
  readonly phase: Phase;
  /** True while the runtime holds the instance frozen, which comes a little after or before the phase says so. */
  readonly frozen: boolean;
  readonly health: HealthState;
}

/** `done`, still to `wait`, or `over`: it will not come about any more. */
export const judge: Readonly<Record<Awaited, (view: View) => 'done' | 'wait' | 'over'>> = {
  started: ({ phase, frozen }) => {
    if (phase === 'suspended' || (phase === 'running' && !frozen)) return 'done';
    return phase === 'starting' || phase === 'restarting' || phase === 'running' ? 'wait' : 'over';
  },
  ended: ({ phase }) => (phase === 'running' || phase === 'suspended' || phases[phase].shown === 'stopping' ? 'wait' : 'done'),
  suspended: ({ phase, frozen }) => {
    if (phase !== 'suspended') return 'over';
    return frozen ? 'done' : 'wait';
  },
  resumed: ({ phase, frozen }) => {
    if (phase !== 'running') return 'over';
    return frozen ? 'wait' : 'done';
  },
  ready: ({ phase, health }) => {
    if (phase === 'running') return health === 'starting' ? 'wait' : 'done';
    return phase === 'starting' ? 'wait' : 'over';
  },
};

interface Waiter {
  readonly awaited: Awaited;
  readonly resolve: () => void;
  readonly reject: (error: BerthError) => void;
}

/** Those who wait for something of one app. */
export class Waiters {
  #waiters: Waiter[] = [];

  /** Resolves or rejects at the next `review` or `fail` that concerns it, which may be at once. */
  async add(awaited: Awaited, app: string, view: View): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ awaited, resolve, reject });
      this.review(app, view);
    });
  }

  review(app: string, view: View): void {
    this.#settle((waiter) => {
      const verdict = judge[waiter.awaited](view);
      if (verdict === 'wait') return false;
      if (verdict === 'done') waiter.resolve();
      else waiter.reject(new BerthError('cancelled', `app ${app}: something else came in between; it is ${phases[view.phase].shown} now`));
      return true;
    });
  }

  fail(awaited: readonly Awaited[], error: BerthError): void {
    this.#settle((waiter) => {
      if (!awaited.includes(waiter.awaited)) return false;
      waiter.reject(error);
      return true;
    });
  }

  #settle(settled: (waiter: Waiter) => boolean): void {
    if (this.#waiters.length > 0) this.#waiters = this.#waiters.filter((waiter) => !settled(waiter));
  }
}
