import type { Digest } from '../lib/digest.ts';
import type { Vouched } from '../trust/index.ts';

/** The control stanza of a package: the fields Berth reads, and all fields as they stand (in their order). */
export interface Control {
  /** `Package`: also the app's name. `[a-z0-9][a-z0-9.+-]*`, no `..`. */
  readonly package: string;
  /** `Version`, ordered as dpkg does. */
  readonly version: string;
  /** `Architecture`: `all`, `any`, `noarch`, or one of the device's names. */
  readonly architecture: string;
  readonly depends: readonly Dependency[];
  readonly description: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** One comma-separated part of `Depends`: any of the alternatives satisfies it. */
export type Dependency = readonly DependencyAlternative[];

export interface DependencyAlternative {
  readonly name: string;
  readonly relation?: { readonly operator: '<<' | '<=' | '=' | '>=' | '>>'; readonly version: string };
}

interface EntryBase {
  /** Path inside the package's data, without leading `./` or `/` and without trailing `/`; UTF-8. */
  readonly path: string;
  /** Permission bits, at most 0o1777: set-id bits are stripped. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, whole. */
  readonly mtime: number;
}

/** A line of the content manifest after the first. */
export type ManifestEntry =
  | (EntryBase & { readonly type: 'dir' })
  | (EntryBase & { readonly type: 'file'; readonly size: number; readonly sha256: string })
  | (EntryBase & { readonly type: 'symlink'; readonly target: string })
  /** `target` is the path of a `file` entry of the same package. */
  | (EntryBase & { readonly type: 'hardlink'; readonly target: string });

/** What unpacking (or inspecting, which writes nothing) a package found. */
export interface PackageReport {
  readonly digest: Digest;
  readonly control: Control;
  /** True if the package brought a manifest and everything in it matched; else the manifest was computed. */
  readonly manifestGiven: boolean;
  /** Size in bytes of `_signature.p7s`, or undefined: an unsigned package. */
  readonly signatureBytes?: number;
  /** Who vouches for it; undefined if nobody was asked. */
  readonly vouched?: Vouched;
  /** Bytes of the package as read. */
  readonly packageBytes: number;
  /** Sum of the sizes of regular files. */
  readonly unpackedBytes: number;
  /** Entries of the data archive, directories that were only implied included. */
  readonly entries: number;
  readonly files: number;
  /** Compression of the data member. */
  readonly compression: 'gz' | 'xz' | 'zst';
  /** What was told rather than obeyed: scripts that do not run, set-id bits and capabilities stripped, odd fields. */
  readonly warnings: readonly string[];
  /** Names of maintainer scripts found in control; they never run. */
  readonly scripts: readonly string[];
  /** The bundle's `config.json` as text if the package has one (at most `limits.configBytes`), else undefined. */
  readonly config?: string;
  /** True if there is a directory `rootfs` at the root of data. */
  readonly hasRootfs: boolean;
}

/**
 * What a payload is: one package; an archive (tar) of packages; an update image of Mbed Linux OS (`.swu`), which holds
 * such an archive.
 */
export type PayloadKind = 'package' | 'archive' | 'swu';

/** What unpacking a whole payload found. */
export interface PayloadReport {
  readonly kind: PayloadKind;
  /** Bytes of the payload as read. */
  readonly bytes: number;
  /** In the order in which they stand; at least one, each with another `control.package`. */
  readonly packages: readonly PayloadPackage[];
}

export interface PayloadPackage {
  /** Where it was unpacked; undefined if nothing was to be written. */
  readonly directory: string | undefined;
  /** Name of its file in the archive; empty for a payload that is one package. */
  readonly name: string;
  readonly report: PackageReport;
}

/**
 * Bounds on what is read from a package; beyond one of them it is refused with `too_large` and its name. Those
 * marked (*) hold for all packages of a payload together.
 */
export interface PackageLimits {
  /** (*) */
  readonly packageBytes: number;
  /** (*) */
  readonly unpackedBytes: number;
  /** (*) */
  readonly entries: number;
  readonly pathDepth: number;
  readonly pathBytes: number;
  readonly controlBytes: number;
  /** (*) */
  readonly manifestBytes: number;
  readonly signatureBytes: number;
  readonly configBytes: number;
  /** Unpacked bytes per packed byte, beyond the first 16 MiB unpacked. */
  readonly expansionRatio: number;
}
