import { createPublicKey, type KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/asn1-x509';
import { sha256Hex } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { algorithmOfKey, algorithmTable, isGood, schemeOf, type AlgorithmIdentifier } from './algorithms.ts';
import { parseAsn } from './asn1.ts';
import { hex, readDer, type DerNode } from './der.ts';
import { limits } from './limits.ts';
import type { SignatureAlgorithm } from './types.ts';

/** What Berth needs of an X.509 certificate (RFC 5280). Names and numbers are hexadecimal of their DER, to compare. */
export interface Certificate {
  readonly der: Uint8Array;
  /** SHA-256 of `der`, hexadecimal. */
  readonly fingerprint: string;
  /** SHA-256 of the public key (SubjectPublicKeyInfo), hexadecimal. */
  readonly keyFingerprint: string;
  /** For people. */
  readonly subject: string;
  readonly subjectName: string;
  readonly issuerName: string;
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly key: KeyObject;
  readonly algorithm: SignatureAlgorithm;
  readonly isCa: boolean;
  /** CAs that may stand between this one and the signer. */
  readonly pathLength?: number;
  /** Bits of `KeyUsageFlags`; undefined: any use. */
  readonly keyUsage?: number;
  /** Object identifiers; undefined: any use. */
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectKeyId?: string;
  readonly authorityKeyId?: string;
  /** Object identifiers of critical extensions that Berth does not know. */
  readonly unknownCritical: readonly string[];
  readonly signed: SignedPart;
}

/** The part of a certificate or revocation list that its issuer has signed. */
export interface SignedPart {
  readonly bytes: Uint8Array;
  readonly algorithm: AlgorithmIdentifier;
  readonly signature: Uint8Array;
}

export const { KeyUsageFlags } = x509;

/** Extensions that Berth reads, or that do not bear on who may sign packages, and so may be critical. */
const knownExtensions: ReadonlySet<string> = new Set([
  x509.id_ce_basicConstraints,
  x509.id_ce_keyUsage,
  x509.id_ce_extKeyUsage,
  x509.id_ce_subjectKeyIdentifier,
  x509.id_ce_authorityKeyIdentifier,
  x509.id_ce_subjectAltName,
  x509.id_ce_certificatePolicies,
]);

const derLimits = { bytes: limits.certificateBytes, depth: limits.depth, elements: limits.elements };

/** @throws BerthError `untrusted` for what is no certificate, or one with a key that Berth does not take */
export function readCertificate(der: Uint8Array, what: string): Certificate {
  const tree = readDer(der, what, derLimits);
  const { tbsCertificate: tbs, signatureAlgorithm, signatureValue } = parseAsn(x509.Certificate, der, what);
  const parts = tbsParts(tree, what);
  const subject = nameText(tbs.subject);
  const where = `${what} (${subject})`;
  const key = publicKey(parts.key.bytes, where);
  if (hex(parts.algorithm.bytes) !== hex(tree.children[1]!.bytes)) throw new BerthError('untrusted', `${where}: it names two algorithms for its signature`);
  return {
    der,
    fingerprint: sha256Hex(der),
    keyFingerprint: sha256Hex(parts.key.bytes),
    subject,
    subjectName: hex(parts.subject.bytes),
    issuerName: hex(parts.issuer.bytes),
    serial: hex(parts.serial.content),
    notBefore: timeOf(tbs.validity.notBefore, where),
    notAfter: timeOf(tbs.validity.notAfter, where),
    key,
    algorithm: algorithmOfKey(key, where),
    ...extensionsOf(tbs.extensions ?? [], where),
    signed: { bytes: parts.tbs.bytes, algorithm: signatureAlgorithm, signature: new Uint8Array(signatureValue) },
  };
}

interface TbsParts {
  readonly tbs: DerNode;
  readonly serial: DerNode;
  readonly algorithm: DerNode;
  readonly issuer: DerNode;
  readonly subject: DerNode;
  readonly key: DerNode;
}

/** The parts as they stand: TBSCertificate, RFC 5280 section 4.1. */
function tbsParts(tree: DerNode, what: string): TbsParts {
  const tbs = tree.children[0];
  const fields = tbs?.children ?? [];
  const [serial, algorithm, issuer, , subject, key] = fields[0]?.tag === 0xa0 ? fields.slice(1) : fields;
  if (tbs === undefined || tree.children.length !== 3 || serial === undefined || algorithm === undefined || issuer === undefined || subject === undefined || key === undefined) {
    throw new BerthError('untrusted', `${what}: not a certificate`);
  }
  return { tbs, serial, algorithm, issuer, subject, key };
}

function publicKey(spki: Uint8Array, what: string): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (error) {
    throw new BerthError('untrusted', `${what}: its public key cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** @throws BerthError `untrusted` */
export function timeOf(time: x509.Time, what: string): number {
  const value = time.utcTime ?? time.generalTime;
  const ms = value?.getTime() ?? Number.NaN;
  if (!Number.isFinite(ms)) throw new BerthError('untrusted', `${what}: a time that cannot be read`);
  return ms;
}

type Extensions = Pick<Certificate, 'isCa' | 'pathLength' | 'keyUsage' | 'extendedKeyUsage' | 'subjectKeyId' | 'authorityKeyId' | 'unknownCritical'>;

function extensionsOf(extensions: readonly x509.Extension[], what: string): Extensions {
  const byId = new Map(extensions.map((extension) => [extension.extnID, extension.extnValue.buffer] as const));
  if (byId.size < extensions.length) throw new BerthError('untrusted', `${what}: it has an extension twice`);
  const read = <T>(id: string, type: new () => T): T | undefined => {
    const value = byId.get(id);
    return value === undefined ? undefined : parseAsn(type, value, what);
  };
  const basic = read(x509.id_ce_basicConstraints, x509.BasicConstraints);
  const usage = read(x509.id_ce_keyUsage, x509.KeyUsage)?.toNumber();
  const extended = read(x509.id_ce_extKeyUsage, x509.ExtendedKeyUsage);
  const subjectKey = read(x509.id_ce_subjectKeyIdentifier, x509.SubjectKeyIdentifier);
  const authorityKey = read(x509.id_ce_authorityKeyIdentifier, x509.AuthorityKeyIdentifier)?.keyIdentifier;
  return {
    isCa: basic?.cA ?? false,
    ...(basic?.pathLenConstraint === undefined ? {} : { pathLength: basic.pathLenConstraint }),
    ...(usage === undefined ? {} : { keyUsage: usage }),
    ...(extended === undefined ? {} : { extendedKeyUsage: [...extended] }),
    ...(subjectKey === undefined ? {} : { subjectKeyId: hex(subjectKey.buffer) }),
    ...(authorityKey === undefined ? {} : { authorityKeyId: hex(authorityKey.buffer) }),
    unknownCritical: extensions.filter(({ critical, extnID }) => critical && !knownExtensions.has(extnID)).map(({ extnID }) => extnID),
  };
}

/** Short names of attributes (RFC 4514 section 3) that stand in subjects. */
const attributeNames: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN', '2.5.4.5': 'serialNumber', '2.5.4.6': 'C', '2.5.4.7': 'L', '2.5.4.8': 'ST', '2.5.4.10': 'O', '2.5.4.11': 'OU', '1.2.840.113549.1.9.1': 'email',
};

/** A subject stands in messages and in the database; it is cut after so many characters. */
const maxNameLength = 256;

/** A name as people read it: `CN=web, O=Acme`. */
export function nameText(name: Iterable<Iterable<x509.AttributeTypeAndValue>>): string {
  const parts = [...name].flatMap((set) => [...set].map(({ type, value }) => `${attributeNames[type] ?? type}=${value.toString()}`));
  const text = parts.length === 0 ? 'without a name' : parts.toReversed().join(', ');
  return text.length > maxNameLength ? `${text.slice(0, maxNameLength)}…` : text;
}

/** Whether `issuer`'s key made the signature. @throws BerthError `untrusted` for an algorithm that Berth does not take */
export function isSignedBy(part: SignedPart, issuer: Certificate, what: string): boolean {
  const scheme = schemeOf(part.algorithm, what);
  return algorithmTable[issuer.algorithm].family === scheme.family && isGood(scheme, issuer.key, [part.bytes], part.signature, what);
}
