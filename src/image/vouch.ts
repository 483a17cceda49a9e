import { judgePackage, type TrustPolicy, type Vouched } from '../trust/index.ts';
import { BerthError } from '../lib/errors.ts';
import type { PackageClaim } from './unpack.ts';
import { compareVersions } from './version.ts';

/**
 * Decides at the gate who vouches for a package, by this device's policy.
 * @throws BerthError `untrusted`
 */
export function voucher(policy: TrustPolicy): (claim: PackageClaim) => Promise<Vouched> {
  return async ({ manifest, signature }) => {
    if (manifest === undefined) {
      // Its name is not known yet, and nothing can be recalled of what nobody has signed.
      if (policy.allowUnsigned) return { signers: [] };
      throw new BerthError('untrusted', 'the package brings no content manifest, so nobody can have signed it, and this device takes only signed packages; build and sign it with `berth build` and `berth sign`, or, on a development device, set trust: { allow-unsigned: true } in berthd.yaml');
    }
    const identity = (): { name: string; version: string } => {
      const { package: name, version } = manifest.control();
      return { name, version };
    };
    const claim = { digest: manifest.digest, manifest: manifest.chunks, ...(signature === undefined ? {} : { signature }) };
    return await judgePackage(claim, identity, policy, compareVersions);
  };
}
