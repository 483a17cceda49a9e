import { createHash, hash, type Hash } from 'node:crypto';
import { BerthError } from './errors.ts';

/** SHA-256 of a content manifest, written `sha256:` and 64 lower-case hexadecimal digits. It names an image. */
export type Digest = `sha256:${string}`;

const pattern = /^sha256:[0-9a-f]{64}$/;

/** A digest from text. @throws BerthError `usage` if it is not `sha256:` and 64 hexadecimal digits. */
export function parseDigest(text: string): Digest {
  if (!pattern.test(text)) throw new BerthError('usage', `not a digest: ${text} (expected sha256:<64 hex digits>)`);
  return text as Digest;
}

/** The hexadecimal part, as in the name of an image directory. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** SHA-256 of bytes that are all there, as hexadecimal. */
export function sha256Hex(bytes: Uint8Array | string): string {
  return hash('sha256', bytes);
}

/** The digest of these bytes. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${sha256Hex(bytes)}`;
}

/** A running SHA-256. */
export function sha256Stream(): Hash {
  return createHash('sha256');
}
