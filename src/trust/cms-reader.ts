import * as cms from '@peculiar/asn1-cms';
import { Time } from '@peculiar/asn1-x509';
import { OctetString } from '@peculiar/asn1-schema';
import { BerthError } from '../lib/errors.ts';
import { checkDigestFits, hashOf, schemeOf, type Hash, type Scheme } from './algorithms.ts';
import { parseAsn } from './asn1.ts';
import { readCertificate, timeOf, type Certificate } from './certificate.ts';
import { hex, readDer, type DerNode } from './der.ts';
import { limits } from './limits.ts';

/** Object identifiers of RFC 5652: sections 4, 5.1, 11.1, 11.2, 11.3. */
export const cmsOids = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
} as const;

/** What a SignedData says (RFC 5652 section 5.1); nothing of it has been verified. */
export interface SignedMessage {
  readonly certificates: readonly Certificate[];
  readonly signers: readonly SignerClaim[];
  /** Undefined if the signature is detached. */
  readonly content?: Uint8Array;
}

/** A SignerInfo (section 5.3). */
export interface SignerClaim {
  /** For messages: `signature 2`. */
  readonly what: string;
  /** The signer's certificate: by issuer and serial number, or by key identifier; hexadecimal. */
  readonly certificate: { readonly issuerName: string; readonly serial: string } | { readonly subjectKeyId: string };
  readonly hash: Hash;
  readonly scheme: Scheme;
  /** Undefined: the signature is over the content itself. */
  readonly attributes?: SignedAttributes;
  readonly signature: Uint8Array;
}

export interface SignedAttributes {
  /** What is signed: their DER with the tag of a SET (section 5.4). */
  readonly bytes: Uint8Array;
  readonly messageDigest: Uint8Array;
  /** Milliseconds since 1970. */
  readonly signedAt?: number;
}

const derLimits = { bytes: limits.signatureBytes, depth: limits.depth, elements: limits.elements };

/** Reads a ContentInfo with a SignedData in DER. `what` names it in messages. @throws BerthError `untrusted` */
export function readSignedMessage(der: Uint8Array, what: string): SignedMessage {
  const tree = readDer(der, what, derLimits);
  const info = parseAsn(cms.ContentInfo, der, what);
  if (info.contentType !== cmsOids.signedData) throw new BerthError('untrusted', `${what}: not a CMS SignedData`);
  const data = parseAsn(cms.SignedData, info.content, what);
  const node = tree.children[1]!.children[0]!;
  if (data.version !== cms.CMSVersion.v1 && data.version !== cms.CMSVersion.v3) throw new BerthError('untrusted', `${what}: SignedData of version ${data.version}; Berth reads 1 and 3`);
  if (data.encapContentInfo.eContentType !== cmsOids.data) throw new BerthError('untrusted', `${what}: the content's type is ${data.encapContentInfo.eContentType}, not data`);
  const content = data.encapContentInfo.eContent?.single?.buffer;
  if (data.encapContentInfo.eContent !== undefined && content === undefined) throw new BerthError('untrusted', `${what}: the content is in pieces`);
  const nodes = node.children.at(-1)!.children;
  if (nodes.length === 0) throw new BerthError('untrusted', `${what}: nobody has signed`);
  if (nodes.length > limits.signers) throw new BerthError('untrusted', `${what}: ${nodes.length} signers; at most ${limits.signers} are taken`);
  const listed = new Set(data.digestAlgorithms.map(({ algorithm }) => algorithm));
  return {
    certificates: certificatesOf(node, what),
    signers: [...data.signerInfos].map((signer, index) => readSigner(signer, nodes[index]!, listed, `${what}: signature ${index + 1}`)),
    ...(content === undefined ? {} : { content: new Uint8Array(content) }),
  };
}

