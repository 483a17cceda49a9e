import type { Clock } from '../lib/clock.ts';
import { BerthError } from '../lib/errors.ts';
import type { BerthEvent, LastExit, Lifecycle } from '../lifecycle/index.ts';
import { noteEveryMs, noted, type Deadline } from './deadline.ts';
import { dueAt, judgeEnd, seen, unproved, type AppTrial } from './trial.ts';

export interface TrialWatchOptions {
  readonly lifecycle: Pick<Lifecycle, 'show' | 'onEvent'>;
  readonly clock: Clock;
  readonly trials: readonly AppTrial[];
  readonly deadline: Deadline;
  /** An app has come nearer to its end: put it on disk, tell people. */
  readonly changed: (trial: AppTrial) => void;
  /** Put the time left on disk. */
  readonly note: (deadline: Deadline) => void;
}

/** Watches the new versions of one update until all of them have proved themselves or one has failed. */
export class TrialWatch {
  /** Resolves when all have passed; rejects with `rolled_back` and the reason when one has failed or the time is over. */
  readonly verdict: Promise<void>;
  readonly #options: TrialWatchOptions;
  readonly #settle: { readonly resolve: () => void; readonly reject: (error: BerthError) => void };
  readonly #trials: Map<string, AppTrial>;
  readonly #stopListening: () => void;
  #deadline: Deadline;
  #cancelDue = (): void => undefined;
  #cancelNote = (): void => undefined;
  #begun = false;
  #over = false;

  /** Hears from now on what happens to the apps; judges from {@link begin} on. */
  constructor(options: TrialWatchOptions) {
    this.#options = options;
    this.#trials = new Map(options.trials.map((trial) => [trial.app, trial]));
    this.#deadline = options.deadline;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.verdict = promise;
    // It may fail before anybody asks.
    promise.catch(() => undefined);
    this.#settle = { resolve, reject };
    this.#stopListening = options.lifecycle.onEvent((event) => {
      this.#heard(event);
    });
  }

  /** The apps have been started, or found running: from now on their states count. */
  begin(): void {
    const { lifecycle, clock } = this.#options;
    this.#begun = true;
    for (const trial of this.#trials.values()) {
      const status = lifecycle.show(trial.app);
      this.#change(seen(trial, status, clock.monotonic()));
      // It may have ended while no daemon was there to hear of it.
      if (status.lastExit !== undefined && status.instance === undefined) this.#ended(trial, status.lastExit);
    }
    this.#armNote();
    this.#review();
  }

  get leftMs(): number {
    return Math.ceil(noted(this.#deadline, this.#options.clock.monotonic()).leftMs);
  }

  /** What each app is still to prove; apps that are not tried are not in it. */
  waiting(): ReadonlyMap<string, readonly string[]> {
    const now = this.#options.clock.monotonic();
    return new Map([...this.#trials].map(([app, trial]) => [app, unproved(trial, now)]));
  }

  /** @param by the app itself, or a person, whose word counts for everything */
  confirm(app: string, by: 'app' | 'operator'): void {
    const trial = this.#trials.get(app);
    if (trial === undefined || this.#over) throw new BerthError('conflict', `${app} is not being tried`);
    this.#change(by === 'app' ? { ...trial, confirmed: true } : { ...trial, vouched: true });
    this.#review();
  }

  /** The whole update is to be rolled back. */
  fail(reason: string): void {
    if (this.#over) return;
    this.#end();
    this.#settle.reject(new BerthError('rolled_back', reason));
  }

  /** Stops watching without a verdict: berthd ends. */
  leave(): void {
    if (this.#over) return;
    this.#options.note(noted(this.#deadline, this.#options.clock.monotonic()));
    this.#end();
    this.#settle.reject(new BerthError('unavailable', 'berthd is ending; the trial goes on when it starts again'));
  }

  #heard(event: BerthEvent): void {
    const trial = event.app === undefined || this.#over ? undefined : this.#trials.get(event.app);
    if (trial === undefined) return;
    if (event.type === 'app.exit') this.#ended(trial, event.detail as LastExit);
    else if (this.#begun && (event.type === 'app.state' || event.type === 'app.health')) {
      this.#change(seen(trial, this.#options.lifecycle.show(trial.app), this.#options.clock.monotonic()));
    } else return;
    this.#review();
  }

  #ended(trial: AppTrial, exit: LastExit): void {
    const verdict = judgeEnd(trial, exit);
    if (typeof verdict === 'object') this.fail(`${trial.app}: ${verdict.failure}`);
    else if (verdict === 'well') this.#change({ ...this.#trials.get(trial.app)!, endedWell: true });
  }

  #change(trial: AppTrial): void {
    this.#trials.set(trial.app, trial);
    this.#options.changed(trial);
  }

  /** Decides what can be decided now, and sets the timer for when more can. */
  #review(): void {
    this.#cancelDue();
    if (this.#over || !this.#begun) return;
    const { clock } = this.#options;
    const now = clock.monotonic();
    const open = [...this.#trials.values()].filter((trial) => unproved(trial, now).length > 0);
    if (open.length === 0) {
      this.#end();
      this.#settle.resolve();
      return;
    }
    if (now >= this.#deadline.at) {
      const parts = open.map((trial) => `${trial.app} still waited for ${unproved(trial, now).join(' and ')}`);
      this.fail(`not proved in time: ${parts.join('; ')}`);
      return;
    }
    const next = Math.min(this.#deadline.at, ...open.map((trial) => dueAt(trial) ?? Infinity).filter((due) => due > now));
    this.#cancelDue = clock.after(Math.ceil(next - now), () => {
      this.#review();
    });
  }

  #armNote(): void {
    if (this.#over) return;
    const { clock, note } = this.#options;
    this.#cancelNote = clock.after(noteEveryMs(this.#deadline.leftMs), () => {
      this.#deadline = noted(this.#deadline, clock.monotonic());
      note(this.#deadline);
      this.#armNote();
    });
  }

  #end(): void {
    this.#over = true;
    this.#cancelDue();
    this.#cancelNote();
    this.#stopListening();
  }
}

