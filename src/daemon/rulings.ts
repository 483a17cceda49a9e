import type { Ruling } from '../lifecycle/index.ts';
import { defaultRights, entitle, type Bound, type DeclaredDevice, type PolicyRule, type StandingPolicy } from '../policy/index.ts';
import type { ImageRow } from '../store/index.ts';

/** What of an image decides about rights. */
export type RatedImage = Pick<ImageRow, 'package' | 'signed' | 'authority'>;

/** What the operator says about each app, by the files of the moment. */
export interface Rulings {
  /** @throws BerthError while the policy, or the bound of the image's authority, cannot be read */
  forInstall(image: RatedImage): Ruling;
  /** @throws BerthError if the policy could never be read */
  forStart(image: RatedImage): Ruling;
}

export interface RulingsOptions {
  readonly policy: StandingPolicy;
  /** Packages without a signature are taken. */
  readonly allowUnsigned: boolean;
  /** The bound of the authority that vouches for an image. @throws BerthError if it cannot be read */
  readonly boundOf: (image: RatedImage) => Bound;
  /** Devices that the operator declares. */
  readonly declared: readonly DeclaredDevice[];
}

export function openRulings({ policy, allowUnsigned, boundOf, declared }: RulingsOptions): Rulings {
  const rule = (rules: readonly PolicyRule[], image: RatedImage, bound: Bound): Ruling => ({
    entitlement: entitle({ rules, allowUnsigned }, { app: image.package, signed: image.signed, bound }),
    declared,
  });
  return {
    forInstall: (image) => rule(policy.forInstall(), image, boundOf(image)),
    forStart: (image) => rule(policy.forStart(), image, knownBound(image, boundOf)),
  };
}

/** While a bound cannot be read, it is as if the authority were gone: its apps keep the default rights only. */
function knownBound(image: RatedImage, boundOf: RulingsOptions['boundOf']): Bound {
  try {
    return boundOf(image);
  } catch {
    return defaultRights;
  }
}
