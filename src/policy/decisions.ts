import type { Json } from '../lib/json.ts';
import { jsonPathMatches } from './json-path.ts';
import type { Decision, PolicyRule } from './rights.ts';

/** Collects what became of each field of a request, in the order in which it was judged. */
export class Decisions {
  readonly #degrade: PolicyRule['degrade'];
  readonly #made: Decision[] = [];

  /** @param degrade where the policy tolerates that less is given than was asked for */
  constructor(degrade: PolicyRule['degrade'] = false) {
    this.#degrade = degrade;
  }

  /** All that were made. */
  get all(): readonly Decision[] {
    return this.#made;
  }

  /**
   * Given as asked for.
   * @param path JSON path in `config.json`
   * @param given what the app gets, where its words are others than those of the request
   */
  granted(path: string, asked: Json, given: Json = asked): void {
    this.#made.push({ path, asked, granted: given, verdict: 'granted' });
  }

  /**
   * Asks for more than it may have: the package is refused for it; where the policy degrades this path, the app gets
   * `most` instead.
   * @param why what stands against it, and who would have to change what
   */
  limited(path: string, asked: Json, why: string, most: Json): void {
    this.#made.push({ path, asked, granted: most, verdict: this.#verdict(path), why });
  }

  /** Not given: the package is refused for it; where the policy degrades this path, the app goes without. */
  refused(path: string, asked: Json, why: string): void {
    this.#made.push({ path, asked, verdict: this.#verdict(path), why });
  }

  #verdict(path: string): Decision['verdict'] {
    if (typeof this.#degrade === 'boolean') return this.#degrade ? 'degraded' : 'refused';
    return this.#degrade.some((pattern) => jsonPathMatches(pattern, path)) ? 'degraded' : 'refused';
  }
}
