import type { Json } from '../lib/json.ts';
import { jsonPathMatches } from '../lib/json-path.ts';
import type { Decision, PolicyRule } from './rights.ts';

/** Most characters of what was asked for that a decision tells; a request may hold any amount of text. */
const mostTold = 500;

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
    this.#made.push({ path, asked: told(asked), granted: given === asked ? told(asked) : given, verdict: 'granted' });
  }

  /**
   * Asks for more than it may have: the package is refused for it; where the policy degrades this path, the app gets
   * `most` instead.
   * @param why what stands against it, and who would have to change what
   */
  limited(path: string, asked: Json, why: string, most: Json): void {
    this.#made.push({ path, asked: told(asked), granted: most, verdict: this.#verdict(path), why });
  }

  /** Not given: the package is refused for it; where the policy degrades this path, the app goes without. */
  refused(path: string, asked: Json, why: string): void {
    this.#made.push({ path, asked: told(asked), verdict: this.#verdict(path), why });
  }

  #verdict(path: string): Decision['verdict'] {
    if (typeof this.#degrade === 'boolean') return this.#degrade ? 'degraded' : 'refused';
    return this.#degrade.some((pattern) => jsonPathMatches(pattern, path)) ? 'degraded' : 'refused';
  }
}

function told(asked: Json): Json {
  const text = JSON.stringify(asked);
  return text.length <= mostTold ? asked : `${text.slice(0, mostTold)}…`;
}
