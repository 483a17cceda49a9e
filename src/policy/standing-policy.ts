import { asBerthError, BerthError } from '../lib/errors.ts';
import type { Journal } from '../lib/journal.ts';
import { openYaml, type YamlReader } from '../lib/yaml-file.ts';
import { policyFingerprint, readPolicyRules } from './policy-file.ts';
import type { PolicyRule } from './rights.ts';

export interface StandingPolicyOptions {
  /** `policy.d` */
  readonly directory: string;
  /** Where the last rules that could be read outlive the daemon, as text. */
  readonly memory: { readonly read: () => string | undefined; readonly write: (text: string) => void };
  readonly journal: Journal;
}

/**
 * The operator's rules as they stand at each moment. While a file is broken nobody knows what the operator means: nothing
 * is installed, and what is installed starts by the last rules that could be read.
 */
export class StandingPolicy {
  readonly #options: StandingPolicyOptions;
  readonly #yaml: YamlReader;
  #fingerprint: string | undefined;
  #rules: readonly PolicyRule[] | undefined;
  #fault: BerthError | undefined;

  private constructor(options: StandingPolicyOptions, yaml: YamlReader) {
    this.#options = options;
    this.#yaml = yaml;
    const kept = options.memory.read();
    this.#rules = kept === undefined ? undefined : (JSON.parse(kept) as readonly PolicyRule[]);
  }

  static async open(options: StandingPolicyOptions): Promise<StandingPolicy> {
    const policy = new StandingPolicy(options, await openYaml());
    policy.#look();
    return policy;
  }

  /** Why the files cannot be read, if they cannot. */
  fault(): BerthError | undefined {
    this.#look();
    return this.#fault;
  }

  /** For an install. @throws BerthError `usage` or `io` while a file is broken */
  forInstall(): readonly PolicyRule[] {
    this.#look();
    if (this.#fault !== undefined) throw new BerthError(this.#fault.code, `nothing is installed while the policy cannot be read: ${this.#fault.message}`, { cause: this.#fault });
    return this.#rules ?? [];
  }

  /** For a start. @throws BerthError if a file is broken and there never was a policy that was not */
  forStart(): readonly PolicyRule[] {
    this.#look();
    if (this.#rules === undefined) throw new BerthError(this.#fault!.code, `nothing starts before the policy has once been read: ${this.#fault!.message}`, { cause: this.#fault });
    return this.#rules;
  }

  /** Reads the files again if they have changed. */
  #look(): void {
    const { directory, journal } = this.#options;
    try {
      const fingerprint = policyFingerprint(directory);
      if (fingerprint === this.#fingerprint) return;
      // Taken before reading: what changes meanwhile is read again the next time.
      this.#fingerprint = fingerprint;
      this.#rules = readPolicyRules(directory, this.#yaml);
      this.#fault = undefined;
      this.#keep(this.#rules);
    } catch (error) {
      const fault = asBerthError(error);
      if (fault.message !== this.#fault?.message) journal('warning', `the policy counts as it was before: ${fault.message}`);
      this.#fault = fault;
      // A file with a fault is read again when it changes; one that could not be read may be there the next time.
      if (fault.code !== 'usage') this.#fingerprint = undefined;
    }
  }

  /** Rules that cannot be kept, as on a full disk, count all the same; the next question tries again. */
  #keep(rules: readonly PolicyRule[]): void {
    const { memory, journal } = this.#options;
    const text = JSON.stringify(rules);
    try {
      if (text !== memory.read()) memory.write(text);
    } catch (error) {
      journal('warning', `the policy counts, but could not be kept for a time when its files are broken: ${asBerthError(error).message}`);
      this.#fingerprint = undefined;
    }
  }
}
