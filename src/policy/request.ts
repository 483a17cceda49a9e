import { BerthError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { step } from './json-path.ts';

type JsonObject = { readonly [key: string]: Json };

/**
 * A part of a `config.json`, read field by field. Fields that were never asked for are what the app requested and
 * Berth does not know or grant: {@link Request.rest} names them. Nothing is ever copied through.
 */
export class Request {
  readonly path: string;
  readonly #object: JsonObject;
  readonly #taken = new Set<string>();

  constructor(value: Json, path = '') {
    if (!isObject(value)) throw wrong(path, 'an object');
    this.#object = value;
    this.path = path;
  }

  /** Fields that no one took, with their JSON paths. */
  rest(): readonly { readonly path: string; readonly value: Json }[] {
    return Object.keys(this.#object)
      .filter((name) => !this.#taken.has(name))
      .map((name) => ({ path: this.at(name), value: this.#object[name]! }));
  }

  at(name: string): string {
    return this.path === '' ? step(name).replace(/^\./, '') : this.path + step(name);
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
    return value === undefined ? undefined : new Request(value, this.at(name));
  }

  objects(name: string): readonly Request[] {
    const value = this.#take(name, 'an array of objects', isArray) ?? [];
    return value.map((item, index) => new Request(item, `${this.at(name)}[${index}]`));
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

/** The error for a field of the wrong kind. */
export function wrong(path: string, expected: string): BerthError {
  return new BerthError('bad_package', `config.json: ${path === '' ? 'the document' : path} is not ${expected}`);
}
