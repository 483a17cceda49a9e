/** Makes for tests what Berth only reads: revocation lists, and messages that are not as they should be. */
import { OctetString } from '@peculiar/asn1-schema';
import * as cms from '@peculiar/asn1-cms';
import * as x509 from '@peculiar/asn1-x509';
import { arrayBuffer, encodeAsn, parseAsn } from './asn1.ts';
import { readCertificate, type Certificate } from './certificate.ts';
import type { Party } from './fixtures.ts';
import { writePem } from './pem.ts';
import { signatureId } from './signing-key.ts';

export interface CrlOptions {
  /** Milliseconds since 1970. */
  readonly thisUpdate: number;
  readonly nextUpdate?: number;
  readonly revoked?: readonly Certificate[];
  /** Names this one as its issuer, whoever signs. */
  readonly inNameOf?: Party;
  readonly criticalExtension?: string;
  /** Of each entry. */
  readonly criticalEntryExtension?: string;
}

/** A revocation list in PEM. */
export async function crlOf(issuer: Party, { thisUpdate, nextUpdate, revoked = [], inNameOf = issuer, criticalExtension, criticalEntryExtension }: CrlOptions): Promise<string> {
  const tbs = new x509.TBSCertList({
    version: x509.Version.v2,
    signature: signatureId(issuer.key.algorithm),
    issuer: parseAsn(x509.Name, Buffer.from(inNameOf.certificate.subjectName, 'hex'), 'name'),
    thisUpdate: new x509.Time(new Date(thisUpdate)),
    ...(nextUpdate === undefined ? {} : { nextUpdate: new x509.Time(new Date(nextUpdate)) }),
    ...(revoked.length === 0 ? {} : { revokedCertificates: revoked.map(({ serial }) => entryOf(serial, thisUpdate, criticalEntryExtension)) }),
    ...(criticalExtension === undefined ? {} : { crlExtensions: [extension(criticalExtension, emptySequence)] }),
  });
  const list = new x509.CertificateList({ tbsCertList: tbs, signatureAlgorithm: signatureId(issuer.key.algorithm), signature: arrayBuffer(await issuer.key.sign(encodeAsn(tbs))) });
  return writePem(encodeAsn(list), 'X509 CRL');
}

function entryOf(serial: string, at: number, criticalExtension: string | undefined): x509.RevokedCertificate {
  return new x509.RevokedCertificate({
    userCertificate: arrayBuffer(Buffer.from(serial, 'hex')),
    revocationDate: new x509.Time(new Date(at)),
    ...(criticalExtension === undefined ? {} : { crlEntryExtensions: [extension(criticalExtension, emptySequence)] }),
  });
}

const emptySequence = Buffer.of(0x30, 0);

/** A message with something in it changed. */
export function tampered(der: Uint8Array, change: (data: cms.SignedData, signer: cms.SignerInfo) => void): Buffer {
  const data = parseAsn(cms.SignedData, parseAsn(cms.ContentInfo, der, 'message').content, 'message');
  change(data, data.signerInfos[0]!);
  return encodeAsn(new cms.ContentInfo({ contentType: '1.2.840.113549.1.7.2', content: arrayBuffer(encodeAsn(data)) }));
}

/** The same party with a certificate in which something is changed, signed anew by its issuer or itself. */
export async function reissued({ key, certificate }: Party, change: (tbs: x509.TBSCertificate) => void, issuer: Party = { key, certificate }): Promise<Party> {
  const { tbsCertificate } = parseAsn(x509.Certificate, certificate.der, 'certificate');
  change(tbsCertificate);
  const signatureAlgorithm = signatureId(issuer.key.algorithm);
  tbsCertificate.signature = signatureAlgorithm;
  const signatureValue = arrayBuffer(await issuer.key.sign(encodeAsn(tbsCertificate)));
  return { key, certificate: readCertificate(encodeAsn(new x509.Certificate({ tbsCertificate, signatureAlgorithm, signatureValue })), 'forged') };
}

export function extension(extnID: string, value: unknown, critical = true): x509.Extension {
  return new x509.Extension({ extnID, critical, extnValue: new OctetString(value instanceof Uint8Array ? value : encodeAsn(value)) });
}
