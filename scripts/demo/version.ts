import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What is different in another version of an example. */
export interface Version {
  readonly version: string;
  /** In place of its shell script. */
  readonly script?: string;
}

/** Lays out another version of the telemetry example, with a short trial. */
export async function makeVersion(folder: string, target: string, { version, script }: Version): Promise<void> {
  await cp(folder, target, { recursive: true, verbatimSymlinks: true });
  const recipe = join(target, 'berth.yaml');
  const text = await readFile(recipe, 'utf8');
  await writeFile(recipe, text.replace(/^version: .*$/m, `version: ${version}`).replace(/^ {2}restart: always$/m, '$&\n  trial: { uptime: 2s }'));
  if (script !== undefined) await writeFile(join(target, 'telemetry.sh'), script);
}
