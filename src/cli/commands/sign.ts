import { writeFile } from 'node:fs/promises';
import type { Seal } from '../../image/index.ts';
import { BerthError } from '../../lib/errors.ts';
import { signingTools } from '../../trust/index.ts';
import { usage } from '../arguments.ts';
import type { Command, Context, Given } from '../command.ts';
import { readBytes, readSigner, signerOptions } from '../signer.ts';
import { render, span } from '../style.ts';

/** The signature that the package is to have, which is good over its manifest. */
async function signatureFor({ manifest, signature }: Seal, { io }: Context, given: Given): Promise<{ readonly der: Uint8Array; readonly subjects: readonly string[] }> {
  const { addSigner, readSignedMessage, sign, verifySigners } = await signingTools();
  const made = given.values.get('signature');
  const der =
    made !== undefined ? await readBytes(made)
    : given.flags.has('countersign') ? await addSigner(signature!, manifest, await readSigner(given, io))
    : await sign(manifest, await readSigner(given, io));
  const message = readSignedMessage(der, made ?? 'the new signature');
  if (message.content !== undefined) throw new BerthError('usage', `${made} has the content in it; make it detached (\`openssl cms -sign -binary -outform DER\`, without -nodetach and -stream)`);
  return { der, subjects: verifySigners(message, () => [manifest], []).map(({ certificate }) => certificate.subject) };
}

async function signPackage(path: string, context: Context, given: Given): Promise<void> {
  const { readSeal, writeSignature } = await import('../../image/index.ts');
  const { values, flags } = given;
  const seal = await readSeal(path);
  const { name, version, digest } = seal;
  const manifestOut = values.get('manifest-out');
  if (manifestOut !== undefined) {
    await writeFile(manifestOut, seal.manifest);
    await context.result({ manifest: manifestOut, package: name, version, digest }, () => `${manifestOut}: what is to be signed of ${name} ${version}, ${digest}\n`);
    return;
  }
  if (flags.has('countersign') && seal.signature === undefined) throw new BerthError('conflict', `${path} is not signed, so there is nothing to countersign`);
  if (!flags.has('countersign') && !flags.has('replace') && seal.signature !== undefined) {
    throw new BerthError('conflict', `${path} is signed already; --countersign adds a signature, --replace puts the new one in place of those that are there`);
  }
  const { der, subjects } = await signatureFor(seal, context, given);
  const output = values.get('output') ?? path;
  await writeSignature(path, der, output);
  const document = { output, package: name, version, digest, signers: subjects, signatureBytes: der.length };
  await context.result(document, () => `${render(span(`${output}: ${name} ${version}, signed by ${subjects.join(', then ')}`, 'green'), context.colour)}\n`);
}

async function signRecalls(path: string, context: Context, given: Given): Promise<void> {
  const output = given.values.get('output');
  if (output === undefined) throw usage('--output FILE is missing: the signed recall list', sign);
  const { signRecallList } = await signingTools();
  const der = await signRecallList(await readBytes(path), await readSigner(given, context.io));
  await writeFile(output, der);
  await context.result({ output, bytes: der.length }, () => `${output}: signed recall list\n`);
}

export const sign: Command = {
  name: 'sign',
  args: [{ name: 'PACKAGE', kind: 'file' }],
  options: [
    ...signerOptions,
    { name: 'output', short: 'o', value: 'FILE', summary: 'write the signed package here; default in place' },
    { name: 'countersign', summary: 'add a signature to those that are there' },
    { name: 'replace', summary: 'put the new signature in place of those that are there' },
    { name: 'manifest-out', value: 'FILE', summary: 'sign nothing; write what is to be signed, for a tool of your own' },
    { name: 'signature', value: 'FILE', summary: 'put in a signature that such a tool has made (CMS, DER, detached)' },
    { name: 'recalls', summary: 'PACKAGE is a recall list (JSON); write it signed to --output' },
  ],
  summary: 'sign a package',
  help: [
    'Signs the content manifest of a package with a key and its certificate, as a CMS SignedData that stands in the package. Nothing else of the package changes. A package without a manifest is built anew with berth build or berth import.',
    'With --key-command the key may be in a hardware module: the command reads the bytes to be signed on standard input and writes the signature on standard output. docs/trust.md gives commands for openssl and pkcs11-tool.',
    'Or let a tool of your own do all of it: take out the manifest with --manifest-out, sign it with openssl cms, and put the result in with --signature.',
  ],
  examples: [
    { line: 'berth sign web.ipk --key acme.key --cert acme.pem', meaning: 'sign in place' },
    { line: 'berth sign web.ipk --countersign --key shop.key --cert shop.pem', meaning: 'a second signer' },
    { line: 'berth sign web.ipk --signature web.p7s', meaning: 'a signature made by openssl cms' },
    { line: 'berth sign recalls.json --recalls --key acme.key --cert acme.pem -o acme.recalls', meaning: 'a recall list' },
  ],
  run: async (context, given) => {
    const { flags, values } = given;
    if (flags.has('countersign') && (flags.has('replace') || values.has('signature'))) throw usage('--countersign goes with neither --replace nor --signature', sign);
    if (values.has('signature') && (values.has('key') || values.has('key-command'))) throw usage('--signature is a signature that is made already; it needs no key', sign);
    await (flags.has('recalls') ? signRecalls : signPackage)(given.args[0]!, context, given);
  },
};
