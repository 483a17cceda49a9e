/**
 * The algorithms that Berth takes, and nothing else: a key, the algorithm of a signature and that of a digest are read
 * apart and must agree.
 */
import { constants, createVerify, verify, type KeyObject } from 'node:crypto';
import { BerthError } from '../lib/errors.ts';
import { hex, readDer, type DerNode } from './der.ts';
import { limits } from './limits.ts';
import type { SignatureAlgorithm } from './types.ts';

export const hashes = ['sha256', 'sha384', 'sha512'] as const;
export type Hash = (typeof hashes)[number];

/** RFC 5754 section 2. */
export const hashOids: Readonly<Record<Hash, string>> = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
};

/** Bytes of a digest. */
export const hashBytes: Readonly<Record<Hash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** AlgorithmIdentifier of X.509 and CMS (RFC 5280 section 4.1.1.2). Parameters that are NULL are null here, absent ones undefined. */
export interface AlgorithmIdentifier {
  readonly algorithm: string;
  readonly parameters?: ArrayBuffer | Uint8Array | null | undefined;
}

/** How a signature was made. */
export type Scheme =
  | { readonly family: 'ecdsa'; readonly hash: Hash }
  | { readonly family: 'rsa-pss'; readonly hash: Hash; readonly saltBytes: number }
  | { readonly family: 'ed25519' }
  | { readonly family: 'ml-dsa-65' };

/** Each algorithm's scheme family, and the digest with which Berth signs. */
export const algorithmTable: Readonly<Record<SignatureAlgorithm, { readonly family: Scheme['family']; readonly hash: Hash }>> = {
  'ecdsa-p256': { family: 'ecdsa', hash: 'sha256' },
  'ecdsa-p384': { family: 'ecdsa', hash: 'sha384' },
  'ecdsa-p521': { family: 'ecdsa', hash: 'sha512' },
  'ed25519': { family: 'ed25519', hash: 'sha512' },
  'rsa-pss': { family: 'rsa-pss', hash: 'sha256' },
  'ml-dsa-65': { family: 'ml-dsa-65', hash: 'sha512' },
};

export const signatureAlgorithms = Object.keys(algorithmTable) as SignatureAlgorithm[];

/** What Berth takes, for messages. */
export const takenAlgorithms = `${signatureAlgorithms.join(', ')} (RSA of at least ${limits.rsaBits.least} bits)`;

/** RFC 5758 section 3.2; RFC 8017 appendix C; RFC 8410 section 3; RFC 9881 section 2. */
export const schemeOids = {
  ecdsa: { sha256: '1.2.840.10045.4.3.2', sha384: '1.2.840.10045.4.3.3', sha512: '1.2.840.10045.4.3.4' },
  rsaPss: '1.2.840.113549.1.1.10',
  mgf1: '1.2.840.113549.1.1.8',
  ed25519: '1.3.101.112',
  mlDsa65: '2.16.840.1.101.3.4.3.18',
} as const;

/** What others sign with, to be refused by name. */
const refusedOids: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.1': 'RSA PKCS#1 v1.5',
  '1.2.840.113549.1.1.4': 'RSA PKCS#1 v1.5 with MD5',
  '1.2.840.113549.1.1.5': 'RSA PKCS#1 v1.5 with SHA-1',
  '1.2.840.113549.1.1.11': 'RSA PKCS#1 v1.5 with SHA-256',
  '1.2.840.113549.1.1.12': 'RSA PKCS#1 v1.5 with SHA-384',
  '1.2.840.113549.1.1.13': 'RSA PKCS#1 v1.5 with SHA-512',
  '1.2.840.10045.4.1': 'ECDSA with SHA-1',
  '1.2.840.10045.4.3.1': 'ECDSA with SHA-224',
  '1.2.840.10040.4.3': 'DSA with SHA-1',
  '2.16.840.1.101.3.4.3.2': 'DSA with SHA-256',
  '1.3.101.113': 'Ed448',
  '2.16.840.1.101.3.4.3.17': 'ML-DSA-44',
  '2.16.840.1.101.3.4.3.19': 'ML-DSA-87',
  '1.2.840.113549.2.5': 'MD5',
  '1.3.14.3.2.26': 'SHA-1',
  '2.16.840.1.101.3.4.2.4': 'SHA-224',
};

