import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BerthError } from '../lib/errors.ts';
import type { TrustPolicy } from '../trust/index.ts';
import { imageNames } from './image-names.ts';
import { ManifestCursor } from './manifest-cursor.ts';
import { fileChunks } from './manifest-store.ts';
import type { PackageLimits, PayloadPackage } from './types.ts';
import { verifyImage } from './verify-image.ts';
import { voucher } from './vouch.ts';

/** First bytes of an ar archive: a package that is parsed, not decompressed, up to its gate. */
export const arMagic = Buffer.from('!<arch>\n');

export interface SecondLookOptions {
  readonly policy: TrustPolicy;
  readonly limits: PackageLimits;
  readonly idBase: number | undefined;
}

/**
 * Judges a signed package anew from what was unpacked, signature and every file. For packages before whose gate the
 * process that unpacks has decompressed something: a payload that is compressed, or a package before this one. Had that
 * taken the process over, it could say what it likes of all that follows.
 * @throws BerthError `untrusted`, `internal`
 */
export async function lookAgain({ directory, report }: PayloadPackage, { policy, limits, idBase }: SecondLookOptions): Promise<void> {
  const authority = report.vouched?.authority;
  if (directory === undefined || authority === undefined) return;
  const { digest, control: { package: name, version } } = report;
  const differences = await verifyImage(directory, { digest, ...(idBase === undefined ? {} : { idBase }) });
  if (differences.length > 0) throw notAsSaid(`${name} ${version}: ${differences.slice(0, 3).join('; ')}`);
  const manifest = join(directory, imageNames.manifest);
  const vouched = await voucher(policy)({
    manifest: { digest, chunks: () => fileChunks(manifest), control: () => new ManifestCursor(fileChunks(manifest), limits).control },
    signature: readPlain(join(directory, imageNames.signature), limits.signatureBytes),
  });
  const { control } = new ManifestCursor(fileChunks(manifest), limits);
  if (vouched.authority !== authority || control.package !== name || control.version !== version) throw notAsSaid(`${name} ${version}, for which ${authority} was to vouch`);
}

function notAsSaid(what: string): BerthError {
  return new BerthError('internal', `what was unpacked is not what was let in: ${what}; nothing of the payload was kept`);
}

/** A file that somebody else has put there: no link, no pipe, not too large. */
function readPlain(path: string, maxBytes: number): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > maxBytes) throw notAsSaid(path);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}
