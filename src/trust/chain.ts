import { BerthError } from '../lib/errors.ts';
import { isSignedBy, KeyUsageFlags, type Certificate } from './certificate.ts';
import { limits } from './limits.ts';

/** From a signer's certificate to one of an authority's, both counted; one and the same if the authority names the signer itself. */
export type Chain = readonly [Certificate, ...Certificate[]];

/** RFC 5280 section 4.2.1.12. */
const usages = { codeSigning: '1.3.6.1.5.5.7.3.3', any: '2.5.29.37.0' } as const;

/**
 * The chains from a signer to an authority's certificates by way of those that came with the signature, each signed
 * by the next (RFC 5280 section 6.1); without their times. None if there is no way; of very many, the first.
 * @throws BerthError `untrusted` if there are so many ways that looking for them costs too much
 */
export function findChains(signer: Certificate, sent: readonly Certificate[], anchors: readonly Certificate[]): readonly Chain[] {
  const anchored = new Set(anchors.map(({ fingerprint }) => fingerprint));
  const pool = [...anchors, ...sent.filter(({ fingerprint }) => !anchored.has(fingerprint))];
  const found: Chain[] = [];
  let checks = 0;
  const extend = (chain: Chain): void => {
    const last = chain.at(-1)!;
    if (anchored.has(last.fingerprint)) {
      found.push(chain);
      return;
    }
    if (chain.length >= limits.chain) return;
    for (const issuer of pool) {
      if (chain.includes(issuer) || !mayHaveIssued(issuer, last, chain.length - 1)) continue;
      if (checks === limits.chainChecks) {
        if (found.length > 0) return;
        throw new BerthError('untrusted', `the certificate ${signer.subject} came with so many others that its issuers cannot be told; sign with only those that are needed`);
      }
      checks += 1;
      if (isSignedBy(last.signed, issuer, `the certificate ${last.subject}`)) extend([...chain, issuer]);
    }
  };
  extend([signer]);
  return found;
}

/** Whether one certificate may have issued another, `casBelow` CAs above the signer, as far as can be told without its key. */
function mayHaveIssued(issuer: Certificate, certificate: Certificate, casBelow: number): boolean {
  const isNamed = issuer.subjectName === certificate.issuerName;
  const isOtherKey = certificate.authorityKeyId !== undefined && issuer.subjectKeyId !== undefined && certificate.authorityKeyId !== issuer.subjectKeyId;
  const mayIssue = issuer.isCa && (issuer.keyUsage === undefined || (issuer.keyUsage & KeyUsageFlags.keyCertSign) !== 0);
  return isNamed && !isOtherKey && mayIssue && (issuer.pathLength === undefined || casBelow <= issuer.pathLength);
}

/** Why the certificates of a chain are not for signing packages, or undefined if they are. */
export function usageFault(chain: Chain): string | undefined {
  const [signer] = chain;
  if (signer.keyUsage !== undefined && (signer.keyUsage & KeyUsageFlags.digitalSignature) === 0) return `the certificate ${signer.subject} is not for signatures (its keyUsage has no digitalSignature)`;
  if (signer.extendedKeyUsage?.some((usage) => usage === usages.codeSigning || usage === usages.any) === false) {
    return `the certificate ${signer.subject} is not for signing packages (its extendedKeyUsage has no codeSigning)`;
  }
  const strange = chain.find(({ unknownCritical }) => unknownCritical.length > 0);
  if (strange !== undefined) return `the certificate ${strange.subject} has a critical extension that Berth does not know: ${strange.unknownCritical.join(', ')}`;
  return undefined;
}

/** How a moment lies to the time in which all certificates of a chain are valid. */
export type Validity =
  | { readonly kind: 'valid' }
  | { readonly kind: 'expired' | 'early'; readonly certificate: Certificate };

export function validityAt(chain: Chain, time: number): Validity {
  const expired = chain.find(({ notAfter }) => time > notAfter);
  if (expired !== undefined) return { kind: 'expired', certificate: expired };
  const early = chain.find(({ notBefore }) => time < notBefore);
  return early === undefined ? { kind: 'valid' } : { kind: 'early', certificate: early };
}
