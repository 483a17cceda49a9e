import type { News } from './events.ts';
import { type Phase, phases } from './machine.ts';
import type { HealthState, LastExit, Reason } from './types.ts';

/** Tells what becomes of one app. */
export class Teller {
  readonly #tell: (news: News) => void;
  readonly #app: string;

  constructor(tell: (news: News) => void, app: string) {
    this.#tell = tell;
    this.#app = app;
  }

  /** Nothing is told if people see the same state as before. */
  moved(from: Phase, to: Phase, reason: Reason | undefined): void {
    const [was, is] = [phases[from].shown, phases[to].shown];
    if (was === is) return;
    const why = reason === undefined ? '' : `: ${reason.message}`;
    this.#say('app.state', ` is ${is}${why}`, { from: was, to: is, reason });
  }

  ended(end: LastExit): void {
    this.#say('app.exit', `: ${end.reason.message}`, end);
  }

  health(health: HealthState, output: string): void {
    this.#say('app.health', ` is ${health}`, { health, output });
  }

  warn(message: string): void {
    this.#tell({ type: 'app.warning', app: this.#app, message: `${this.#app}: ${message}` });
  }

  #say(type: News['type'], message: string, detail: unknown): void {
    this.#tell({ type, app: this.#app, message: this.#app + message, detail });
  }
}
