import { access, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { BerthError } from '../../lib/errors.ts';
import { signingTools, type Certificate, type SignatureAlgorithm, type SigningKey } from '../../trust/index.ts';
import { usage, wholeNumber } from '../arguments.ts';
import type { Command, Context, Given, Io } from '../command.ts';
import { readPassphrase } from '../passphrase.ts';
import { passphraseVariable, readOneCertificate, readText } from '../signer.ts';
import { render, span } from '../style.ts';

const dayMs = 24 * 3600_000;
/** How long a certificate lasts unless `--days` says otherwise: two years, a CA's twenty. */
const defaultDays = { leaf: 730, ca: 7300 } as const;
/** Clocks of devices lag; a certificate made now is good on them too. */
const backdatedMs = 3600_000;

const issuerPassphraseVariable = 'BERTH_ISSUER_PASSPHRASE';

const algorithms: readonly SignatureAlgorithm[] = ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'rsa-pss', 'ml-dsa-65'];

interface Files {
  readonly key: string;
  readonly certificate: string;
}

async function generate(context: Context, given: Given, files: Files): Promise<void> {
  const { io, result, colour } = context;
  const { values, flags } = given;
  const algorithm = algorithms.find((name) => name === (values.get('algorithm') ?? algorithms[0]));
  if (algorithm === undefined) throw new BerthError('usage', `--algorithm: "${values.get('algorithm')}" is not one of ${algorithms.join(', ')}`);
  const { issueCertificate, makeKey, parseSubject, signingKey, writePem } = await signingTools();
  const privateKey = makeKey(algorithm);
  const key = signingKey(privateKey, files.key);
  const certificate = await issueCertificate(
    { subject: parseSubject(values.get('subject') ?? basename(values.get('output')!)), publicKey: key.publicKey, ...terms(given, io.now()) },
    (await readIssuer(given, io)) ?? { key },
  );
  const passphrase = flags.has('encrypt') ? await readPassphrase({ file: values.get('pass-file'), variable: passphraseVariable, what: `the new key ${files.key}` }, io) : undefined;
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', ...(passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }) });
  await writeFile(files.key, pem, { flag: 'wx', mode: 0o600, flush: true });
  await writeFile(files.certificate, writePem(certificate.der, 'CERTIFICATE'), { flag: 'wx', flush: true });
  const { fingerprint, subject, notAfter, isCa } = certificate;
  const lines = [
    span(`${files.key}: ${algorithm}, ${passphrase === undefined ? 'not encrypted' : 'encrypted'}; keep it secret`, 'yellow'),
    span(`${files.certificate}: ${isCa ? 'CA ' : ''}${subject}, until ${new Date(notAfter).toISOString().slice(0, 10)}, SHA-256 ${fingerprint}`),
  ];
  const document = { key: files.key, certificate: files.certificate, algorithm, subject, fingerprint, ca: isCa, expiresAt: notAfter };
  await result(document, () => lines.map((line) => `${render(line, colour)}\n`).join(''));
}

/** What the certificate is for and how long. */
function terms(given: Given, now: number): { readonly isCa: boolean; readonly pathLength?: number; readonly notBefore: number; readonly notAfter: number } {
  const isCa = given.flags.has('ca');
  const pathLength = wholeNumber(given, 'path-length');
  const days = wholeNumber(given, 'days') ?? (isCa ? defaultDays.ca : defaultDays.leaf);
  return { isCa, ...(pathLength === undefined ? {} : { pathLength }), notBefore: now - backdatedMs, notAfter: now + days * dayMs };
}

/** The CA that issues the certificate; undefined: the certificate's own key does. */
async function readIssuer({ values }: Given, io: Io): Promise<{ readonly key: SigningKey; readonly certificate: Certificate } | undefined> {
  const [certificateFile, keyFile] = [values.get('issuer-cert'), values.get('issuer-key')];
  if (certificateFile === undefined || keyFile === undefined) return undefined;
  const { readPrivateKey } = await signingTools();
  const certificate = await readOneCertificate(certificateFile);
  const passphrase = async (): Promise<string> => await readPassphrase({ file: values.get('issuer-pass-file'), variable: issuerPassphraseVariable, what: keyFile }, io);
  const key = await readPrivateKey(await readText(keyFile), keyFile, passphrase);
  if (!key.publicKey.equals(certificate.key)) throw new BerthError('usage', `${keyFile} is not the key of the certificate ${certificateFile}`);
  return { key, certificate };
}

export const keygen: Command = {
  name: 'keygen',
  args: [],
  options: [
    { name: 'output', short: 'o', value: 'NAME', summary: 'writes NAME.key and NAME.pem, which must not be there' },
    { name: 'algorithm', value: 'KIND', summary: `${algorithms.join(', ')}; default ${algorithms[0]}` },
    { name: 'subject', value: 'NAME', summary: 'of the certificate: a common name, or as in /O=Acme/CN=Acme packages; default the file\'s name' },
    { name: 'days', value: 'N', summary: `until the certificate expires; default ${defaultDays.leaf}, of a CA ${defaultDays.ca}` },
    { name: 'ca', summary: 'a CA, which issues certificates and signs no packages' },
    { name: 'path-length', value: 'N', summary: 'of a CA: so many CAs may stand below it' },
    { name: 'issuer-cert', value: 'FILE', summary: 'the certificate is issued by this CA; else by the new key itself' },
    { name: 'issuer-key', value: 'FILE', summary: 'private key of that CA' },
    { name: 'issuer-pass-file', value: 'FILE', summary: `passphrase of that key; else $${issuerPassphraseVariable}, else asked for` },
    { name: 'encrypt', summary: 'encrypt the new key with a passphrase' },
    { name: 'pass-file', value: 'FILE', summary: `passphrase of the new key; else $${passphraseVariable}, else asked for` },
  ],
  summary: 'make a key and a certificate to sign packages with',
  help: [
    'Writes a private key (PKCS#8 in PEM, readable by its owner only) and an X.509 certificate in PEM. The certificate goes to the devices, into a file of authorities.d; the key stays where packages are signed.',
    'With a CA, devices know only its certificate, and new signers need no change on them.',
  ],
  examples: [
    { line: 'berth keygen -o acme', meaning: 'acme.key and acme.pem, for signing' },
    { line: 'berth keygen --ca --algorithm ecdsa-p384 --encrypt -o acme-ca', meaning: 'a CA' },
    { line: 'berth keygen --issuer-cert acme-ca.pem --issuer-key acme-ca.key -o builder', meaning: 'a signer that the CA stands behind' },
  ],
  run: async (context, given) => {
    const name = given.values.get('output');
    if (name === undefined) throw usage('--output NAME is missing', keygen);
    if (given.values.has('issuer-cert') !== given.values.has('issuer-key')) throw usage('--issuer-cert and --issuer-key belong together', keygen);
    if (given.values.has('path-length') && !given.flags.has('ca')) throw usage('--path-length is of a CA (--ca)', keygen);
    const files = { key: `${name}.key`, certificate: `${name}.pem` };
    for (const path of Object.values(files)) if (await isThere(path)) throw new BerthError('conflict', `${path} is there already; keys and certificates are never overwritten`);
    await generate(context, given, files);
  },
};

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(() => true, () => false);
}
