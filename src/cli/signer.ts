import { readFile } from 'node:fs/promises';
import { BerthError, isErrno } from '../lib/errors.ts';
import { signingTools, type Certificate, type Signing, type SigningKey } from '../trust/index.ts';
import type { Given, Io, Option } from './command.ts';
import { runKeyCommand } from './key-command.ts';
import { readPassphrase } from './passphrase.ts';

export const passphraseVariable = 'BERTH_PASSPHRASE';

/** Options that say who signs. */
export const signerOptions: readonly Option[] = [
  { name: 'key', value: 'FILE', summary: 'private key (PEM, PKCS#8)' },
  { name: 'key-command', value: 'COMMAND', summary: 'a command that signs what it reads, in place of --key' },
  { name: 'cert', value: 'FILE', summary: 'certificate of the key (PEM)' },
  { name: 'chain', value: 'FILE', summary: 'certificates of CAs between it and the one that devices know (PEM)' },
  { name: 'pass-file', value: 'FILE', summary: `passphrase of the key; else $${passphraseVariable}, else asked for` },
  { name: 'time', value: 'TIME', summary: 'signing time to state, as 2026-06-01T12:00:00Z, or none; default now' },
];

/** Who signs, as those options say. @throws BerthError `usage`, `not_found` */
export async function readSigner({ values }: Given, io: Io): Promise<Signing> {
  const cert = values.get('cert');
  if (cert === undefined) throw new BerthError('usage', '--cert FILE is missing: the certificate of the key');
  const certificate = await readOneCertificate(cert);
  const key = await readKey(values, certificate, cert, io);
  const chain = values.get('chain');
  const signedAt = readTime(values.get('time'), io);
  return { key, certificate, chain: chain === undefined ? [] : await readCertificates(chain), ...(signedAt === undefined ? {} : { signedAt }) };
}

async function readKey(values: Given['values'], certificate: Certificate, cert: string, io: Io): Promise<SigningKey> {
  const [file, command] = [values.get('key'), values.get('key-command')];
  if ((file === undefined) === (command === undefined)) throw new BerthError('usage', 'one of --key FILE and --key-command COMMAND must be given');
  const { commandKey, readPrivateKey } = await signingTools();
  if (command !== undefined) return commandKey(certificate.key, cert, async (bytes) => await runKeyCommand(command, bytes, io.signal));
  const key = await readPrivateKey(await readText(file!), file!, async () => await readPassphrase({ file: values.get('pass-file'), variable: passphraseVariable, what: file! }, io));
  if (!key.publicKey.equals(certificate.key)) throw new BerthError('usage', `${file} is not the key of the certificate ${cert}`);
  return key;
}

function readTime(text: string | undefined, io: Io): number | undefined {
  if (text === 'none') return undefined;
  return text === undefined ? io.now() : parseTime(text, '--time');
}

/** Milliseconds since 1970. @throws BerthError `usage` */
export function parseTime(text: string, option: string): number {
  const time = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new BerthError('usage', `${option}: "${text}" is not a time as 2026-06-01 or 2026-06-01T12:00:00Z`);
  return time;
}

/** The first certificate of a file. */
export async function readOneCertificate(path: string): Promise<Certificate> {
  return (await readCertificates(path))[0]!;
}

async function readCertificates(path: string): Promise<readonly Certificate[]> {
  const { parseCertificates } = await signingTools();
  return parseCertificates(await readText(path), path);
}

/** @throws BerthError `not_found` */
export async function readText(path: string): Promise<string> {
  return (await readBytes(path)).toString('utf8');
}

/** @throws BerthError `not_found` */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw new BerthError('not_found', `there is no file ${path}`, { cause: error });
    throw error;
  }
}
