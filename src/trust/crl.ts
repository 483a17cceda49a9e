import * as x509 from '@peculiar/asn1-x509';
import { BerthError } from '../lib/errors.ts';
import { parseAsn } from './asn1.ts';
import { isSignedBy, KeyUsageFlags, nameText, timeOf, type Certificate, type SignedPart } from './certificate.ts';
import { hex, readDer } from './der.ts';
import { limits } from './limits.ts';
import { readPem } from './pem.ts';

/** A certificate revocation list (RFC 5280 section 5). */
export interface Crl {
  readonly issuer: string;
  readonly issuerName: string;
  readonly authorityKeyId?: string;
  /** Milliseconds since 1970. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Serial numbers, hexadecimal. */
  readonly revoked: ReadonlySet<string>;
  readonly signed: SignedPart;
}

const derLimits = { bytes: limits.crlBytes, depth: limits.depth, elements: limits.crlElements };

/** Extensions that do not narrow what the list says. */
const harmless: ReadonlySet<string> = new Set([x509.id_ce_authorityKeyIdentifier, x509.id_ce_cRLNumber]);

/** A list in PEM, or the base64 of its DER. @throws BerthError `usage`, `untrusted` */
export function parseCrl(text: string, what: string): Crl {
  const der = text.includes('-----BEGIN') ? readPem(text, 'X509 CRL', what)[0]! : Buffer.from(text, 'base64');
  return readCrl(der, what);
}

/** @throws BerthError `untrusted` for what is no complete list of one issuer's certificates */
export function readCrl(der: Uint8Array, what: string): Crl {
  const tree = readDer(der, what, derLimits);
  const { tbsCertList: tbs, signatureAlgorithm, signature } = parseAsn(x509.CertificateList, der, what, limits.crlElements);
  if (tbs.nextUpdate === undefined) throw new BerthError('untrusted', `${what}: a revocation list without a next update, which RFC 5280 section 5.1.2.5 asks for`);
  const extensions = tbs.crlExtensions ?? [];
  const unknown = extensions.find(({ critical, extnID }) => critical && !harmless.has(extnID));
  if (unknown !== undefined) throw new BerthError('untrusted', `${what}: a revocation list with the critical extension ${unknown.extnID}; Berth reads complete lists of one issuer only`);
  const revoked = new Set<string>();
  for (const { userCertificate, crlEntryExtensions } of tbs.revokedCertificates ?? []) {
    if (crlEntryExtensions?.some(({ critical }) => critical) === true) throw new BerthError('untrusted', `${what}: an entry with a critical extension`);
    revoked.add(hex(userCertificate));
  }
  const keyId = extensions.find(({ extnID }) => extnID === x509.id_ce_authorityKeyIdentifier);
  const authorityKeyId = keyId === undefined ? undefined : parseAsn(x509.AuthorityKeyIdentifier, keyId.extnValue.buffer, what).keyIdentifier;
  const fields = tree.children[0]!.children;
  return {
    issuer: nameText(tbs.issuer),
    // TBSCertList: version (in lists with extensions), signature, issuer.
    issuerName: hex(fields[fields[0]?.tag === 0x02 ? 2 : 1]!.bytes),
    ...(authorityKeyId === undefined ? {} : { authorityKeyId: hex(authorityKeyId.buffer) }),
    thisUpdate: timeOf(tbs.thisUpdate, what),
    nextUpdate: timeOf(tbs.nextUpdate, what),
    revoked,
    signed: { bytes: tree.children[0]!.bytes, algorithm: signatureAlgorithm, signature: new Uint8Array(signature) },
  };
}

/** How a list that is past its next update is taken: as not knowing of newer revocations, or as good enough. */
export type StaleCrls = 'refuse' | 'accept';

/**
 * Why a certificate cannot be held for unrevoked, or undefined if it can. A revocation counts whenever the signature
 * was made: who stole a key also chooses the signing time. Without a list of the issuer nothing is known, and nothing wrong.
 */
export function revocationFault(certificate: Certificate, issuers: readonly Certificate[], crls: readonly Crl[], now: number, stale: StaleCrls): string | undefined {
  const lists = crls.filter((crl) => isOfIssuer(crl, certificate));
  let isFresh = lists.length === 0 || stale === 'accept';
  for (const crl of lists) {
    if (!issuers.some((issuer) => isIssuedBy(crl, issuer))) return `the revocation list of ${crl.issuer} is not signed by any certificate of that name here`;
    if (crl.revoked.has(certificate.serial)) return `the certificate ${certificate.subject} (serial ${certificate.serial}) has been revoked by ${crl.issuer}`;
    if (crl.nextUpdate >= now) isFresh = true;
  }
  const [newest] = lists.toSorted((a, b) => b.thisUpdate - a.thisUpdate);
  return isFresh ? undefined : `the revocation list of ${newest!.issuer} should have been replaced by ${new Date(newest!.nextUpdate).toISOString()}; put a newer one in its place`;
}

/** A CA may have had several keys under one name. */
function isOfIssuer(crl: Crl, { issuerName, authorityKeyId }: Certificate): boolean {
  return crl.issuerName === issuerName && (crl.authorityKeyId === undefined || authorityKeyId === undefined || crl.authorityKeyId === authorityKeyId);
}

function isIssuedBy(crl: Crl, issuer: Certificate): boolean {
  const maySign = issuer.keyUsage === undefined || (issuer.keyUsage & KeyUsageFlags.cRLSign) !== 0;
  const isNamed = issuer.subjectName === crl.issuerName && (crl.authorityKeyId === undefined || issuer.subjectKeyId === undefined || issuer.subjectKeyId === crl.authorityKeyId);
  return maySign && isNamed && isSignedBy(crl.signed, issuer, `the revocation list of ${crl.issuer}`);
}
