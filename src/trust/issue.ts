import { generateKeyPairSync, hash as digest, randomBytes, type KeyObject } from 'node:crypto';
import { OctetString } from '@peculiar/asn1-schema';
import * as x509 from '@peculiar/asn1-x509';
import { BerthError } from '../lib/errors.ts';
import { arrayBuffer, encodeAsn, parseAsn } from './asn1.ts';
import { readCertificate, type Certificate } from './certificate.ts';
import { signatureId, type SigningKey } from './signing-key.ts';
import type { SignatureAlgorithm } from './types.ts';

/** A new private key. */
export function makeKey(algorithm: SignatureAlgorithm): KeyObject {
  switch (algorithm) {
    case 'ecdsa-p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    case 'ecdsa-p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    case 'ecdsa-p521':
      return generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
    case 'rsa-pss':
      return generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey;
    case 'ml-dsa-65':
      return generateKeyPairSync('ml-dsa-65').privateKey;
  }
}

/** What a new certificate says. */
export interface CertificateRequest {
  /** Attributes of the subject in order, as `['CN', 'Acme']`. */
  readonly subject: readonly (readonly [string, string])[];
  readonly publicKey: KeyObject;
  readonly isCa: boolean;
  /** CAs that may stand between this CA and a signer. */
  readonly pathLength?: number;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Who issues it: a CA, or undefined: the certificate's own key. */
export interface Issuer {
  readonly key: SigningKey;
  readonly certificate?: Certificate;
}

/** Types of attributes that a subject can have (RFC 4519). */
const attributeTypes: Readonly<Record<string, string>> = { CN: '2.5.4.3', C: '2.5.4.6', L: '2.5.4.7', ST: '2.5.4.8', O: '2.5.4.10', OU: '2.5.4.11' };

/** A subject from text: `/O=Acme/CN=Acme packages`, or only a common name. @throws BerthError `usage` */
export function parseSubject(text: string): CertificateRequest['subject'] {
  const parts = text.startsWith('/') ? text.slice(1).split('/') : [`CN=${text}`];
  return parts.map((part) => {
    const at = part.indexOf('=');
    const [type, value] = [part.slice(0, at), part.slice(at + 1)];
    if (attributeTypes[type] === undefined || value === '') throw new BerthError('usage', `subject: "${part}" is not one of ${Object.keys(attributeTypes).join(', ')} with = and a value`);
    return [type, value] as const;
  });
}

/** Issues a certificate (RFC 5280) for signing packages, or for a CA of such. @throws BerthError `usage` */
export async function issueCertificate(request: CertificateRequest, { key, certificate: issuer }: Issuer): Promise<Certificate> {
  if (issuer?.isCa === false) throw new BerthError('usage', `${issuer.subject} is not a CA and can issue no certificates`);
  const spki = request.publicKey.export({ type: 'spki', format: 'der' });
  const subject = new x509.Name(request.subject.map(([type, value]) => new x509.RelativeDistinguishedName([attributeOf(type, value)])));
  const tbs = new x509.TBSCertificate({
    version: x509.Version.v3,
    serialNumber: serialNumber(),
    signature: signatureId(key.algorithm),
    issuer: issuer === undefined ? subject : parseAsn(x509.Name, Buffer.from(issuer.subjectName, 'hex'), 'issuer'),
    validity: new x509.Validity({ notBefore: wholeSeconds(request.notBefore), notAfter: wholeSeconds(request.notAfter) }),
    subject,
    subjectPublicKeyInfo: parseAsn(x509.SubjectPublicKeyInfo, spki, 'public key'),
    extensions: new x509.Extensions(extensionsFor(request, spki, issuer)),
  });
  const bytes = encodeAsn(tbs);
  const certificate = new x509.Certificate({ tbsCertificate: tbs, signatureAlgorithm: signatureId(key.algorithm), signatureValue: arrayBuffer(await key.sign(bytes)) });
  return readCertificate(encodeAsn(certificate), 'the new certificate');
}

function extensionsFor({ isCa, pathLength }: CertificateRequest, spki: Buffer, issuer: Certificate | undefined): x509.Extension[] {
  const extension = (extnID: string, critical: boolean, value: unknown): x509.Extension => new x509.Extension({ extnID, critical, extnValue: new OctetString(encodeAsn(value)) });
  const own = keyId(spki);
  const basic = new x509.BasicConstraints({ cA: isCa, ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }) });
  const usage = isCa ? x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign : x509.KeyUsageFlags.digitalSignature;
  const issuerKey = issuer === undefined ? own : issuer.subjectKeyId === undefined ? undefined : Buffer.from(issuer.subjectKeyId, 'hex');
  return [
    extension(x509.id_ce_basicConstraints, true, basic),
    extension(x509.id_ce_keyUsage, true, new x509.KeyUsage(usage)),
    extension(x509.id_ce_subjectKeyIdentifier, false, new x509.SubjectKeyIdentifier(own)),
    ...(issuerKey === undefined ? [] : [extension(x509.id_ce_authorityKeyIdentifier, false, new x509.AuthorityKeyIdentifier({ keyIdentifier: new x509.KeyIdentifier(issuerKey) }))]),
  ];
}

/** The first 160 bits of a digest over the key (RFC 7093 section 2, method 1). */
function keyId(spki: Buffer): Buffer {
  const { subjectPublicKey } = parseAsn(x509.SubjectPublicKeyInfo, spki, 'public key');
  return digest('sha256', new Uint8Array(subjectPublicKey), 'buffer').subarray(0, 20);
}

function attributeOf(type: string, value: string): x509.AttributeTypeAndValue {
  // Countries are PrintableString (RFC 5280 appendix A).
  const text = type === 'C' ? { printableString: value } : { utf8String: value };
  return new x509.AttributeTypeAndValue({ type: attributeTypes[type]!, value: new x509.AttributeValue(text) });
}

/** 159 random bits, positive (RFC 5280 section 4.1.2.2). */
function serialNumber(): ArrayBuffer {
  const bytes = randomBytes(20);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return arrayBuffer(bytes);
}

/** Certificates know no fractions of a second; the library writes UTCTime until 2049, GeneralizedTime after (section 4.1.2.5). */
function wholeSeconds(ms: number): Date {
  return new Date(Math.floor(ms / 1000) * 1000);
}
