/** `node scripts/dbus.ts`: writes the contracts in `dbus/` from the tables of the source. */
import { join } from 'node:path';
import { appContract } from '../src/dbus/contract.ts';
import { printNode } from '../src/dbus/introspect.ts';
import { replaceFileSync } from '../src/lib/durable.ts';

replaceFileSync(join(import.meta.dirname, '..', 'dbus', `${appContract.name}.xml`), printNode([appContract]));
