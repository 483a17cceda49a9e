import type { Clock } from '../lib/clock.ts';
import { Signal } from '../lib/emitter.ts';
import type { Journal } from '../lib/journal.ts';
import type { BerthEvent } from './types.ts';

/** Events kept for those who come late. */
export const keptEvents = 1000;

/** What a teller of an event says; number and time are added. */
export type News = Pick<BerthEvent, 'type' | 'app' | 'message' | 'detail'>;

/** The last events in memory, and those who follow. */
export class EventLog {
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #signal = new Signal<BerthEvent>();
  readonly #ring: BerthEvent[] = [];
  #seq = 0;

  constructor(clock: Clock, journal: Journal) {
    this.#clock = clock;
    this.#journal = journal;
  }

  add(news: News): void {
    this.#seq += 1;
    const event: BerthEvent = { seq: this.#seq, at: this.#clock.now(), ...news };
    this.#ring[(this.#seq - 1) % keptEvents] = event;
    this.#journal(event.type === 'app.warning' ? 'warning' : 'info', event.message);
    this.#signal.emit(event);
  }

  since(seq: number): readonly BerthEvent[] {
    const first = Math.max(seq, this.#seq - keptEvents, 0);
    return Array.from({ length: Math.max(this.#seq - first, 0) }, (_, index) => this.#ring[(first + index) % keptEvents]!);
  }

  /** A listener that throws must not disturb the supervisor: its fault is told and it goes on. */
  on(listener: (event: BerthEvent) => void): () => void {
    return this.#signal.on((event) => {
      try {
        listener(event);
      } catch (error) {
        this.#journal('error', `a listener for events failed: ${String(error)}`);
      }
    });
  }
}
