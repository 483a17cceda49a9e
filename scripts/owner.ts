import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BerthError } from '../src/lib/errors.ts';
import { run } from '../src/lib/process.ts';

const checkout = join(import.meta.dirname, '..');

/** Gives what `sudo npm start` or `sudo npm test` has made in the checkout to the checkout's owner. */
export async function giveToOwner(): Promise<void> {
  const made = ['.cache', 'dist'].map((name) => join(checkout, name)).filter((path) => existsSync(path));
  if (process.getuid?.() !== 0 || made.length === 0) return;
  const { code, stderr } = await run('chown', ['-R', `--reference=${checkout}`, ...made]);
  if (code !== 0) throw new BerthError('io', `cannot give ${made.join(' and ')} to the owner of the checkout: ${stderr.trim()}`);
}
