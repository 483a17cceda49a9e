import type { Duplex } from 'node:stream';
import { asBerthError, BerthError, isErrno, type ErrorBody } from '../lib/errors.ts';
import type { TrustPolicy } from '../trust/index.ts';
import { maxAdmissionBytes, parseAdmission, requireAsAdmitted, requirePossible, type Admission, type Terms } from './admission.ts';
import { receiveMessages, sendMessage } from './message.ts';
import type { PackageLimits, PayloadReport } from './types.ts';

/** Descriptor of the process that unpacks: a socket pair, on which it is told its job, says what it finds, and hears whether that may come in. */
export const gateDescriptor = 3;

/** What that process is told first. */
export interface UnpackJob {
  readonly target?: string;
  readonly limits: PackageLimits;
  /** Undefined: nobody is asked. */
  readonly trust?: TrustPolicy;
}

/** What it is told of each package that it brings to the gate. */
export type GateAnswer = { readonly terms: Terms } | ErrorBody;

/** Bounds what a payload can make the caller remember. */
const maxPackages = 10_000;

/** The caller's side of the gate: lets packages in, and holds the process that unpacks to what it said of them. */
export class Gatekeeper {
  readonly #admit: (admission: Admission) => Terms | Promise<Terms>;
  readonly #trust: TrustPolicy | undefined;
  readonly #admitted: Admission[] = [];
  readonly #terms: Terms[] = [];
  #refusal: BerthError | undefined;

  constructor(trust: TrustPolicy | undefined, admit: (admission: Admission) => Terms | Promise<Terms>) {
    this.#trust = trust;
    this.#admit = admit;
  }

  /** Tells the job, and answers until the other side says no more. @throws BerthError `internal` for what it must not say */
  async serve(channel: Duplex, job: UnpackJob): Promise<void> {
    // One that is gone shows in how it ended.
    channel.on('error', () => undefined);
    sendMessage(channel, job);
    try {
      for await (const message of receiveMessages(channel, maxAdmissionBytes)) sendMessage(channel, await this.#answer(message));
    } catch (error) {
      if (!isErrno(error, 'ECONNRESET', 'EPIPE')) throw error;
    }
  }

  /**
   * What was found, with who vouches for each package.
   * @throws BerthError what a package was refused with; `internal` if the report is not of what was let in
   */
  hold(report: PayloadReport): PayloadReport {
    this.requireNoRefusal();
    requireAsAdmitted(report.packages.map((found) => found.report), this.#admitted);
    return { ...report, packages: report.packages.map((found, index) => ({ ...found, report: { ...found.report, vouched: this.#admitted[index]!.vouched } })) };
  }

  /** On what terms the package of this number was let in. */
  terms(index: number): Terms {
    return this.#terms[index]!;
  }

  /** Whatever the other side made of it. @throws BerthError what a package was refused with */
  requireNoRefusal(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  async #answer(message: unknown): Promise<GateAnswer> {
    let admission: Admission;
    try {
      admission = parseAdmission(message);
      if (this.#trust !== undefined) requirePossible(admission, this.#trust);
    } catch (error) {
      throw new BerthError('internal', 'the process that unpacks packages says of one what cannot be', { cause: error });
    }
    if (this.#admitted.length === maxPackages) throw new BerthError('too_large', `more than ${maxPackages} packages in one payload`);
    try {
      const terms = await this.#admit(admission);
      this.#admitted.push(admission);
      this.#terms.push(terms);
      return { terms };
    } catch (error) {
      this.#refusal ??= asBerthError(error);
      return this.#refusal.toBody();
    }
  }
}
