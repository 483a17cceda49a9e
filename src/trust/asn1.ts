/** The library that knows the types of CMS and X.509, and how its faults are told. */
import { AsnConvert } from '@peculiar/asn1-schema';
import { BerthError } from '../lib/errors.ts';
import { limits } from './limits.ts';

type Constructor<T> = new () => T;

/**
 * Bytes as the type that they should be. The library passes over what it does not expect (a revocation list without
 * its optional next update loses its entries); so what it has understood, written out again, must be the same bytes.
 * @throws BerthError `untrusted` naming `what`
 */
export function parseAsn<T>(type: Constructor<T>, bytes: Uint8Array | ArrayBuffer, what: string, maxNodes: number = limits.elements): T {
  let value: T;
  let again: ArrayBuffer;
  try {
    value = AsnConvert.parse(bytes, type, { berOptions: { maxNodes } });
    again = AsnConvert.serialize(value);
  } catch (error) {
    throw new BerthError('untrusted', `${what} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  if (Buffer.compare(new Uint8Array(again), new Uint8Array(bytes)) !== 0) throw new BerthError('untrusted', `${what} cannot be read: ${type.name} with parts that do not belong there, or not in DER`);
  return value;
}

/** DER of a value. */
export function encodeAsn(value: unknown): Buffer {
  return Buffer.from(AsnConvert.serialize(value));
}

/** A part of DER as the library takes it. */
export function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
