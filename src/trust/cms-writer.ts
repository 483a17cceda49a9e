import { hash as digest } from 'node:crypto';
import { AsnArray, AsnType, AsnTypeTypes, OctetString, AsnConvert } from '@peculiar/asn1-schema';
import * as cms from '@peculiar/asn1-cms';
import { AlgorithmIdentifier, Certificate as CertificateStructure, Time } from '@peculiar/asn1-x509';
import { BerthError } from '../lib/errors.ts';
import { algorithmTable, hashOids } from './algorithms.ts';
import { arrayBuffer, encodeAsn, parseAsn } from './asn1.ts';
import type { Certificate } from './certificate.ts';
import { cmsOids, readSignedMessage } from './cms-reader.ts';
import { signatureId, type SigningKey } from './signing-key.ts';

/** A SET OF in DER has its elements in the order of their encodings (X.690 section 11.6). */
class Attributes extends AsnArray<cms.Attribute> {}
AsnType({ type: AsnTypeTypes.Set, itemType: cms.Attribute })(Attributes);

/** Who signs what. */
export interface Signing {
  readonly key: SigningKey;
  readonly certificate: Certificate;
  /** Certificates of CAs between the signer's and the authority's. */
  readonly chain: readonly Certificate[];
  /** Signing time to be stated, milliseconds since 1970; undefined: none. */
  readonly signedAt?: number;
}

/** A SignedData with one signer. `attached` also puts the content in; else it is over content that stands elsewhere. */
export async function sign(content: Uint8Array, signing: Signing, attached = false): Promise<Buffer> {
  const { hash } = algorithmTable[signing.key.algorithm];
  const signedData = new cms.SignedData({
    version: cms.CMSVersion.v1,
    digestAlgorithms: new cms.DigestAlgorithmIdentifiers([digestId(hash)]),
    encapContentInfo: new cms.EncapsulatedContentInfo({
      eContentType: cmsOids.data,
      ...(attached ? { eContent: new cms.EncapsulatedContent({ single: new OctetString(content) }) } : {}),
    }),
    certificates: certificateSet([signing.certificate, ...signing.chain]),
    signerInfos: new cms.SignerInfos([await signerInfo(content, signing)]),
  });
  return contentInfo(signedData);
}

/**
 * A detached signature with one more signer in it: the others are as they were.
 * @throws BerthError `untrusted` if it cannot be read, `conflict` if this key has signed already
 */
export async function addSigner(signature: Uint8Array, content: Uint8Array, signing: Signing): Promise<Buffer> {
  const before = readSignedMessage(signature, 'the signature that is there');
  const signedData = parseAsn(cms.SignedData, parseAsn(cms.ContentInfo, signature, 'signature').content, 'signature');
  const { issuerName, serial } = signing.certificate;
  if (before.signers.some(({ certificate }) => 'serial' in certificate && certificate.serial === serial && certificate.issuerName === issuerName)) {
    throw new BerthError('conflict', `${signing.certificate.subject} has signed it already`);
  }
  const { hash } = algorithmTable[signing.key.algorithm];
  if (!signedData.digestAlgorithms.some(({ algorithm }) => algorithm === hashOids[hash])) signedData.digestAlgorithms.push(digestId(hash));
  const certificates = new Map([...before.certificates, signing.certificate, ...signing.chain].map((one) => [one.fingerprint, one] as const));
  signedData.certificates = certificateSet([...certificates.values()]);
  signedData.signerInfos = sorted(new cms.SignerInfos([...signedData.signerInfos, await signerInfo(content, signing)]));
  sorted(signedData.digestAlgorithms);
  return contentInfo(signedData);
}

async function signerInfo(content: Uint8Array, { key, certificate, signedAt }: Signing): Promise<cms.SignerInfo> {
  const { hash } = algorithmTable[key.algorithm];
  const attribute = (attrType: string, value: unknown): cms.Attribute => new cms.Attribute({ attrType, attrValues: [arrayBuffer(encodeAsn(value))] });
  const attributes = sorted(
    new Attributes([
      new cms.Attribute({ attrType: cmsOids.contentType, attrValues: [arrayBuffer(Buffer.from('06092a864886f70d010701', 'hex'))] }),
      attribute(cmsOids.messageDigest, new OctetString(digest(hash, content, 'buffer'))),
      ...(signedAt === undefined ? [] : [attribute(cmsOids.signingTime, new Time(new Date(Math.floor(signedAt / 1000) * 1000)))]),
    ]),
  );
  return new cms.SignerInfo({
    version: cms.CMSVersion.v1,
    sid: new cms.SignerIdentifier({ issuerAndSerialNumber: identifierOf(certificate) }),
    digestAlgorithm: digestId(hash),
    signedAttrs: [...attributes],
    signatureAlgorithm: signatureId(key.algorithm),
    signature: new OctetString(await key.sign(encodeAsn(attributes))),
  });
}

function identifierOf({ der }: Certificate): cms.IssuerAndSerialNumber {
  const { tbsCertificate } = AsnConvert.parse(der, CertificateStructure);
  return new cms.IssuerAndSerialNumber({ issuer: tbsCertificate.issuer, serialNumber: tbsCertificate.serialNumber });
}

function certificateSet(certificates: readonly Certificate[]): cms.CertificateSet {
  return sorted(new cms.CertificateSet(certificates.map(({ der }) => new cms.CertificateChoices({ certificate: AsnConvert.parse(der, CertificateStructure) }))));
}

function digestId(hash: keyof typeof hashOids): AlgorithmIdentifier {
  return new AlgorithmIdentifier({ algorithm: hashOids[hash] });
}

function contentInfo(signedData: cms.SignedData): Buffer {
  return encodeAsn(new cms.ContentInfo({ contentType: cmsOids.signedData, content: arrayBuffer(encodeAsn(signedData)) }));
}

function sorted<T, A extends AsnArray<T>>(set: A & AsnArray<T>): A {
  set.sort((a, b) => Buffer.compare(encodeAsn(a), encodeAsn(b)));
  return set;
}
