/** What the operator decides about trust (`trust:` in `berthd.yaml`). */
export interface TrustRules {
  /** Directory with the files of authorities. */
  readonly authorities: string;
  /** Directory with signed lists of recalls. */
  readonly recalls: string;
  /** Development: packages without a signature are taken, and marked. */
  readonly allowUnsigned: boolean;
  /** While the time is not known: judge signatures by the last that is known to be over, or refuse. */
  readonly unknownTime: 'lenient' | 'refuse';
  /** A payload may hold packages of several authorities. */
  readonly allowMix: boolean;
}

export const defaultTrustRules: TrustRules = {
  authorities: '/etc/berth/authorities.d',
  recalls: '/etc/berth/recalls.d',
  allowUnsigned: false,
  unknownTime: 'lenient',
  allowMix: false,
};