function certificatesOf(signedData: DerNode, what: string): readonly Certificate[] {
  const nodes = signedData.children.find(({ tag }) => tag === 0xa0)?.children ?? [];
  if (nodes.length > limits.certificates) throw new BerthError('untrusted', `${what}: ${nodes.length} certificates; at most ${limits.certificates} are taken`);
  // What is no SEQUENCE is an attribute certificate or the like (section 10.2.2).
  if (nodes.some(({ tag }) => tag !== 0x30)) throw new BerthError('untrusted', `${what}: a certificate of a kind that Berth does not read`);
  return nodes.map(({ bytes }, index) => readCertificate(bytes, `${what}: certificate ${index + 1}`));
}

function readSigner(signer: cms.SignerInfo, node: DerNode, listedDigests: ReadonlySet<string>, what: string): SignerClaim {
  const hash = hashOf(signer.digestAlgorithm, what);
  if (!listedDigests.has(signer.digestAlgorithm.algorithm)) throw new BerthError('untrusted', `${what}: its digest is not among those that the SignedData names`);
  const scheme = schemeOf(signer.signatureAlgorithm, what);
  checkDigestFits(scheme, hash, what);
  const attributes = signer.signedAttrs === undefined ? undefined : readAttributes(signer.signedAttrs, node, what);
  return {
    what,
    certificate: identifierOf(signer, node, what),
    hash,
    scheme,
    ...(attributes === undefined ? {} : { attributes }),
    signature: new Uint8Array(signer.signature.buffer),
  };
}

/** Version and kind of identifier go together (section 5.3). */
function identifierOf({ version, sid }: cms.SignerInfo, node: DerNode, what: string): SignerClaim['certificate'] {
  const { issuerAndSerialNumber, subjectKeyIdentifier } = sid;
  if (version === cms.CMSVersion.v1 && issuerAndSerialNumber !== undefined) {
    const [issuer, serial] = node.children[1]!.children;
    return { issuerName: hex(issuer!.bytes), serial: hex(serial!.content) };
  }
  if (version === cms.CMSVersion.v3 && subjectKeyIdentifier !== undefined) return { subjectKeyId: hex(subjectKeyIdentifier.buffer) };
  throw new BerthError('untrusted', `${what}: SignerInfo of version ${version} with the wrong kind of identifier`);
}

function readAttributes(attributes: readonly cms.Attribute[], node: DerNode, what: string): SignedAttributes {
  if (attributes.length > limits.attributes) throw new BerthError('untrusted', `${what}: ${attributes.length} signed attributes; at most ${limits.attributes} are taken`);
  const values = new Map<string, ArrayBuffer>();
  for (const { attrType, attrValues } of attributes) {
    if (values.has(attrType)) throw new BerthError('untrusted', `${what}: the signed attribute ${attrType} stands there twice`);
    if (attrValues.length !== 1 && isRead(attrType)) throw new BerthError('untrusted', `${what}: the signed attribute ${attrType} has ${attrValues.length} values`);
    values.set(attrType, attrValues[0] ?? new ArrayBuffer(0));
  }
  const [type, digest, time] = [values.get(cmsOids.contentType), values.get(cmsOids.messageDigest), values.get(cmsOids.signingTime)];
  if (type === undefined || digest === undefined) throw new BerthError('untrusted', `${what}: signed attributes without content type or message digest`);
  if (hex(type) !== dataOidDer) throw new BerthError('untrusted', `${what}: the signed content type is not data`);
  const bytes = Uint8Array.from(node.children.find(({ tag }) => tag === 0xa0)!.bytes);
  bytes[0] = 0x31;
  return {
    bytes,
    messageDigest: new Uint8Array(parseAsn(OctetString, digest, what).buffer),
    ...(time === undefined ? {} : { signedAt: timeOf(parseAsn(Time, time, what), what) }),
  };
}

/** DER of the identifier of `data`. */
const dataOidDer = '06092a864886f70d010701';

function isRead(attribute: string): boolean {
  return attribute === cmsOids.contentType || attribute === cmsOids.messageDigest || attribute === cmsOids.signingTime;
}
