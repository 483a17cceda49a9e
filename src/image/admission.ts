import * as v from 'valibot';
import { parseDigest, type Digest } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { closeness, type TrustPolicy, type Vouched } from '../trust/index.ts';
import type { PackageReport } from './types.ts';

/** A package that asks to be let in: all that is known of it before its control and data are parsed. */
export interface Admission {
  /** Undefined: it brings no manifest before control, so nobody vouches for it and its digest shows at the end. */
  readonly digest?: Digest;
  readonly name: string;
  readonly version: string;
  readonly vouched: Vouched;
}

/** On what terms a package is let in. */
export interface Terms {
  /** Id on the host of what is id 0 in the package. Undefined: ids on the host are those in the package. */
  readonly idBase?: number;
}

/** Most that a process which unpacks may say of one package before it is let in. */
export const maxAdmissionBytes = 256 * 1024;

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));
const time = v.pipe(v.number(), v.integer());
const admissionSchema = v.strictObject({
  digest: v.exactOptional(v.pipe(v.string(), v.transform(parseDigest))),
  name: text,
  version: text,
  vouched: v.strictObject({
    authority: v.exactOptional(text),
    signers: v.array(v.strictObject({
      authority: text,
      subject: v.string(),
      fingerprint: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      algorithm: v.picklist(['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'rsa-pss', 'ml-dsa-65']),
      signedAt: v.exactOptional(time),
      expiresAt: time,
    })),
  }),
});

/** What a process that reads hostile input says of a package. @throws if it is nothing of the kind */
export function parseAdmission(document: unknown): Admission {
  return v.parse(admissionSchema, document);
}

/**
 * Whoever says that an authority vouches for a package cannot say so of any: the authority must be known here, and may
 * sign apps of this name.
 * @throws Error saying what cannot be
 */
export function requirePossible({ digest, name, vouched: { authority, signers } }: Admission, { authorities, allowUnsigned }: TrustPolicy): void {
  if (authority === undefined) {
    if (!allowUnsigned || signers.length > 0) throw new Error('nobody vouches for it, and it comes in');
    return;
  }
  const known = authorities.find((one) => one.name === authority);
  if (digest === undefined || known === undefined || signers[0]?.authority !== authority || closeness(known.apps, name) < 0) throw new Error(`authority ${authority} cannot vouch for it`);
}

/**
 * Holds what was found at the end to what was let in: whatever became of the process that unpacks, it cannot say that
 * its package is another.
 * @throws BerthError `internal`
 */
export function requireAsAdmitted(reports: readonly Pick<PackageReport, 'digest' | 'control'>[], admitted: readonly Admission[]): void {
  const same = reports.length === admitted.length && reports.every(({ digest, control }, index) => {
    const admission = admitted[index]!;
    return control.package === admission.name && control.version === admission.version && [undefined, digest].includes(admission.digest);
  });
  if (same) return;
  const told = (names: readonly string[]): string => (names.length === 0 ? 'nothing' : names.join(', '));
  const found = told(reports.map(({ digest, control }) => `${control.package} ${control.version} (${digest})`));
  const known = told(admitted.map(({ name, version, digest }) => `${name} ${version}${digest === undefined ? '' : ` (${digest})`}`));
  throw new BerthError('internal', `the process that unpacks packages gives ${found} where ${known} was let in; nothing of the payload was kept`);
}
