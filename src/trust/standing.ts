/** Whether an authority stands behind a signer: pure decisions over certificates, lists and times. */
import { revocationFault, type Crl, type StaleCrls } from './crl.ts';
import { findChains, usageFault, validityAt, type Chain } from './chain.ts';
import type { Certificate } from './certificate.ts';
import type { VerifiedSigner } from './cms-verify.ts';
import type { Authority, TrustedTime } from './types.ts';

/** An authority with its PEM texts read. */
export interface ReadAuthority {
  readonly authority: Authority;
  readonly certificates: readonly Certificate[];
  readonly crls: readonly Crl[];
}

/** When and how strictly signatures are judged. */
export interface Judgement {
  readonly time: TrustedTime;
  readonly unknownTime: 'lenient' | 'refuse';
}

/** `knows`: the signer is the authority's. Without `fault` its signature counts. */
export type Standing = { readonly knows: false } | { readonly knows: true; readonly fault?: string };

/**
 * Whether this authority stands behind this signer. `witnessed` are moments before which the package was signed, as
 * the authority's witnesses say; at any of them an expired certificate may have been good.
 */
export function standingOf(signer: VerifiedSigner, sent: readonly Certificate[], by: ReadAuthority, judgement: Judgement, witnessed: readonly number[]): Standing {
  const chains = findChains(signer.certificate, sent, by.certificates);
  const faults: string[] = [];
  for (const chain of chains) {
    const fault = chainFault(chain, by, judgement, witnessed);
    if (fault === undefined) return { knows: true };
    faults.push(fault);
  }
  return faults.length === 0 ? { knows: false } : { knows: true, fault: faults[0]! };
}

function chainFault(chain: Chain, by: ReadAuthority, judgement: Judgement, witnessed: readonly number[]): string | undefined {
  const { time } = judgement;
  const issuers = [...chain, ...by.certificates];
  const stale: StaleCrls = by.authority.staleCrls ?? 'refuse';
  const revoked = chain.map((certificate) => revocationFault(certificate, issuers, by.crls, time.now, stale)).find((fault) => fault !== undefined);
  return usageFault(chain) ?? revoked ?? timeFault(chain, by.authority, judgement, witnessed);
}

/** Why the signature does not count at this time, or undefined. */
function timeFault(chain: Chain, authority: Authority, { time, unknownTime }: Judgement, witnessed: readonly number[]): string | undefined {
  if (!time.isKnown && unknownTime === 'refuse') return 'this device does not know the time, and its policy refuses to judge signatures without it; set the clock';
  const fault = faultAt(chain, authority, time.now, !time.isKnown);
  if (fault === undefined) return undefined;
  const wasGood = witnessed.some((moment) => moment <= time.now && faultAt(chain, authority, moment, false) === undefined);
  return wasGood ? undefined : fault;
}

/** With only a lower bound of the time, what is over is over, and what has not begun may have. */
function faultAt(chain: Chain, authority: Authority, moment: number, isLowerBound: boolean): string | undefined {
  if (authority.until !== undefined && moment > authority.until) return `the authority ${authority.name} has signed nothing that counts since ${isoTime(authority.until)} (\`until\` in its file)`;
  const validity = validityAt(chain, moment);
  if (validity.kind === 'expired') return `the certificate ${validity.certificate.subject} expired at ${isoTime(validity.certificate.notAfter)}; have the package signed again`;
  if (validity.kind === 'early' && !isLowerBound) {
    return `the certificate ${validity.certificate.subject} is not valid before ${isoTime(validity.certificate.notBefore)}, and it is ${isoTime(moment)}; check the clock of this device`;
  }
  return undefined;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
