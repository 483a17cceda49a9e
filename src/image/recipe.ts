import * as v from 'valibot';
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { BerthError } from '../lib/errors.ts';
import { type Recipe, recipeSchema } from './recipe-schema.ts';

/** What is wrong in a recipe: `path` as in `run.health.interval` or `files[2].to`. */
interface Fault {
  readonly line: number;
  readonly path: string;
  readonly message: string;
}

/**
 * Reads a `berth.yaml`. `name` stands for the file in messages.
 * @throws BerthError `bad_package`: `berth.yaml:12: run.restart: …`; all faults are in `detail`.
 */
export function parseRecipe(source: string, name = 'berth.yaml'): Recipe {
  const lines = new LineCounter();
  // In the failsafe schema every scalar is text, so that 1.10, 0755 and "no" arrive as they were written.
  const document = parseDocument(source, { schema: 'failsafe', lineCounter: lines, prettyErrors: false });
  const [syntax] = document.errors;
  if (syntax !== undefined) throw fail(name, [{ line: lines.linePos(syntax.pos[0]).line, path: '', message: syntax.message }]);
  const result = v.safeParse(recipeSchema, document.toJS({ maxAliasCount: 100 }));
  if (result.success) return result.output;
  throw fail(
    name,
    result.issues.map((issue) => {
      const keys = (issue.path ?? []).map((item) => item.key as string | number);
      return { line: lines.linePos(offsetOf(document, keys)).line, path: formatPath(keys), message: messageOf(issue) };
    }),
  );
}

function fail(name: string, faults: readonly Fault[]): BerthError {
  const first = faults[0]!;
  const more = faults.length === 1 ? '' : ` (and ${faults.length - 1} more)`;
  const place = first.path === '' ? '' : `${first.path}: `;
  return new BerthError('bad_package', `${name}:${first.line}: ${place}${first.message}${more}`, { detail: { faults } });
}

/** An unknown key and a missing one come as issues of the object itself, with the key as the last part of the path. */
function messageOf(issue: v.InferIssue<typeof recipeSchema>): string {
  if (issue.expected === 'never') return 'unknown key; docs/package.md lists those that berth.yaml can have';
  const isMissing = issue.type === 'strict_object' && issue.received === 'undefined' && issue.expected?.startsWith('"') === true;
  return isMissing ? 'is missing' : issue.message;
}

/** Where the key (or list item) at this path begins; of a missing one, where the nearest parent that is there begins. */
function offsetOf(document: Document, keys: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const key of keys) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (pair === undefined) break;
      offset = (pair.key as { range?: readonly number[] }).range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[key as number];
      offset = (node as { range?: readonly number[] } | undefined)?.range?.[0] ?? offset;
    } else {
      break;
    }
  }
  return offset;
}

function formatPath(keys: readonly (string | number)[]): string {
  return keys.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${key}`)).join('');
}
