import type { Operation } from './operation.ts';
import { collection } from './operations/collection.ts';
import { data } from './operations/data.ts';
import { factory } from './operations/factory.ts';
import { install } from './operations/install.ts';
import { removal } from './operations/removal.ts';
import { rollback } from './operations/rollback.ts';
import { update } from './operations/update.ts';

/** Everything that power is cut during. */
export const operations: readonly Operation[] = [install, update, rollback, data, removal, collection, factory];

/** @throws Error if there is none of this name */
export function operationNamed(name: string | undefined): Operation {
  const found = operations.find((operation) => operation.name === name);
  if (found === undefined) throw new Error(`no such operation: ${name}; there are ${operations.map((operation) => operation.name).join(', ')}`);
  return found;
}
