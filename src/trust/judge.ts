import { BerthError } from '../lib/errors.ts';
import { recalledBecause, recallOf, recallsBy } from './recalled.ts';
import type { Claim, CompareVersions, Identity, TrustPolicy, Vouched } from './types.ts';

/**
 * Who vouches for a package, by this device's policy. `identity` is what the manifest's first line says; as a function it is
 * asked for only when every signature over the manifest has been found good. `compare` is the order of versions.
 * @throws BerthError `untrusted` that says who, why and what to do
 */
export async function judgePackage(claim: Claim, identity: Identity | (() => Identity), policy: TrustPolicy, compare: CompareVersions): Promise<Vouched> {
  const known = typeof identity === 'function' ? identity : () => identity;
  const vouched = claim.signature === undefined ? unsigned(known, policy) : await signed(claim.signature, claim, known, policy);
  const { name, version } = known();
  const recall = recallOf({ name, version, digest: claim.digest }, recallsBy([vouched.authority], policy.recalls), policy.authorities, compare);
  if (recall !== undefined) throw new BerthError('untrusted', `${recalledBecause({ name, version }, recall)}; install another version`);
  return vouched;
}

/** What reads ASN.1 takes 25 ms and 10 MB to load, for which an unsigned package must not pay. */
async function signed(signature: Uint8Array, { manifest }: Claim, identity: () => Identity, policy: TrustPolicy): Promise<Vouched> {
  const { hear } = await import('./hearing.ts');
  return hear(signature, manifest, identity, policy);
}

function unsigned(identity: () => Identity, { allowUnsigned }: TrustPolicy): Vouched {
  if (allowUnsigned) return { signers: [] };
  const { name, version } = identity();
  throw new BerthError('untrusted', `${name} ${version} is not signed, and this device takes only signed packages; sign it with \`berth sign\`, or, on a development device, set trust: { allow-unsigned: true } in berthd.yaml`);
}