const curves: Readonly<Record<string, SignatureAlgorithm>> = { prime256v1: 'ecdsa-p256', secp384r1: 'ecdsa-p384', secp521r1: 'ecdsa-p521' };

function refused(what: string, name: string): BerthError {
  return new BerthError('untrusted', `${what}: ${name} is not an algorithm that Berth takes; sign with one of ${takenAlgorithms}`);
}

/** What a key is for. @throws BerthError `untrusted` for a key that Berth does not take */
export function algorithmOfKey(key: KeyObject, what: string): SignatureAlgorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ec') {
    const algorithm = curves[details?.namedCurve ?? ''];
    if (algorithm === undefined) throw refused(what, `ECDSA on ${details?.namedCurve ?? 'a curve without a name'}`);
    return algorithm;
  }
  if (type === 'rsa' || type === 'rsa-pss') {
    const bits = details?.modulusLength ?? 0;
    if (bits < limits.rsaBits.least || bits > limits.rsaBits.most) throw refused(what, `RSA with a key of ${bits} bits`);
    if ((details?.publicExponent ?? 0n) < 65_537n) throw refused(what, `RSA with the exponent ${details?.publicExponent}`);
    return 'rsa-pss';
  }
  if (type === 'ed25519' || type === 'ml-dsa-65') return type;
  throw refused(what, type ?? 'an unknown kind of key');
}

/** @throws BerthError `untrusted` */
export function hashOf(id: AlgorithmIdentifier, what: string): Hash {
  const hash = hashes.find((name) => hashOids[name] === id.algorithm);
  if (hash === undefined) throw refused(what, refusedOids[id.algorithm] ?? `the digest ${id.algorithm}`);
  if (id.parameters !== undefined && id.parameters !== null) throw new BerthError('untrusted', `${what}: the digest algorithm has parameters`);
  return hash;
}

/** @throws BerthError `untrusted` */
export function schemeOf(id: AlgorithmIdentifier, what: string): Scheme {
  const { algorithm } = id;
  if (algorithm === schemeOids.rsaPss) return { family: 'rsa-pss', ...pssParameters(id, what) };
  const hash = hashes.find((name) => schemeOids.ecdsa[name] === algorithm);
  const scheme: Scheme | undefined =
    hash !== undefined ? { family: 'ecdsa', hash }
    : algorithm === schemeOids.ed25519 ? { family: 'ed25519' }
    : algorithm === schemeOids.mlDsa65 ? { family: 'ml-dsa-65' }
    : undefined;
  if (scheme === undefined) throw refused(what, refusedOids[algorithm] ?? `the algorithm ${algorithm}`);
  if (id.parameters !== undefined) throw new BerthError('untrusted', `${what}: the signature algorithm ${algorithm} has parameters, and must have none`);
  return scheme;
}

