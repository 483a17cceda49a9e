import { BerthError } from '../lib/errors.ts';

/** One hold of one app. Holding an app anew makes another one, so that a release ends only what it found. */
interface Hold {
  /** Starts that wait for its end. */
  readonly waiting: PromiseWithResolvers<void>[];
}

/** The holds that a release found, by app. */
export type Found = ReadonlyMap<string, Hold>;

/** Apps that nothing may start for the moment, and the commands that wait until that is over. */
export class Holds {
  readonly #holds = new Map<string, Hold>();

  begin(names: readonly string[]): void {
    for (const name of names) this.#holds.set(name, { waiting: this.#holds.get(name)?.waiting ?? [] });
  }

  has(name: string): boolean {
    return this.#holds.has(name);
  }

  find(names: readonly string[]): Found {
    return new Map([...this.#holds].filter(([name]) => names.includes(name)));
  }

  /** True of an app that was found, unless it was held anew since. */
  isReleased(name: string, found: Found): boolean {
    return found.has(name) && [undefined, found.get(name)].includes(this.#holds.get(name));
  }

  end(name: string): void {
    const waiting = this.#holds.get(name)?.waiting ?? [];
    this.#holds.delete(name);
    for (const { resolve } of waiting) resolve();
  }

  /** Resolves when the app is not held. @throws BerthError what {@link giveUp} says */
  async over(name: string): Promise<void> {
    for (let hold = this.#holds.get(name); hold !== undefined; hold = this.#holds.get(name)) {
      const end = Promise.withResolvers<void>();
      hold.waiting.push(end);
      await end.promise;
    }
  }

  /** Those who wait to start the app are told that nothing comes of it. */
  giveUp(name: string, error: BerthError): void {
    for (const { reject } of this.#holds.get(name)?.waiting.splice(0) ?? []) reject(error);
  }

  /** As {@link giveUp} for all; the apps stay held. */
  giveUpAll(why: string): void {
    for (const name of this.#holds.keys()) this.giveUp(name, new BerthError('unavailable', `app ${name}: it is not started any more, ${why}`));
  }
}
