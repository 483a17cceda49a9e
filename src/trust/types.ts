import type { Digest } from '../lib/digest.ts';
import type { Json } from '../lib/json.ts';

/** An authority as the operator declares it (`authorities.d/<name>.yaml` and the PEM files beside it); plain data. */
export interface Authority {
  /** The file's name without `.yaml`. */
  readonly name: string;
  /** PEM texts: leaves that sign, or CAs of such leaves. */
  readonly certificates: readonly string[];
  /** Patterns of app names that it may sign, `*` standing for any text. */
  readonly apps: readonly string[];
  /** The most its apps may be granted; `policy/` reads it. Undefined: what the operator's policy says. */
  readonly rights?: Json;
  /** Others that must have signed too: at least `need` of the authorities in `of`. */
  readonly countersigners: readonly { readonly need: number; readonly of: readonly string[] }[];
  /** After this moment it signs nothing more, milliseconds since 1970. */
  readonly until?: number;
  /** Certificate revocation lists (RFC 5280), PEM or DER in base64. */
  readonly crls: readonly string[];
  /**
   * Its signatures stay good after a certificate has expired if a countersigner in `witnesses` says (signing time, RFC
   * 5652 section 11.3) that they were made before. Empty: judged at install.
   */
  readonly witnesses: readonly string[];
  /** Past its next update, a revocation list is good enough (`accept`), or nothing of its issuer is (`refuse`, the default). */
  readonly staleCrls?: 'accept' | 'refuse';
  /** Authorities that its apps may move to with an update. */
  readonly successors: readonly string[];
}

/** What a device knows of the time. */
export interface TrustedTime {
  /** Milliseconds since 1970: the clock, or the last moment that is known to be over, whichever is later. */
  readonly now: number;
  /** False if the clock is behind what is known: then `now` is only a lower bound. */
  readonly isKnown: boolean;
}

/** A version that must not run any more. */
export interface Recall {
  /** Authority that says so. */
  readonly authority: string;
  /** Either this image… */
  readonly digest?: Digest;
  /** …or this app in these versions: a relation as in `Depends` (`= 1.2`, `<< 2.0`); all versions without. With `digest`, only the name is looked at. */
  readonly app?: string;
  readonly versions?: string;
  readonly reason: string;
}

/** All that decides whether a package is vouched for; plain data, which crosses to the unpacking child as JSON. */
export interface TrustPolicy {
  readonly authorities: readonly Authority[];
  /** Development: packages without a signature are taken, and marked. */
  readonly allowUnsigned: boolean;
  readonly recalls: readonly Recall[];
  readonly time: TrustedTime;
  /** What to do while the time is not known: judge by the lower bound, or refuse. */
  readonly unknownTime: 'lenient' | 'refuse';
}

/** Someone whose signature was found good. */
export interface Signer {
  readonly authority: string;
  /** Subject of the certificate, for people. */
  readonly subject: string;
  /** SHA-256 of the certificate in DER, hexadecimal. */
  readonly fingerprint: string;
  readonly algorithm: SignatureAlgorithm;
  /** Milliseconds since 1970, as the signer claims. */
  readonly signedAt?: number;
  /** When its certificate expires, milliseconds since 1970. */
  readonly expiresAt: number;
}

export type SignatureAlgorithm = 'ecdsa-p256' | 'ecdsa-p384' | 'ecdsa-p521' | 'ed25519' | 'rsa-pss' | 'ml-dsa-65';

/** Who vouches for a package. */
export interface Vouched {
  /** The authority that its app belongs to; undefined: it is unsigned. */
  readonly authority?: string;
  /** Publisher first, then countersigners. */
  readonly signers: readonly Signer[];
}

/** What is to be vouched for: the digest names the manifest, and `name` and `version` are what its first line says. */
export interface Claim {
  readonly digest: Digest;
  /** The manifest's bytes in pieces, from the start each time it is called. */
  readonly manifest: () => Iterable<Uint8Array>;
  /** DER CMS SignedData; undefined: the package is unsigned. */
  readonly signature?: Uint8Array;
}

/** What a manifest's first line says. */
export interface Identity {
  readonly name: string;
  readonly version: string;
}

/** Less than, equal to or greater than zero as `a` is older than, the same as or newer than `b` (deb-version(7)). */
export type CompareVersions = (a: string, b: string) => number;
