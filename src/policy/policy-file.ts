import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { asBerthError, BerthError, isErrno } from '../lib/errors.ts';
import { isJsonPathPattern } from '../lib/json-path.ts';
import type { YamlReader } from '../lib/yaml-file.ts';
import { rightsSchema } from './rights-schema.ts';
import type { PolicyRule } from './rights.ts';

/** One document of `policy.d/*.yaml`. */
const ruleSchema = v.strictObject({
  /** Patterns of app names, `*` standing for any text. */
  'apps': v.pipe(v.array(v.pipe(v.string(), v.regex(/^[a-z0-9.+*-]+$/, 'not a pattern of app names'))), v.minLength(1, 'no app is named')),
  'rights': v.optional(rightsSchema, {}),
  'degrade': v.optional(v.union([v.boolean(), v.array(v.pipe(v.string(), v.check(isJsonPathPattern, 'not a JSON path, such as linux.seccomp or mounts[*]')))]), false),
  'only-unsigned': v.optional(v.boolean(), false),
});

/**
 * The rules of a policy directory: its `*.yaml` sorted by name, each with any number of documents. A directory that is
 * not there holds none.
 * @throws BerthError `usage` naming file and key, or `io`: then the policy is not known, in whole
 */
export function readPolicyRules(directory: string, yaml: YamlReader): readonly PolicyRule[] {
  return policyFiles(directory).flatMap((name) => {
    const path = join(directory, name);
    return yaml.documents(ruleSchema, readText(path), path).map((rule, index, all): PolicyRule => ({
      origin: all.length === 1 ? name : `${name} (document ${index + 1})`,
      apps: rule.apps,
      rights: rule.rights,
      degrade: rule.degrade,
      onlyUnsigned: rule['only-unsigned'],
    }));
  });
}

/** A text that is another one as soon as a file of the directory is. */
export function policyFingerprint(directory: string): string {
  return policyFiles(directory)
    .map((name) => {
      const status = statSync(join(directory, name), { throwIfNoEntry: false, bigint: true });
      return `${name} ${status?.dev} ${status?.ino} ${status?.mtimeNs} ${status?.ctimeNs} ${status?.size}`;
    })
    .join('\n');
}

function policyFiles(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith('.yaml') && !name.startsWith('.')).toSorted();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw new BerthError('io', `the policy cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new BerthError('io', `the policy cannot be read: ${asBerthError(error).message}`, { cause: error });
  }
}
