/** Keys, certificates and authorities for tests. */
import { digestOf } from '../lib/digest.ts';
import type { Certificate } from './certificate.ts';
import { sign, type Signing } from './cms-writer.ts';
import { issueCertificate, makeKey } from './issue.ts';
import { writePem } from './pem.ts';
import { signingKey, type SigningKey } from './signing-key.ts';
import type { Authority, Claim, SignatureAlgorithm, TrustPolicy } from './types.ts';

const day = 24 * 3600_000;
/** The moment of all tests. */
export const now = Date.UTC(2026, 5, 1);

/** Someone with a key and a certificate. */
export interface Party {
  readonly key: SigningKey;
  readonly certificate: Certificate;
}

export interface PartyOptions {
  readonly algorithm?: SignatureAlgorithm;
  readonly issuer?: Party;
  readonly isCa?: boolean;
  readonly pathLength?: number;
  /** Days from {@link now}. */
  readonly from?: number;
  readonly to?: number;
}

export async function party(name: string, { algorithm = 'ecdsa-p256', issuer, isCa = false, pathLength, from = -10, to = 10 }: PartyOptions = {}): Promise<Party> {
  const key = signingKey(makeKey(algorithm), name);
  const request = { subject: [['CN', name]] as const, publicKey: key.publicKey, isCa, notBefore: now + from * day, notAfter: now + to * day, ...(pathLength === undefined ? {} : { pathLength }) };
  return { key, certificate: await issueCertificate(request, issuer ?? { key }) };
}

export const manifest = Buffer.from('{"control":{"Package":"web","Version":"1.0"},"format":1}\n');

export function pemOf({ certificate }: Party): string {
  return writePem(certificate.der, 'CERTIFICATE');
}

export function authority(name: string, signer: Party, more: Partial<Authority> = {}): Authority {
  return { name, certificates: [pemOf(signer)], apps: ['web'], countersigners: [], crls: [], witnesses: [], successors: [], ...more };
}

export function policy(authorities: readonly Authority[], more: Partial<TrustPolicy> = {}): TrustPolicy {
  return { authorities, allowUnsigned: false, recalls: [], time: { now, isKnown: true }, unknownTime: 'lenient', ...more };
}

/** A claim with this signature, over {@link manifest}. */
export function claim(signature: Uint8Array | undefined, content: Uint8Array = manifest): Claim {
  return {
    digest: digestOf(content),
    // In pieces whose memory is used again, as they come from a file.
    manifest: function* () {
      const block = Buffer.alloc(10);
      for (let at = 0; at < content.length; at += block.length) {
        const size = Buffer.from(content).copy(block, 0, at);
        yield block.subarray(0, size);
      }
    },
    ...(signature === undefined ? {} : { signature }),
  };
}

export async function signedBy({ key, certificate }: Party, more: Partial<Signing> = {}): Promise<Buffer> {
  return await sign(manifest, { key, certificate, chain: [], ...more });
}
