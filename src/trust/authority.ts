import { BerthError } from '../lib/errors.ts';
import { readCertificate, type Certificate } from './certificate.ts';
import { parseCrl } from './crl.ts';
import { readPem } from './pem.ts';
import type { ReadAuthority } from './standing.ts';
import type { Authority } from './types.ts';

/** An authority's certificates and lists, read. @throws BerthError `usage`, `untrusted` naming what is wrong */
export function readAuthority(authority: Authority): ReadAuthority {
  const what = `authority ${authority.name}`;
  return {
    authority,
    certificates: authority.certificates.flatMap((text) => parseCertificates(text, `${what}: certificate`)),
    crls: authority.crls.map((text) => parseCrl(text, `${what}: revocation list`)),
  };
}

/** Several, by name. One that cannot be read vouches for nothing, and its fault is told; the others do. */
export function readAllAuthorities(authorities: readonly Authority[]): { readonly readable: readonly ReadAuthority[]; readonly faults: readonly string[] } {
  const readable: ReadAuthority[] = [];
  const faults: string[] = [];
  for (const authority of authorities.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    try {
      readable.push(readAuthority(authority));
    } catch (error) {
      if (!(error instanceof BerthError)) throw error;
      faults.push(error.message);
    }
  }
  return { readable, faults };
}

/** All certificates of a PEM text. @throws BerthError `usage`, `untrusted` */
export function parseCertificates(pem: string, what: string): readonly Certificate[] {
  return readPem(pem, 'CERTIFICATE', what).map((der) => readCertificate(der, what));
}
