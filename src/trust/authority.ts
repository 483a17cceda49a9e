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

/** All certificates of a PEM text. @throws BerthError `usage`, `untrusted` */
export function parseCertificates(pem: string, what: string): readonly Certificate[] {
  return readPem(pem, 'CERTIFICATE', what).map((der) => readCertificate(der, what));
}
