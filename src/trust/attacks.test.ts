import assert from 'node:assert/strict';
import { constants, createPublicKey, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { test } from 'node:test';
import * as cms from '@peculiar/asn1-cms';
import { AlgorithmIdentifier, Certificate, SubjectPublicKeyInfo } from '@peculiar/asn1-x509';
import { OctetString } from '@peculiar/asn1-schema';
import { BerthError } from '../lib/errors.ts';
import { hashOids, schemeOids } from './algorithms.ts';
import { arrayBuffer, encodeAsn, parseAsn } from './asn1.ts';
import { readCertificate } from './certificate.ts';
import { readSignedMessage } from './cms-reader.ts';
import { addSigner, sign } from './cms-writer.ts';
import { authority, claim, manifest, now, party, policy, signedBy, type Party } from './fixtures.ts';
import { tampered } from './forge.ts';
import { judgePackage } from './index.ts';
import { issueCertificate } from './issue.ts';
import { signatureId, signingKey } from './signing-key.ts';

const acme = await party('acme');
const authorities = [authority('acme', acme)];
const good = await signedBy(acme, { signedAt: now });

async function refused(signature: Uint8Array, reason: RegExp, content: Uint8Array = manifest): Promise<void> {
  await assert.rejects(judgePackage(claim(signature, content), { name: 'web', version: '1.0' }, policy(authorities), () => 0), (error) => {
    assert.ok(error instanceof BerthError, String(error));
    assert.equal(error.code, 'untrusted');
    assert.match(error.message, reason);
    return true;
  });
}

test('the signature from which the others are made is taken', async () => {
  assert.equal((await judgePackage(claim(good), { name: 'web', version: '1.0' }, policy(authorities), () => 0)).authority, 'acme');
});

test('another key under the same name', async () => {
  await refused(await signedBy(await party('acme')), /no authority of this device stands behind it/);
});

test("the authority's certificate beside a signature by another key", async () => {
  const mallory = await party('mallory');
  await refused(await sign(manifest, { key: mallory.key, certificate: acme.certificate, chain: [] }), /was not made with the key of CN=acme/);
});

test('the manifest of another package', async () => {
  await refused(good, /over other content/, Buffer.from('{"control":{"Package":"web","Version":"2.0"},"format":1}\n'));
});

test('signed attributes of another signature', async () => {
  const other = await sign(Buffer.from('other'), { ...acme, chain: [] });
  await refused(other, /over other content/);
  // The digest of the manifest put in, the signature is not over it.
  await refused(
    tampered(good, (_, signer) => {
      signer.signature = new OctetString(tamperedBytes(signer.signature.buffer));
    }),
    /was not made with the key/,
  );
});

function tamperedBytes(bytes: ArrayBuffer): Uint8Array {
  const changed = new Uint8Array(bytes.slice(0));
  changed[changed.length - 1]! ^= 1;
  return changed;
}

test('a signature that is left out of the attributes it was made with', async () => {
  // The DER of the attributes as content: what a signature without attributes would be over (RFC 5652 section 5.4).
  const without = tampered(good, (_, signer) => {
    delete signer.signedAttrs;
  });
  await refused(without, /was not made with the key/);
  const { attributes } = readSignedMessage(good, 'message').signers[0]!;
  await refused(without, /may be over signed attributes that were taken out of another signature/, attributes!.bytes);
});

test('signed attributes twice, with two values, or missing', async () => {
  const attributes = (change: (list: cms.Attribute[]) => cms.Attribute[]): Buffer =>
    tampered(good, (_, signer) => {
      signer.signedAttrs = change(signer.signedAttrs!);
    });
  await refused(attributes((list) => [...list, list[0]!]), /stands there twice/);
  await refused(attributes((list) => list.map((one) => new cms.Attribute({ attrType: one.attrType, attrValues: [...one.attrValues, ...one.attrValues] }))), /has 2 values/);
  await refused(attributes((list) => list.slice(0, 1)), /without content type or message digest/);
  await refused(attributes((list) => Array.from({ length: 40 }, () => list[0]!)), /40 signed attributes/);
});

test('messages of other types', async () => {
  const otherType = '1.2.840.113549.1.9.16.1.4';
  const signedType = arrayBuffer(Buffer.from('060b2a864886f70d0109100104', 'hex'));
  await refused(
    tampered(good, (_, signer) => {
      signer.signedAttrs!.find(({ attrType }) => attrType === '1.2.840.113549.1.9.3')!.attrValues = [signedType];
    }),
    /the signed content type is not data/,
  );
  await refused(tampered(good, (data) => (data.encapContentInfo.eContentType = otherType)), /the content's type is 1\.2\.840\.113549\.1\.9\.16\.1\.4, not data/);
  await refused(encodeAsn(new cms.ContentInfo({ contentType: otherType, content: parseAsn(cms.ContentInfo, good, 'message').content })), /not a CMS SignedData/);
  const other = new cms.CertificateChoices({ other: new cms.OtherCertificateFormat({ otherCertFormat: '1.2.3', otherCert: arrayBuffer(Buffer.of(5, 0)) }) });
  await refused(tampered(good, (data) => data.certificates!.push(other)), /a certificate of a kind that Berth does not read/);
});

test('certificates that say one thing twice, or not as DER has it', () => {
  const certificate = parseAsn(Certificate, acme.certificate.der, 'certificate');
  certificate.signatureAlgorithm = signatureId('ed25519');
  assert.throws(() => readCertificate(encodeAsn(certificate), 'certificate'), { code: 'untrusted', message: /names two algorithms for its signature/ });
  const explicit = parseAsn(Certificate, acme.certificate.der, 'certificate');
  // A default that is written out: cA FALSE.
  explicit.tbsCertificate.extensions!.find(({ extnID }) => extnID === '2.5.29.19')!.extnValue = new OctetString(Buffer.from('3003010100', 'hex'));
  assert.throws(() => readCertificate(encodeAsn(explicit), 'certificate'), { code: 'untrusted', message: /BasicConstraints with parts that do not belong there, or not in DER/ });
});

test('digests that are too short for Ed25519 and ML-DSA-65', async () => {
  for (const algorithm of ['ed25519', 'ml-dsa-65'] as const) {
    const short = tampered(await signedBy(await party('acme', { algorithm })), (data, signer) => {
      signer.digestAlgorithm = new AlgorithmIdentifier({ algorithm: hashOids.sha256 });
      data.digestAlgorithms.push(signer.digestAlgorithm);
    });
    await refused(short, new RegExp(`the digest sha256 does not go with the signature's algorithm \\(${algorithm}\\)`));
  }
});

test('algorithms that do not agree', async () => {
  const with_ = (change: (signer: cms.SignerInfo, data: cms.SignedData) => void): Buffer => tampered(good, (data, signer) => change(signer, data));
  const id = (algorithm: string, parameters?: string): AlgorithmIdentifier => new AlgorithmIdentifier({ algorithm, ...(parameters === undefined ? {} : { parameters: arrayBuffer(Buffer.from(parameters, 'hex')) }) });
  await refused(with_((signer) => (signer.signatureAlgorithm = id(schemeOids.ecdsa.sha384))), /digest sha256 does not go with/);
  await refused(with_((signer) => (signer.digestAlgorithm = id(hashOids.sha384))), /not among those/);
  await refused(with_((signer) => (signer.signatureAlgorithm = id(schemeOids.ecdsa.sha256, '0500'))), /has parameters/);
  await refused(with_((signer, data) => {
    signer.signatureAlgorithm = id(schemeOids.ed25519);
    signer.digestAlgorithm = id(hashOids.sha512);
    data.digestAlgorithms.push(id(hashOids.sha512));
  }), /over other content/);
  await refused(with_((signer) => (signer.signatureAlgorithm = signatureId('rsa-pss'))), /the key is for ecdsa-p256, the signature says rsa-pss/);
  await refused(with_((signer) => (signer.signatureAlgorithm = id('1.2.3.4'))), /1\.2\.3\.4 is not an algorithm that Berth takes/);
});

for (const [name, oid] of [['RSA PKCS#1 v1.5 with SHA-256', '1.2.840.113549.1.1.11'], ['RSA PKCS#1 v1.5', '1.2.840.113549.1.1.1'], ['ECDSA with SHA-1', '1.2.840.10045.4.1'], ['Ed448', '1.3.101.113'], ['ML-DSA-44', '2.16.840.1.101.3.4.3.17']] as const) {
  test(`${name} is refused by name`, async () => {
    const signature = tampered(good, (_, signer) => (signer.signatureAlgorithm = new AlgorithmIdentifier({ algorithm: oid })));
    await refused(signature, new RegExp(`${RegExp.escape(name)} is not an algorithm that Berth takes`));
  });
}

test('SHA-1 as the digest', async () => {
  const sha1 = tampered(good, (_, signer) => (signer.digestAlgorithm = new AlgorithmIdentifier({ algorithm: '1.3.14.3.2.26' })));
  await refused(sha1, /SHA-1 is not an algorithm/);
});

test('RSA-PSS with a short salt, another mask, or without parameters, which mean SHA-1', async () => {
  const rsa = await party('acme', { algorithm: 'rsa-pss' });
  const signature = await signedBy(rsa);
  const parameters = Buffer.from(signatureId('rsa-pss').parameters!).toString('hex');
  const changed = (from: string, to: string): Buffer =>
    tampered(signature, (_, signer) => (signer.signatureAlgorithm = new AlgorithmIdentifier({ algorithm: schemeOids.rsaPss, parameters: arrayBuffer(Buffer.from(parameters.replace(from, to), 'hex')) })));
  await refused(changed('020120', '020114'), /salt must be as long as the digest/);
  await refused(changed('f70d010108300d06096086480165030402010500', 'f70d010108300d06096086480165030402020500'), /the mask must be MGF1/);
  await refused(changed(parameters, '3000'), /digest, mask generation and salt must be given/);
  await refused(tampered(signature, (_, signer) => (signer.signatureAlgorithm = new AlgorithmIdentifier({ algorithm: schemeOids.rsaPss }))), /no parameters, which would mean SHA-1/);
});

test('keys that are too small or on other curves', async () => {
  for (const [key, reason] of [
    [generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, /RSA with a key of 2048 bits/],
    [generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).privateKey, /ECDSA on secp224r1/],
    [generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey, /ECDSA on secp256k1/],
    [generateKeyPairSync('ml-dsa-44').privateKey, /ml-dsa-44/],
    [generateKeyPairSync('rsa', { modulusLength: 3072, publicExponent: 3 }).privateKey, /RSA with the exponent 3/],
  ] as const) {
    assert.throws(() => signingKey(key, 'key'), reason);
    // The certificate of a real signer, with this key in it.
    const forged = tampered(good, (data) => {
      const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
      data.certificates![0]!.certificate!.tbsCertificate.subjectPublicKeyInfo = parseAsn(SubjectPublicKeyInfo, spki, 'key');
    });
    await refused(forged, reason);
  }
});

test('duplicated signers', async () => {
  await refused(tampered(good, (data, signer) => data.signerInfos.push(signer)), /the same key has signed twice/);
});

test('two certificates that could be the signer\'s', async () => {
  const twin = tampered(good, (data) => {
    const other = parseAsn(Certificate, acme.certificate.der, 'certificate');
    other.signatureValue = arrayBuffer(Buffer.from('00', 'hex'));
    data.certificates!.push(new cms.CertificateChoices({ certificate: other }));
  });
  await refused(twin, /several certificates in it could be the signer's/);
});

test('one signature of several that is not good', async () => {
  const shop = await party('shop');
  const both = await addSigner(good, manifest, { ...shop, chain: [] });
  await refused(
    tampered(both, (data) => {
      for (const signer of data.signerInfos) if (signer.signedAttrs!.length === 2) signer.signature = new OctetString(tamperedBytes(signer.signature.buffer));
    }),
    /signature \d was not made with the key of CN=shop/,
  );
});

test('nobody, and too many', async () => {
  await refused(tampered(good, (data) => data.signerInfos.splice(0)), /nobody has signed/);
  await refused(tampered(good, (data, signer) => data.signerInfos.push(...Array.from({ length: 16 }, () => signer))), /17 signers; at most 16/);
  await refused(tampered(good, (data) => data.certificates!.push(...Array.from({ length: 32 }, () => data.certificates![0]!))), /33 certificates; at most 32/);
});

test('content of its own', async () => {
  await refused(await sign(manifest, { ...acme, chain: [] }, true), /it must be detached/);
});

test('encodings that are not DER', async () => {
  await refused(Buffer.concat([good, Buffer.of(0)]), /1 bytes follow its end/);
  await refused(good.subarray(0, -1), /where \d+ are left/);
  await refused(Buffer.concat([Buffer.of(0x30, 0x80), good.subarray(4), Buffer.of(0, 0)]), /a length that is left open \(BER\)/);
  await refused(Buffer.concat([Buffer.of(0x30, 0x83, 0), good.subarray(2)]), /more octets than it needs|where/);
  await refused(Buffer.alloc(0), /it ends within an element/);
  await refused(Buffer.from('-----BEGIN CMS-----\n'), /not what DER allows/);
  await refused(Buffer.alloc(256 * 1024 + 1, 0x30), /at most 262144 are read/);
  // A SEQUENCE that is primitive, an OCTET STRING that is constructed, a boolean that is neither.
  for (const [bytes, reason] of [['1000', /wrong form/], ['300424020400', /wrong form/], ['3003010101', /neither 00 nor FF/], ['300402020001', /more octets than it needs/], ['30021f00', /a tag that is not used/]] as const) {
    await refused(Buffer.from(bytes, 'hex'), reason);
  }
  await refused(nested(40), /more than 24 levels/);
  await refused(Buffer.concat([Buffer.of(0x30, 0x83, 0x01, 0x86, 0xa0), Buffer.alloc(100_000, Buffer.of(0x05, 0x00))]), /more than 20000 elements/);
});

function nested(levels: number): Buffer {
  return Buffer.from(Array.from({ length: levels }, (_, level) => [0x30, 2 * (levels - level - 1)]).flat());
}

test('an RSA signature of PKCS#1 v1.5 named as RSA-PSS', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
  const key = signingKey(privateKey, 'key');
  const certificate = await issueCertificate({ subject: [['CN', 'acme']], publicKey: key.publicKey, isCa: false, notBefore: now - 1000, notAfter: now + 1000 }, { key });
  const weak: Party = { key: { ...key, sign: async (bytes) => signWith('sha256', bytes, { key: privateKey, padding: constants.RSA_PKCS1_PADDING }) }, certificate };
  await refused(await signedBy(weak), /was not made with the key/);
});
