import { BerthError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { stepTo } from '../lib/json-path.ts';

type JsonObject = { readonly [key: string]: Json };

/** A field of a request that nobody took. */
export interface Remainder {
  readonly path: string;
  readonly value: Json;
}

/**
 * A part of a `config.json`, read field by field. Fields that were never asked for are what the app requested and
 * Berth does not know or grant: {@link Request.rest} names them. Nothing is ever copied through.
 */
export class Request {
  readonly path: string;
  readonly #object: JsonObject;
  readonly #taken = new Set<string>();
  readonly #parts: Request[] = [];

  constructor(value: Json, path = '') {
    if (!isObject(value)) throw wrong(path, 'an object');
    this.#object = value;
    this.path = path;
  }

  /**
   * Fields of it and of its parts that no one took. They are taken then. What stands for nothing (in the Go types of the
   * OCI runtime specification: null, false, 0, and what is empty) asks for nothing.
   */
  rest(): readonly Remainder[] {
    const own = Object.entries(this.#object).filter(([name]) => !this.#taken.has(name));
    for (const [name] of own) this.#taken.add(name);
    const asked = own.filter(([, value]) => !isNothing(value)).map(([name, value]) => ({ path: this.at(name), value }));
    return [...asked, ...this.#parts.flatMap((part) => part.rest())];
  }

  at(name: string): string {
    return stepTo(this.path, name);
  }

  has(name: string): boolean {
    return this.#object[name] !== undefined;
  }

  /** What stands in a field as it is; null if it is absent. */
  value(name: string): Json {
    return this.#object[name] ?? null;
  }

  /** All of it as it is. */
  get all(): Json {
    return this.#object;
  }

  /** Names of its fields. */
  get names(): readonly string[] {
    return Object.keys(this.#object);
  }

  /** Takes a field whose value does not matter, because the profile says what it is. */
  ignore(...names: string[]): void {
    for (const name of names) this.#taken.add(name);
  }

  string(name: string): string | undefined {
    return this.#take(name, 'a string', isString);
  }

  boolean(name: string): boolean | undefined {
    return this.#take(name, 'true or false', (value) => typeof value === 'boolean');
  }

  integer(name: string): number | undefined {
    return this.#take(name, 'a whole number', isInteger);
  }

  strings(name: string): readonly string[] | undefined {
    return this.#take(name, 'an array of strings', (value) => isArray(value) && value.every(isString));
  }

  integers(name: string): readonly number[] | undefined {
    return this.#take(name, 'an array of whole numbers', (value) => isArray(value) && value.every(isInteger));
  }

  object(name: string): Request | undefined {
    const value = this.#take(name, 'an object', isObject);
    return value === undefined ? undefined : this.#part(value, this.at(name));
  }

  objects(name: string): readonly Request[] {
    const value = this.#take(name, 'an array of objects', isArray) ?? [];
    return value.map((item, index) => this.#part(item, stepTo(this.at(name), index)));
  }

  #part(value: Json, path: string): Request {
    const part = new Request(value, path);
    this.#parts.push(part);
    return part;
  }

  #take<T extends Json>(name: string, expected: string, check: (value: Json) => value is T): T | undefined {
    this.#taken.add(name);
    const value = this.#object[name];
    // Absent; null stands for absent in configs made by Go programs.
    if (value === undefined || value === null) return undefined;
    if (!check(value)) throw wrong(this.at(name), expected);
    return value;
  }
}

function isString(value: Json): value is string {
  return typeof value === 'string';
}

function isInteger(value: Json): value is number {
  return Number.isSafeInteger(value);
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function isObject(value: Json): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isNothing(value: Json): boolean {
  if (value === null || typeof value !== 'object') return value === null || value === false || value === 0 || value === '';
  return Object.keys(value).length === 0;
}

/** The error for a field of the wrong kind. */
export function wrong(path: string, expected: string): BerthError {
  return new BerthError('bad_package', `config.json: ${path === '' ? 'the document' : path} is not ${expected}`);
}
