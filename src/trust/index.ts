/**
 * Who vouches for a package: signatures (CMS), certificates, authorities, recalls. What reads ASN.1 is loaded when the
 * first signature is to be read: an unsigned package does not pay for it.
 */
import type { Claim, CompareVersions, Identity, TrustPolicy, Vouched } from './types.ts';

export type * from './types.ts';
export { readAuthorities } from './authority-file.ts';
export type { AuthorityFiles } from './authority-file.ts';
export { closeness, isNamedBy } from './names.ts';
export { recallOf } from './recalled.ts';

/**
 * Who vouches for a package, by this device's policy. `identity` is what the manifest's first line says; as a function it is
 * asked for only when every signature over the manifest has been found good. `compare` is the order of versions.
 * @throws BerthError `untrusted` that says who, why and what to do
 */
export async function judgePackage(claim: Claim, identity: Identity | (() => Identity), policy: TrustPolicy, compare: CompareVersions): Promise<Vouched> {
  const { judge } = await import('./judge.ts');
  return judge(claim, typeof identity === 'function' ? identity : () => identity, policy, compare);
}
