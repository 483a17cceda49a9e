import { constants, createPrivateKey, createPublicKey, sign as signWith, type KeyObject } from 'node:crypto';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { BerthError } from '../lib/errors.ts';
import { algorithmOfKey, algorithmTable, isGood, schemeOids, type Scheme } from './algorithms.ts';
import { arrayBuffer } from './asn1.ts';
import type { SignatureAlgorithm } from './types.ts';

/** A private key, wherever it is. */
export interface SigningKey {
  readonly algorithm: SignatureAlgorithm;
  /**
   * The signature over these bytes as it stands in certificates and CMS: for ECDSA the DER of r and s (RFC 3279 section 2.2.3), for
   * RSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes, for Ed25519 and ML-DSA-65 the plain one.
   */
  readonly sign: (bytes: Uint8Array) => Promise<Uint8Array>;
  readonly publicKey: KeyObject;
}

/** Salt of Berth's own RSA-PSS signatures: as long as the digest. */
const saltBytes = 32;

/** Parameters of RSASSA-PSS (RFC 4055 section 3.1): SHA-256, MGF1 with SHA-256, salt of 32 bytes. */
const pssParameters = Buffer.from('3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120', 'hex');

/** How a signature by such a key is named, in certificates and in CMS. */
export function signatureId(algorithm: SignatureAlgorithm): AlgorithmIdentifier {
  const { family, hash } = algorithmTable[algorithm];
  if (family === 'rsa-pss') return new AlgorithmIdentifier({ algorithm: schemeOids.rsaPss, parameters: arrayBuffer(pssParameters) });
  const oid = family === 'ecdsa' ? schemeOids.ecdsa[hash] : family === 'ed25519' ? schemeOids.ed25519 : schemeOids.mlDsa65;
  return new AlgorithmIdentifier({ algorithm: oid });
}

/**
 * A private key in PEM: PKCS#8, encrypted or not. `passphrase` is asked for only if it is needed.
 * @throws BerthError `usage` if it cannot be read or is of a kind that Berth does not take
 */
export async function readPrivateKey(pem: string, what: string, passphrase: () => Promise<string>): Promise<SigningKey> {
  const isEncrypted = pem.includes('ENCRYPTED');
  const secret = isEncrypted ? await passphrase() : undefined;
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, ...(secret === undefined ? {} : { passphrase: secret }) });
  } catch (error) {
    const reason = isEncrypted ? 'is the passphrase right?' : 'it must be PEM of PKCS#8';
    throw new BerthError('usage', `${what}: the private key cannot be read: ${reason} (${(error as Error).message})`, { cause: error });
  }
  return signingKey(key, what);
}

/** @throws BerthError `usage` for a kind of key that Berth does not take */
export function signingKey(key: KeyObject, what: string): SigningKey {
  const publicKey = createPublicKey(key);
  let algorithm: SignatureAlgorithm;
  try {
    algorithm = algorithmOfKey(publicKey, what);
  } catch (error) {
    throw new BerthError('usage', (error as Error).message, { cause: error });
  }
  const { family, hash } = algorithmTable[algorithm];
  const sign = (bytes: Uint8Array): Uint8Array => {
    if (family === 'ecdsa') return signWith(hash, bytes, { key, dsaEncoding: 'der' });
    if (family === 'rsa-pss') return signWith(hash, bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: saltBytes });
    return signWith(null, bytes, key);
  };
  return { algorithm, publicKey, sign: async (bytes) => sign(bytes) };
}

/** Bytes of a signature, with room for the largest (ML-DSA-65: 3309). */
const maxSignatureBytes = 8192;

/**
 * A key that an external command holds: it is given the bytes to be signed on standard input and writes the
 * signature on standard output, as {@link SigningKey.sign} says. ECDSA signatures may also be r and s one after the other, as
 * PKCS#11 gives them. What it writes is verified with the certificate's public key before it is used.
 * `run` starts the command; it rejects if that fails.
 */
export function commandKey(publicKey: KeyObject, what: string, run: (input: Uint8Array) => Promise<Uint8Array>): SigningKey {
  const algorithm = algorithmOfKey(publicKey, what);
  const { family, hash } = algorithmTable[algorithm];
  const scheme: Scheme = family === 'ecdsa' ? { family, hash } : family === 'rsa-pss' ? { family, hash, saltBytes } : { family };
  const sign = async (bytes: Uint8Array): Promise<Uint8Array> => {
    const raw = await run(bytes);
    if (raw.length === 0 || raw.length > maxSignatureBytes) throw new BerthError('usage', `the key command wrote ${raw.length} bytes, which is no signature`);
    const forms = family === 'ecdsa' && raw.length % 2 === 0 ? [raw, ecdsaDer(raw)] : [raw];
    const good = forms.find((signature) => isGood(scheme, publicKey, [bytes], signature, what));
    if (good === undefined) throw new BerthError('usage', `the key command wrote ${raw.length} bytes that are no ${algorithm} signature by the key of ${what}; docs/trust.md says what it must write`);
    return good;
  };
  return { algorithm, publicKey, sign };
}

/** r and s as Ecdsa-Sig-Value (RFC 3279 section 2.2.3). */
function ecdsaDer(raw: Uint8Array): Uint8Array {
  const integer = (bytes: Uint8Array): Buffer => {
    const start = bytes.findIndex((octet) => octet !== 0);
    const magnitude = start < 0 ? Buffer.of(0) : Buffer.from(bytes.subarray(start));
    const content = magnitude[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), magnitude]) : magnitude;
    return Buffer.concat([Buffer.of(0x02, content.length), content]);
  };
  const body = Buffer.concat([integer(raw.subarray(0, raw.length / 2)), integer(raw.subarray(raw.length / 2))]);
  return Buffer.concat([body.length < 0x80 ? Buffer.of(0x30, body.length) : Buffer.of(0x30, 0x81, body.length), body]);
}
