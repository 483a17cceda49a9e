/** The library that knows the types of CMS and X.509, and how its faults are told. */
import { AsnConvert } from '@peculiar/asn1-schema';
import { BerthError } from '../lib/errors.ts';

type Constructor<T> = new () => T;

/** Bytes as the type that they should be. @throws BerthError `untrusted` naming `what` */
export function parseAsn<T>(type: Constructor<T>, bytes: Uint8Array | ArrayBuffer, what: string): T {
  try {
    return AsnConvert.parse(bytes, type);
  } catch (error) {
    throw new BerthError('untrusted', `${what} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** DER of a value. */
export function encodeAsn(value: unknown): Buffer {
  return Buffer.from(AsnConvert.serialize(value));
}

/** A part of DER as the library takes it. */
export function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
