import { X509Certificate, type KeyObject } from 'node:crypto';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import * as v from 'valibot';
import { asBerthError, BerthError, isErrno } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { parseYamlFile } from '../lib/yaml-file.ts';
import { algorithmOfKey } from './algorithms.ts';
import { readPem } from './pem.ts';
import type { Authority } from './types.ts';

const namePattern = /^[a-z0-9][a-z0-9.-]{0,63}$/;
const notAName = 'not a name of an authority (lower-case letters, digits, . and -)';
const authorityName = v.pipe(v.string(), v.regex(namePattern, notAName));
/** Names of packages (Debian policy 5.6.1), and `*`. */
const appPattern = v.pipe(v.string(), v.regex(/^[a-z0-9.+*-]{1,255}$/, 'not a pattern of app names (as in `acme-*`)'));
const file = v.pipe(v.string(), v.regex(/^(?!\/)(?!(.*\/)?\.\.(\/|$)).+$/, 'not a path within the directory'));
const manyOf = <S extends v.GenericSchema<unknown, string>>(item: S) => v.optional(v.array(item), []);
const moment = v.pipe(v.string(), v.regex(/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/, 'not a time as 2030-12-31 or 2030-12-31T00:00:00Z'), v.transform((text) => Date.parse(text)), v.finite('not a time'));

/** One file of `authorities.d`; docs/trust.md explains the keys. */
const schema = v.pipe(
  v.strictObject({
    certificate: v.optional(file),
    certificates: manyOf(file),
    apps: v.array(appPattern),
    rights: v.optional(v.unknown()),
    countersigners: v.optional(
      v.array(
        v.pipe(
          v.strictObject({ need: v.pipe(v.number(), v.integer(), v.minValue(1)), of: v.pipe(v.array(authorityName), v.minLength(1)) }),
          v.check(({ need, of }) => new Set(of).size === of.length && need <= of.length, '`need` is more than there are names in `of`, or a name is there twice'),
        ),
      ),
      [],
    ),
    until: v.optional(moment),
    crls: manyOf(file),
    'stale-crls': v.optional(v.picklist(['accept', 'refuse'])),
    witnesses: manyOf(authorityName),
    successors: manyOf(authorityName),
  }),
  v.check(({ certificate, certificates }) => (certificate === undefined) === (certificates.length > 0), 'either `certificate` or `certificates` must be given'),
);

/** What was read: the authorities that hold, and why others do not. */
export interface AuthorityFiles {
  readonly authorities: readonly Authority[];
  /** One for each file that cannot be used. Its apps install no more; other authorities are as they were. */
  readonly faults: readonly { readonly name: string; readonly message: string }[];
}

/** More than a device has, and than crosses well to the child that unpacks. */
const maxFileBytes = 8 * 1024 * 1024;

export interface AuthorityReading {
  /**
   * Certificates and lists are read as when a package is judged, which loads what reads ASN.1 (10 MB). Else only their
   * kind and the certificates' keys are looked at; one that turns out to be bad later vouches for nothing then.
   */
  readonly thorough?: boolean;
}

/**
 * The authorities of a directory: all `*.yaml` in it, by name; none if it is missing.
 * @throws BerthError if the directory itself cannot be read
 */
export async function readAuthorities(directory: string, { thorough = false }: AuthorityReading = {}): Promise<AuthorityFiles> {
  const authorities: Authority[] = [];
  const faults: { name: string; message: string }[] = [];
  for (const fileName of (await yamlFiles(directory)).toSorted()) {
    const [name, path] = [fileName.slice(0, -'.yaml'.length), join(directory, fileName)];
    try {
      const authority = await readFileOf(name, path);
      if (thorough) (await import('./authority.ts')).readAuthority(authority);
      else glanceAt(authority);
      authorities.push(authority);
    } catch (error) {
      const { message } = asBerthError(error);
      faults.push({ name, message: message.includes(path) ? message : `${path}: ${message}` });
    }
  }
  return { authorities, faults };
}

/** One authority, checked whole. @throws BerthError `usage`, `untrusted`, `not_found` naming file and key */
async function readFileOf(name: string, path: string): Promise<Authority> {
  if (!namePattern.test(name)) throw new BerthError('usage', `${path}: "${name}" is ${notAName}`);
  const { certificate, certificates, until, rights, 'stale-crls': staleCrls, crls, ...rest } = await parseYamlFile(schema, await readFile(path, 'utf8'), path);
  const beside = async (key: string, file: string): Promise<string> => await readBeside(path, key, file);
  return {
    name,
    certificates: await Promise.all((certificate === undefined ? certificates : [certificate]).map((file) => beside('certificates', file))),
    ...rest,
    crls: await Promise.all(crls.map(async (file) => asText(await readBeside(path, 'crls', file, 'latin1')))),
    ...(until === undefined ? {} : { until }),
    ...(rights === undefined ? {} : { rights: rights as Json }),
    ...(staleCrls === undefined ? {} : { staleCrls }),
  };
}

/** @throws BerthError `usage`, `untrusted` for certificates and lists that are none, and keys that Berth does not take */
function glanceAt({ name, certificates, crls }: Authority): void {
  for (const der of certificates.flatMap((text) => readPem(text, 'CERTIFICATE', `authority ${name}: certificate`))) algorithmOfKey(publicKeyOf(der, name), `authority ${name}: certificate`);
  for (const text of crls) if (text.includes('-----BEGIN')) readPem(text, 'X509 CRL', `authority ${name}: revocation list`);
}

function publicKeyOf(certificate: Uint8Array, name: string): KeyObject {
  try {
    return new X509Certificate(certificate).publicKey;
  } catch (error) {
    throw new BerthError('untrusted', `authority ${name}: the certificate cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** A list in DER becomes its base64. */
function asText(latin1: string): string {
  return latin1.includes('-----BEGIN') ? latin1 : Buffer.from(latin1, 'latin1').toString('base64');
}

/** A file beside the YAML file, or below; links that lead elsewhere are not followed. */
async function readBeside(yaml: string, key: string, file: string, encoding: 'utf8' | 'latin1' = 'utf8'): Promise<string> {
  const directory = await realpath(dirname(yaml));
  try {
    const path = await realpath(join(directory, file));
    if (!path.startsWith(`${directory}${sep}`)) throw new BerthError('usage', `${yaml}: ${key}: ${file} is a link out of the directory`);
    const bytes = await readFile(path);
    if (bytes.length > maxFileBytes) throw new BerthError('too_large', `${yaml}: ${key}: ${file}: larger than ${maxFileBytes} bytes`);
    return bytes.toString(encoding);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw new BerthError('not_found', `${yaml}: ${key}: there is no file ${file} beside it`, { cause: error });
    throw error;
  }
}

async function yamlFiles(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.yaml'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
