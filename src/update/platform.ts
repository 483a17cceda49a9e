import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { asBerthError, BerthError, isErrno } from '../lib/errors.ts';
import { parseYamlFile } from '../lib/yaml-file.ts';
import type { Provided } from './dependencies.ts';

const service = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.+-]*$/, 'not a name as Depends has it')),
  version: v.optional(v.string()),
  description: v.optional(v.string()),
});

/** One file of `platform.d`: `services:` with the platform services of the device. */
const schema = v.strictObject({ services: v.array(service) });

/**
 * The services that this device declares, from all `*.yaml` of the directory; none if it is missing.
 * @throws BerthError `unavailable` naming the file that cannot be read
 */
export async function readPlatform(directory: string): Promise<readonly Provided[]> {
  const services: Provided[] = [];
  for (const name of (await names(directory)).toSorted()) {
    const path = join(directory, name);
    const file = await readServices(path);
    for (const entry of file.services) services.push(entry.version === undefined ? { name: entry.name } : { name: entry.name, version: entry.version });
  }
  return services;
}

async function readServices(path: string): Promise<v.InferOutput<typeof schema>> {
  try {
    return await parseYamlFile(schema, await readFile(path, 'utf8'), path);
  } catch (error) {
    const { message } = asBerthError(error);
    const fault = message.includes(path) ? message : `${path}: ${message}`;
    throw new BerthError('unavailable', `the platform services of this device cannot be told: ${fault}`, { cause: error });
  }
}

async function names(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.yaml'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
