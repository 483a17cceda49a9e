import { compareVersions } from '../image/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../lib/digest.ts';
import { asBerthError } from '../lib/errors.ts';
import type { Journal } from '../lib/journal.ts';
import type { ImageRow, WritableStore } from '../store/index.ts';
import { readAuthorities, recallOf, recallsBy, type AuthorityFiles, type Recall, type TrustedTime, type TrustPolicy } from '../trust/index.ts';
import type { Ownership } from './ownership.ts';
import { requireNotRecalled } from './recalled.ts';
import { trustedTime } from './time.ts';
import type { TrustRules } from './trust-rules.ts';

/** How often the time is put on disk, so that after a power cut it is known to be at most so much earlier. */
const noteEveryMs = 10 * 60_000;

export interface TrustKeeperOptions {
  readonly store: Pick<WritableStore, 'trust'>;
  readonly rules: TrustRules;
  readonly clock: Clock;
  readonly journal: Journal;
}

/** What this device goes by when it judges who vouches for a package. */
export class TrustKeeper {
  readonly rules: TrustRules;
  readonly #options: TrustKeeperOptions;
  #known: AuthorityFiles['authorities'] = [];
  #cancelNote = (): void => undefined;

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
    this.rules = options.rules;
    this.#noteRegularly();
  }

  /** Authorities as they were read last. */
  get known(): AuthorityFiles['authorities'] {
    return this.#known;
  }

  /** Read anew each time, so that what the operator changes counts at once. */
  async files(): Promise<AuthorityFiles> {
    const files = await readAuthorities(this.rules.authorities);
    this.#known = files.authorities;
    return files;
  }

  /** What packages are judged by at this moment. */
  async policy(): Promise<TrustPolicy> {
    const { authorities } = await this.files();
    const { allowUnsigned, unknownTime } = this.rules;
    return { authorities, allowUnsigned, recalls: this.#options.store.trust.recalls(), time: this.time(), unknownTime };
  }

  async ownership(): Promise<Ownership> {
    const { authorities } = await this.files();
    return { owners: this.#options.store.trust.owners(), authorities };
  }

  time(): TrustedTime {
    return trustedTime(this.#options.clock.now(), this.#options.store.trust.lastTime());
  }

  /** Puts on disk how late it is; not while that is not known. */
  noteTime(): void {
    const { store, journal } = this.#options;
    const { now, isKnown } = this.time();
    try {
      if (isKnown) store.trust.noteTime(now);
    } catch (error) {
      journal('warning', `how late it is cannot be put on disk: ${asBerthError(error).message}`);
    }
  }

  /** Takes the clock's word for how late it is, whatever was known: the way back from a clock that once ran far ahead. */
  forgetTime(): TrustedTime {
    this.#options.store.trust.forgetTime();
    this.noteTime();
    return this.time();
  }

  /** The recall that keeps an image from running, if there is one: by the authority that vouched for it, or its app's. */
  recallOf({ digest, package: name, version, authority }: Pick<ImageRow, 'digest' | 'package' | 'version' | 'authority'>): Recall | undefined {
    const { trust } = this.#options.store;
    // Whether an authority may sign an app of this name was looked at when its list was taken.
    return recallOf({ name, version, digest }, recallsBy([authority, trust.owner(name)], trust.recalls()), [], compareVersions);
  }

  /** @throws BerthError `untrusted` for an image that is recalled */
  requireNotRecalled(image: ImageRow): void {
    requireNotRecalled(image, this.recallOf(image));
  }

  /** As {@link recallOf}, of those images that are recalled. */
  recallsOf(images: readonly ImageRow[]): ReadonlyMap<Digest, Recall> {
    return new Map(images.flatMap((image) => {
      const recall = this.recallOf(image);
      return recall === undefined ? [] : [[image.digest, recall] as const];
    }));
  }

  close(): void {
    this.#cancelNote();
    this.noteTime();
  }

  #noteRegularly(): void {
    this.#cancelNote = this.#options.clock.after(noteEveryMs, () => {
      this.noteTime();
      this.#noteRegularly();
    });
  }
}
