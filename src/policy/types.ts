import type { LaunchSettings } from '../image/index.ts';
import type { OciConfig } from '../runtime/index.ts';
import type { Entitlement } from './entitlement.ts';
import type { DeclaredDevice, Decision, Extras } from './rights.ts';

/** What a grant is computed from besides the request itself; all of it plain data. */
export interface GrantContext {
  readonly app: string;
  /** What it may be granted at most. */
  readonly entitlement: Entitlement;
  readonly settings: LaunchSettings;
  /** Devices of this machine that apps can ask for. */
  readonly declared: readonly DeclaredDevice[];
  /** Absolute path of the image's root file system. */
  readonly rootfs: string;
  readonly cgroupPath: string;
  /** User and group of the host that the app's root is: the first of `idsPerApp` that are the app's own. */
  readonly idBase: number;
  /** Host directory of each path in `settings.data`. */
  readonly dataPaths: ReadonlyMap<string, string>;
  /** Host directory of each name in `settings.exports`, and of each `<app>/<name>` in `settings.imports`. */
  readonly exportPaths: ReadonlyMap<string, string>;
  readonly importPaths: ReadonlyMap<string, string>;
  /** Host directory that holds the socket of the app's update bus; absent: it has none. */
  readonly busPath?: string;
}

/** The answer: the config that runs, what else is to be brought about, and what became of each field of the request. */
export interface Grant {
  readonly config: OciConfig;
  readonly decisions: readonly Decision[];
  readonly extras: Extras;
}

/** What a package is told about what it asks for. */
export interface PolicyReport {
  readonly app: string;
  /** Whence its rights are, for people. */
  readonly origin: string;
  readonly decisions: readonly Decision[];
  /** How many fields are refused: with any, the package is. */
  readonly refused: number;
}
