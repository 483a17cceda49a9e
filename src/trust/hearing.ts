import { BerthError } from '../lib/errors.ts';
import { readAllAuthorities } from './authority.ts';
import type { Certificate } from './certificate.ts';
import { readSignedMessage } from './cms-reader.ts';
import { verifySigners, type VerifiedSigner } from './cms-verify.ts';
import { closeness } from './names.ts';
import { standingOf, type Judgement, type ReadAuthority, type Standing } from './standing.ts';
import type { Authority, Claim, Identity, Signer, TrustPolicy, Vouched } from './types.ts';

/** What the signature of a package is called in messages. */
const signatureName = '_signature.p7s';

/**
 * Who vouches for a signed package. `identity` is asked for only when every signature has been found good. If several
 * authorities could claim the app, the one whose patterns mean its name most closely does, then the first by name.
 * @throws BerthError `untrusted` that says who, why and what to do
 */
export function hear(signature: Uint8Array, manifest: Claim['manifest'], identity: () => Identity, policy: TrustPolicy): Vouched {
  const message = readSignedMessage(signature, signatureName);
  if (message.content !== undefined) throw new BerthError('untrusted', `${signatureName} holds content of its own; it must be detached, over the manifest`);
  const { readable, faults } = readAllAuthorities(policy.authorities);
  const signers = verifySigners(message, manifest, readable.flatMap(({ certificates }) => certificates));
  const { name, version } = identity();
  return new Hearing(signers, message.certificates, readable, policy).vouchFor(name, `${name} ${version}`, faults);
}

/** Of one package: its signers before the authorities. */
class Hearing {
  readonly #signers: readonly VerifiedSigner[];
  readonly #sent: readonly Certificate[];
  readonly #authorities: readonly ReadAuthority[];
  readonly #judgement: Judgement;
  /** Of each signer with each authority: what is costly is decided once. */
  readonly #standings = new Map<VerifiedSigner, Map<ReadAuthority, Standing>>();

  constructor(signers: readonly VerifiedSigner[], sent: readonly Certificate[], authorities: readonly ReadAuthority[], judgement: Judgement) {
    this.#signers = signers;
    this.#sent = sent;
    this.#authorities = authorities;
    this.#judgement = judgement;
  }

  /** `what` is the package in messages; `faults` are those of authorities that could not be read. */
  vouchFor(name: string, what: string, faults: readonly string[]): Vouched {
    const reasons: string[] = [];
    for (const by of this.#claimants(name)) {
      const { authority } = by;
      for (const signer of this.#signers) {
        const standing = this.#standing(signer, by);
        if (!standing.knows) continue;
        const outcome = standing.fault === undefined ? this.#countersigners(authority, signer) : { fault: standing.fault };
        if ('signers' in outcome) return { authority: authority.name, signers: this.#told(signer, authority, outcome.signers) };
        reasons.push(`${signer.what}, for authority ${authority.name}: ${outcome.fault}`);
      }
    }
    throw new BerthError('untrusted', `${what}: ${[...(reasons.length > 0 ? reasons : [this.#strangers(name)]), ...faults].join('; ')}`);
  }

  /** Authorities that may sign apps of this name, the closest first. */
  #claimants(name: string): readonly ReadAuthority[] {
    return this.#authorities
      .map((by) => ({ by, closeness: closeness(by.authority.apps, name) }))
      .filter(({ closeness }) => closeness >= 0)
      .toSorted((a, b) => b.closeness - a.closeness)
      .map(({ by }) => by);
  }

  /** As {@link standingOf}, with what the authority's witnesses say. */
  #standing(signer: VerifiedSigner, by: ReadAuthority): Standing {
    const known = this.#standings.getOrInsertComputed(signer, () => new Map());
    return known.getOrInsertComputed(by, () => standingOf(signer, this.#sent, by, this.#judgement, this.#witnessed(signer, by.authority)));
  }

  /** When witnesses have signed, who themselves must be good now. */
  #witnessed(signer: VerifiedSigner, { witnesses }: Authority): readonly number[] {
    return this.#authorities
      .filter(({ authority }) => witnesses.includes(authority.name))
      .flatMap((by) => this.#signers.filter((other) => other !== signer && isGood(standingOf(other, this.#sent, by, this.#judgement, []))))
      .flatMap(({ signedAt }) => (signedAt === undefined ? [] : [signedAt]));
  }

  /** Those whom the authority needs beside the publisher. Each signer counts once, for the first that it can count for. */
  #countersigners({ name, countersigners }: Authority, publisher: VerifiedSigner): { readonly fault: string } | { readonly signers: readonly Told[] } {
    const counted: Told[] = [{ signer: publisher, authority: name }];
    for (const { need, of } of countersigners) {
      const found: Told[] = [];
      for (const by of of.flatMap((name) => this.#authorities.filter(({ authority }) => authority.name === name))) {
        const taken = [...counted, ...found].map(({ signer }) => signer);
        const signer = this.#signers.find((other) => !taken.includes(other) && isGood(this.#standing(other, by)));
        if (signer !== undefined) found.push({ signer, authority: by.authority.name });
      }
      if (found.length < need) {
        const missing = of.filter((one) => !found.some(({ authority }) => authority === one));
        return { fault: `it must be countersigned by ${need} of ${of.join(', ')}, and is by ${found.length}; have ${missing.join(' or ')} sign it too (\`berth sign --countersign\`)` };
      }
      counted.push(...found);
    }
    return { signers: counted.slice(1) };
  }

  /** Publisher, countersigners, and others that some authority stands behind. */
  #told(publisher: VerifiedSigner, { name }: Authority, countersigners: readonly Told[]): readonly Signer[] {
    const told = [{ signer: publisher, authority: name }, ...countersigners];
    for (const signer of this.#signers.filter((other) => !told.some((one) => one.signer === other))) {
      const by = this.#authorities.find((one) => isGood(this.#standing(signer, one)));
      if (by !== undefined) told.push({ signer, authority: by.authority.name });
    }
    return told.map(({ signer, authority }) => describe(signer, authority));
  }

  /** Why nobody who may sign this app has. */
  #strangers(name: string): string {
    const known = this.#signers.map((signer) => {
      const by = this.#authorities.filter((one) => this.#standing(signer, one).knows).map(({ authority }) => `${authority.name} (which may sign ${authority.apps.join(', ') || 'no apps'})`);
      return `${signer.what}, certificate with SHA-256 ${signer.certificate.fingerprint}: ${by.length === 0 ? 'no authority of this device stands behind it' : `authority ${by.join(', ')}`}`;
    });
    const may = this.#claimants(name).map(({ authority }) => authority.name);
    return `${known.join('; ')}; ${this.#whoMay(may)}`;
  }

  #whoMay(names: readonly string[]): string {
    if (names.length > 0) return `only ${names.join(', ')} may sign an app of this name`;
    if (this.#authorities.length === 0) return 'it knows none; put one into authorities.d (`berth authority add`)';
    return 'no authority of this device may sign an app of this name; add it to `apps` of one in authorities.d';
  }
}

interface Told {
  readonly signer: VerifiedSigner;
  readonly authority: string;
}

function isGood(standing: Standing): boolean {
  return standing.knows && standing.fault === undefined;
}

function describe({ certificate, signedAt }: VerifiedSigner, authority: string): Signer {
  const { subject, fingerprint, algorithm, notAfter } = certificate;
  return { authority, subject, fingerprint, algorithm, ...(signedAt === undefined ? {} : { signedAt }), expiresAt: notAfter };
}
