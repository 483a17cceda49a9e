import { BerthError } from '../lib/errors.ts';

/**
 * The parts of a PEM text (RFC 7468) with this label, as DER. Text around them is passed over.
 * @throws BerthError `usage` naming `what` if there is none, or one that is not base64
 */
export function readPem(text: string, label: string, what: string): readonly Uint8Array[] {
  const found = [...text.matchAll(new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----`, 'g'))];
  if (found.length === 0) throw new BerthError('usage', `${what}: no "-----BEGIN ${label}-----" in it`);
  return found.map((match) => Buffer.from(match[1]!, 'base64'));
}

/** DER as PEM. */
export function writePem(der: Uint8Array, label: string): string {
  const lines = Buffer.from(der).toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
