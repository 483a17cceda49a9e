import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Put in by the bundler (`scripts/build.ts`); absent when the sources run as they are. */
declare const BERTH_VERSION: string | undefined;

/** The version of this program, from `package.json`. */
export const version: string =
  typeof BERTH_VERSION === 'string'
    ? BERTH_VERSION
    : (JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as { version: string }).version;