/** RSASSA-PSS-params (RFC 4055 section 3.1): one hash for both uses, which its defaults (SHA-1) never are. */
function pssParameters({ parameters }: AlgorithmIdentifier, what: string): { readonly hash: Hash; readonly saltBytes: number } {
  const fault = (reason: string): BerthError => new BerthError('untrusted', `${what}: RSA-PSS: ${reason}`);
  if (parameters === undefined || parameters === null) throw fault('no parameters, which would mean SHA-1');
  const { children } = readDer(new Uint8Array(parameters), what, { bytes: 256, depth: 6, elements: 32 });
  const field = (number: number): DerNode | undefined => children.find(({ tag }) => tag === 0xa0 + number)?.children[0];
  const [hash, mask, salt] = [field(0), field(1), field(2)];
  if (children.length > 3 || hash === undefined || mask === undefined || salt === undefined) throw fault('digest, mask generation and salt must be given, and nothing else');
  const digest = hashes.find((name) => isIdentifier(hash, hashOids[name]));
  if (digest === undefined) throw fault('the digest is none of SHA-256, SHA-384, SHA-512');
  const inner = mask.children[1];
  if (!isOid(mask.children[0], schemeOids.mgf1) || inner === undefined || !isIdentifier(inner, hashOids[digest])) throw fault('the mask must be MGF1 with the digest of the signature');
  const saltBytes = salt.tag === 0x02 && salt.content.length <= 2 ? Number.parseInt(hex(salt.content), 16) : -1;
  if (saltBytes < hashBytes[digest]) throw fault('the salt must be as long as the digest at least');
  return { hash: digest, saltBytes };
}

/** An AlgorithmIdentifier without parameters or with NULL. */
function isIdentifier(node: DerNode, oid: string): boolean {
  const [id, parameters] = node.children;
  return isOid(id, oid) && node.children.length <= 2 && (parameters === undefined || hex(parameters.bytes) === '0500');
}

function isOid(node: DerNode | undefined, oid: string): boolean {
  return node?.tag === 0x06 && hex(node.content) === hex(encodeOid(oid));
}

/** Content octets of an OBJECT IDENTIFIER (X.690 section 8.19). */
function encodeOid(oid: string): Uint8Array {
  const [first, second, ...rest] = oid.split('.').map(Number);
  return Uint8Array.from([first! * 40 + second!, ...rest].flatMap(base128));
}

function base128(value: number): number[] {
  const octets = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 + (rest % 128));
  return octets;
}

/** @throws BerthError `untrusted` if such a key makes no such signatures */
export function checkKeyFits(algorithm: SignatureAlgorithm, scheme: Scheme, what: string): void {
  const { family } = algorithmTable[algorithm];
  if (family !== scheme.family) throw new BerthError('untrusted', `${what}: the key is for ${algorithm}, the signature says ${scheme.family}`);
}

/**
 * Digests that may stand beside a signature (RFC 5652 section 5.3): that of the scheme; SHA-512 for Ed25519 (RFC 8419
 * section 2.3); for ML-DSA-65 one of at least 384 bits (RFC 9882 section 3.3).
 * @throws BerthError `untrusted`
 */
export function checkDigestFits(scheme: Scheme, hash: Hash, what: string): void {
  const fits =
    scheme.family === 'ed25519' ? hash === 'sha512'
    : scheme.family === 'ml-dsa-65' ? hash !== 'sha256'
    : hash === scheme.hash;
  if (!fits) throw new BerthError('untrusted', `${what}: the digest ${hash} does not go with the signature's algorithm (${'hash' in scheme ? `${scheme.family} with ${scheme.hash}` : scheme.family})`);
}

/** Whether the signature over these bytes is good. */
export function isGood(scheme: Scheme, key: KeyObject, content: Iterable<Uint8Array>, signature: Uint8Array, what: string): boolean {
  if (scheme.family === 'ed25519' || scheme.family === 'ml-dsa-65') return verify(null, gather(content, what), key, signature);
  const verifier = createVerify(scheme.hash);
  for (const chunk of content) verifier.update(chunk);
  return verifier.verify(
    scheme.family === 'ecdsa' ? { key, dsaEncoding: 'der' } : { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltBytes },
    signature,
  );
}

function gather(content: Iterable<Uint8Array>, what: string): Buffer {
  const parts: Buffer[] = [];
  let size = 0;
  for (const chunk of content) {
    size += chunk.length;
    if (size > limits.plainContentBytes) throw new BerthError('untrusted', `${what}: without signed attributes, at most ${limits.plainContentBytes} bytes can be checked; sign with signed attributes`);
    // The memory of a chunk may be used again for the next.
    parts.push(Buffer.from(chunk));
  }
  return Buffer.concat(parts);
}
