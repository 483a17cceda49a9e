import { constants, createPrivateKey, createPublicKey, sign as signWith, type KeyObject } from 'node:crypto';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { BerthError } from '../lib/errors.ts';
import { algorithmOfKey, algorithmTable, schemeOids } from './algorithms.ts';
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
