import * as v from 'valibot';
import { BerthError } from '../lib/errors.ts';
import { describeIssue } from '../lib/yaml-file.ts';
import type { Authority } from '../trust/index.ts';
import { defaultRights } from './default-rights.ts';
import { rightsSchema } from './rights-schema.ts';
import type { Bound } from './rights.ts';

/**
 * The bound of an authority. One whose file is gone has no say any more: its apps keep the default rights only.
 * @param name of the authority that vouches for a package; undefined: nobody does
 * @throws BerthError `usage` naming the key, if its `rights` are none
 */
export function boundOf(name: string | undefined, authorities: readonly Pick<Authority, 'name' | 'rights'>[]): Bound {
  if (name === undefined) return undefined;
  const authority = authorities.find((other) => other.name === name);
  if (authority === undefined) return defaultRights;
  if (authority.rights === undefined) return undefined;
  const result = v.safeParse(rightsSchema, authority.rights);
  if (result.success) return result.output;
  throw new BerthError('usage', `authority ${name}: rights: ${describeIssue(result.issues[0])}`);
}
