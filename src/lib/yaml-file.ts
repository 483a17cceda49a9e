import * as v from 'valibot';
import { BerthError } from './errors.ts';

/** Reads the text of YAML files; `path` is for messages. All throw BerthError `usage` naming file and key. */
export interface YamlReader {
  /** A file with one document. An empty one is an empty object. */
  readonly document: <S extends v.GenericSchema>(schema: S, text: string, path: string) => v.InferOutput<S>;
  /** A file with any number of documents. */
  readonly documents: <S extends v.GenericSchema>(schema: S, text: string, path: string) => readonly v.InferOutput<S>[];
}

/** Loads the reader, which is large. */
export async function openYaml(): Promise<YamlReader> {
  const yaml = await import('yaml');
  const fault = (path: string, error: Error): BerthError => new BerthError('usage', `${path}: ${error.message}`, { cause: error });
  return {
    document: (schema, text, path) => {
      let document: unknown;
      try {
        document = yaml.parse(text) ?? {};
      } catch (error) {
        throw fault(path, error as Error);
      }
      return accordingTo(schema, document, path);
    },
    documents: (schema, text, path) => {
      const documents = yaml.parseAllDocuments(text);
      return [...documents].map((document, index) => {
        const place = documents.length === 1 ? path : `${path} (document ${index + 1})`;
        if (document.errors.length > 0) throw fault(place, document.errors[0]!);
        return accordingTo(schema, document.toJS() ?? {}, place);
      });
    },
  };
}

/**
 * A YAML document as its schema says it is. An empty document is an empty object.
 * @throws BerthError `usage` naming file and key
 */
export async function parseYamlFile<S extends v.GenericSchema>(fileSchema: S, text: string, path: string): Promise<v.InferOutput<S>> {
  return (await openYaml()).document(fileSchema, text, path);
}

function accordingTo<S extends v.GenericSchema>(schema: S, document: unknown, path: string): v.InferOutput<S> {
  const result = v.safeParse(schema, document);
  if (result.success) return result.output;
  throw new BerthError('usage', `${path}: ${describeIssue(result.issues[0])}`);
}

/** The key that is wrong, and what is wrong with it. */
export function describeIssue(issue: v.BaseIssue<unknown>): string {
  const key = v.getDotPath(issue);
  return `${key === null ? '' : `${key}: `}${faultOf(issue)}`;
}

/** What people call the types of values. */
const kinds: Readonly<Record<string, string>> = { array: 'a list', boolean: 'true or false', number: 'a number', string: 'text', strict_object: 'a map of keys' };

function faultOf({ kind, type, expected, received, message }: v.BaseIssue<unknown>): string {
  // A strict object reports a key that it does not know as expecting `never`.
  if (expected === 'never') return 'not a key that Berth knows';
  // Messages of schemas' own are for people already.
  if (kind !== 'schema' || !message.startsWith('Invalid ')) return message;
  if (received === 'undefined') return 'is missing';
  const called = kinds[type];
  return called === undefined ? message : `${received} is not ${called}`;
}
