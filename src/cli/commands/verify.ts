import type { Seal } from '../../image/index.ts';
import { asBerthError, BerthError } from '../../lib/errors.ts';
import { judgePackage, readAuthorities, signingTools, type Authority, type Vouched } from '../../trust/index.ts';
import type { Command, Context, Given } from '../command.ts';
import { openPayload } from '../payload.ts';
import { parseTime } from '../signer.ts';
import { span, type Span } from '../style.ts';
import { renderFields, type Surface } from '../table.ts';

/** A signature that is good over the manifest. */
interface SignatureDocument {
  readonly subject: string;
  readonly issued: 'by a CA' | 'by itself';
  readonly fingerprint: string;
  readonly algorithm: string;
  /** Milliseconds since 1970. */
  readonly signedAt?: number;
  readonly expiresAt: number;
}

/** What `berth verify` found. */
export interface VerificationDocument {
  readonly package: string;
  readonly version: string;
  readonly digest: string;
  readonly signatures: readonly SignatureDocument[];
  /** Null: nobody vouches for it, or nobody was asked. */
  readonly vouched: Vouched | null;
  /** Why nobody vouches. */
  readonly reason?: string;
  /** Files of authorities that cannot be used. */
  readonly notes: readonly string[];
}

export function renderVerification(document: VerificationDocument, surface: Surface): string {
  const time = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
  const signatures = document.signatures.map(({ subject, issued, algorithm, fingerprint, signedAt, expiresAt }) =>
    ['Signed by', span(`${subject} (${algorithm}, certificate issued ${issued}, until ${time(expiresAt)}${signedAt === undefined ? '' : `, says it signed at ${time(signedAt)}`}), SHA-256 ${fingerprint}`)] as const,
  );
  const vouched: Span = document.vouched?.authority === undefined ? span(`nobody: ${document.reason}`, 'yellow') : span(`${document.vouched.authority}${others(document.vouched)}`, 'green');
  return renderFields(
    [
      ['Package', span(`${document.package} ${document.version}`)],
      ['Digest', span(document.digest)],
      ...(signatures.length === 0 ? [['Signed by', span('nobody', 'yellow')] as const] : signatures),
      ['Vouched for by', vouched],
      ...document.notes.map((note) => ['Note', span(note, 'yellow')] as const),
    ],
    surface,
  );
}

function others({ signers }: Vouched): string {
  const names = signers.slice(1).map(({ authority }) => authority);
  return names.length === 0 ? '' : `, with ${names.join(', ')}`;
}

/** The signatures by themselves, whoever made them. @throws BerthError `untrusted` if one is not good */
async function signaturesOf({ manifest, signature }: Seal, authorities: readonly Authority[]): Promise<readonly SignatureDocument[]> {
  if (signature === undefined) return [];
  const { parseCertificates, readSignedMessage, verifySigners } = await signingTools();
  const known = authorities.flatMap(({ name, certificates }) => certificates.flatMap((pem) => parseCertificates(pem, name)));
  return verifySigners(readSignedMessage(signature, '_signature.p7s'), () => [manifest], known).map(({ certificate, signedAt }) => ({
    subject: certificate.subject,
    issued: certificate.subjectName === certificate.issuerName ? 'by itself' : 'by a CA',
    fingerprint: certificate.fingerprint,
    algorithm: certificate.algorithm,
    ...(signedAt === undefined ? {} : { signedAt }),
    expiresAt: certificate.notAfter,
  }));
}

/** Who vouches for a package, or why nobody does. */
export async function judgeBy(authorities: readonly Authority[], now: number, { manifest, digest, signature, name, version }: Seal): Promise<Pick<VerificationDocument, 'vouched' | 'reason'>> {
  const { compareVersions } = await import('../../image/index.ts');
  const policy = { authorities, allowUnsigned: false, recalls: [], time: { now, isKnown: true }, unknownTime: 'lenient' } as const;
  const claim = { digest, manifest: () => [manifest], ...(signature === undefined ? {} : { signature }) };
  try {
    return { vouched: await judgePackage(claim, { name, version }, policy, compareVersions) };
  } catch (error) {
    const fault = asBerthError(error);
    if (fault.code !== 'untrusted') throw fault;
    return { vouched: null, reason: fault.message };
  }
}

async function verifyFile(path: string, { io }: Context, { values }: Given): Promise<VerificationDocument> {
  const { inspectPackage, readSeal } = await import('../../image/index.ts');
  const seal = await readSeal(path);
  const directory = values.get('authorities');
  const { authorities, faults } = directory === undefined ? { authorities: [], faults: [] } : await readAuthorities(directory, { thorough: true });
  const signatures = await signaturesOf(seal, authorities);
  const { body } = await openPayload(path, io);
  const { digest } = await inspectPackage(body, { signal: io.signal });
  if (digest !== seal.digest) throw new BerthError('conflict', `${path} changed while it was being read; try again when nothing writes to it`);
  const at = values.get('at');
  const judged =
    directory === undefined
      ? { vouched: null, reason: 'no authorities were given (--authorities DIR)' }
      : await judgeBy(authorities, at === undefined ? io.now() : parseTime(at, '--at'), seal);
  return { package: seal.name, version: seal.version, digest, signatures, ...judged, notes: faults.map(({ message }) => message) };
}

export const verify: Command = {
  name: 'verify',
  args: [{ name: 'PACKAGE', kind: 'file' }],
  options: [
    { name: 'authorities', value: 'DIR', summary: 'who may sign: a directory such as /etc/berth/authorities.d' },
    { name: 'at', value: 'TIME', summary: 'judge as at this time (2026-06-01T12:00:00Z); default now' },
  ],
  summary: 'tell who signed a package, and who vouches for it',
  help: [
    'Checks every signature and all contents of a package, as installing does, and tells who signed. With --authorities it also tells which authority vouches for the package, or why none does; recalls are known to the device only.',
    'Exit status 1 if a signature is not good, or the package is not signed, or, with --authorities, nobody vouches for it.',
  ],
  examples: [{ line: 'berth verify web.ipk --authorities /etc/berth/authorities.d', meaning: 'would this device take it?' }],
  run: async (context, given) => {
    const document = await verifyFile(given.args[0]!, context, given);
    await context.result(document, () => renderVerification(document, { colour: context.colour, width: context.width }));
    const isGood = document.signatures.length > 0 && (document.vouched !== null || !given.values.has('authorities'));
    return isGood ? 0 : 1;
  },
};
