/**
 * D-Bus values in JavaScript: integers of 64 bits are `bigint`, arrays and structs are arrays, a dictionary is an array of
 * pairs of key and value.
 */
export type Value = number | bigint | boolean | string | Variant | readonly Value[];

/** A value that brings its own type. */
export class Variant {
  /** Signature of one complete type. */
  readonly signature: string;
  readonly value: Value;

  constructor(signature: string, value: Value) {
    this.signature = signature;
    this.value = value;
  }
}
