import { createHash } from 'node:crypto';
import { BerthError } from '../lib/errors.ts';
import { checkKeyFits, isGood, type Hash } from './algorithms.ts';
import type { Certificate } from './certificate.ts';
import type { SignedMessage, SignerClaim } from './cms-reader.ts';
import { derTags, hex } from './der.ts';

/** A signature that is good, which says nothing yet of who may sign. */
export interface VerifiedSigner {
  readonly certificate: Certificate;
  /** For messages: `signature 2 (CN=Acme)`. */
  readonly what: string;
  /** Milliseconds since 1970, as the signer claims. */
  readonly signedAt?: number;
}

/** The content in pieces, from the start each time it is called. */
export type Content = () => Iterable<Uint8Array>;

/**
 * Verifies every signature over the content (RFC 5652 section 5.6). Signers' certificates are in the message or known.
 * @throws BerthError `untrusted` if one is not good, cannot be checked, or is there twice
 */
export function verifySigners(message: SignedMessage, content: Content, known: readonly Certificate[]): readonly VerifiedSigner[] {
  const digests = digestsOf(content, new Set(message.signers.filter(({ attributes }) => attributes !== undefined).map(({ hash }) => hash)));
  const signers = message.signers.map((claim) => verifySigner(claim, message.certificates, known, content, digests));
  const seen = new Set<string>();
  for (const { certificate, what } of signers) {
    if (seen.has(certificate.keyFingerprint)) throw new BerthError('untrusted', `${what}: the same key has signed twice; one signature of each signer is taken`);
    seen.add(certificate.keyFingerprint);
  }
  return signers;
}

/** The digests of the content that are needed, in one pass. */
function digestsOf(content: Content, needed: ReadonlySet<Hash>): ReadonlyMap<Hash, string> {
  const running = [...needed].map((name) => [name, createHash(name)] as const);
  if (running.length > 0) for (const chunk of content()) for (const [, hash] of running) hash.update(chunk);
  return new Map(running.map(([name, hash]) => [name, hash.digest('hex')]));
}

function verifySigner(claim: SignerClaim, sent: readonly Certificate[], known: readonly Certificate[], content: Content, digests: ReadonlyMap<Hash, string>): VerifiedSigner {
  const { attributes } = claim;
  if (attributes !== undefined && hex(attributes.messageDigest) !== digests.get(claim.hash)) {
    throw new BerthError('untrusted', `${claim.what} is over other content: it was changed after signing, or the signature belongs to something else; sign it again`);
  }
  if (attributes === undefined && beginsAsAttributes(content)) throw new BerthError('untrusted', `${claim.what} may be over signed attributes that were taken out of another signature`);
  const candidates = candidatesFor(claim, sent, known);
  const certificate = candidates.find((candidate) => isGoodBy(candidate, claim, content));
  if (certificate === undefined) {
    const by = candidates.map(({ subject }) => subject).join(' or ');
    throw new BerthError('untrusted', `${claim.what} was not made with the key of ${by}, or not over this content: it was changed after signing, or signed with another key; sign it again`);
  }
  return {
    certificate,
    what: `${claim.what} (${certificate.subject})`,
    ...(attributes?.signedAt === undefined ? {} : { signedAt: attributes.signedAt }),
  };
}

/**
 * A signature over signed attributes is also one without attributes over their DER (RFC 5652 section 5.4). So whatever
 * begins as a SET does is no content for a signature without attributes.
 */
function beginsAsAttributes(content: Content): boolean {
  for (const chunk of content()) if (chunk.length > 0) return chunk[0] === derTags.set;
  return false;
}

/** Certificates that the signer's identifier means: those in the message, else known ones. */
function candidatesFor(claim: SignerClaim, sent: readonly Certificate[], known: readonly Certificate[]): readonly Certificate[] {
  const wanted = claim.certificate;
  const means = (certificate: Certificate): boolean =>
    'serial' in wanted ? certificate.serial === wanted.serial && certificate.issuerName === wanted.issuerName : certificate.subjectKeyId === wanted.subjectKeyId;
  const distinct = (list: readonly Certificate[]): readonly Certificate[] => [...new Map(list.filter(means).map((one) => [one.fingerprint, one] as const)).values()];
  const inMessage = distinct(sent);
  if (inMessage.length > 1) throw new BerthError('untrusted', `${claim.what}: several certificates in it could be the signer's`);
  if (inMessage.length === 1) return inMessage;
  const elsewhere = distinct(known);
  if (elsewhere.length === 0) throw new BerthError('untrusted', `${claim.what}: the certificate of its signer is neither in it nor an authority's; sign with the certificate included`);
  return elsewhere;
}

function isGoodBy({ algorithm, key }: Certificate, { scheme, attributes, signature, what }: SignerClaim, content: Content): boolean {
  checkKeyFits(algorithm, scheme, what);
  return isGood(scheme, key, attributes === undefined ? content() : [attributes.bytes], signature, what);
}
