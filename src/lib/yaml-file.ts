import * as v from 'valibot';
import { BerthError } from './errors.ts';

/**
 * A YAML document as its schema says it is. An empty document is an empty object.
 * @throws BerthError `usage` naming file and key
 */
export async function parseYamlFile<S extends v.GenericSchema>(fileSchema: S, text: string, path: string): Promise<v.InferOutput<S>> {
  const yaml = await import('yaml');
  let document: unknown;
  try {
    document = yaml.parse(text) ?? {};
  } catch (error) {
    throw new BerthError('usage', `${path}: ${(error as Error).message}`, { cause: error });
  }
  const result = v.safeParse(fileSchema, document);
  if (result.success) return result.output;
  const issue = result.issues[0];
  const key = v.getDotPath(issue);
  // A strict object reports a key that it does not know as expecting `never`.
  const fault = issue.expected === 'never' ? 'not a key that Berth knows' : issue.message;
  throw new BerthError('usage', `${path}: ${key === null ? '' : `${key}: `}${fault}`);
}
