import type { Readable } from 'node:stream';
import type { Digest } from '../lib/digest.ts';
import type { AppStatus } from '../lifecycle/index.ts';
import type { WithheldField } from '../policy/index.ts';

/** Phases of an update as a person sees them, in order. */
export type InstallPhase = 'receiving' | 'storing' | 'switching' | 'starting';

export interface InstallProgress {
  readonly phase: InstallPhase;
  /** Bytes of the payload read so far. */
  readonly bytes: number;
}

export interface InstallOptions {
  /** Start a newly installed app. An app that was there keeps what a person last asked for. */
  readonly start: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: InstallProgress) => void;
}

/** What an install did. */
export interface InstallReport {
  readonly app: string;
  readonly version: string;
  readonly digest: Digest;
  /** The version that was there before, if any. */
  readonly replaced?: { readonly version: string; readonly digest: Digest };
  readonly signed: boolean;
  readonly entries: number;
  readonly bytes: number;
  /** What the package brought that was told rather than obeyed. */
  readonly warnings: readonly string[];
  /** What its config asked for and does not get. */
  readonly withheld: readonly WithheldField[];
  /** The app afterwards. If it could not start, the install stands and `status.reason` says why. */
  readonly status: AppStatus;
}

/** The façade over everything that changes which images are on the device. One update at a time; others wait. */
export interface Updates {
  /**
   * Takes one package as a stream. Nothing of it is left if it is refused.
   * @throws BerthError `bad_package`, `too_large`, `unsupported`, `architecture`, `dependency`, `no_space`, `conflict`
   * (the app runs), `cancelled`
   */
  install(payload: Readable, options: InstallOptions): Promise<InstallReport>;
  /**
   * Stops an app and takes it away. Its data stays for a later install unless `purge` is set;
   * with it, also the data that an app left which was removed before is deleted.
   * @throws BerthError `not_found`
   */
  remove(app: string, options: { readonly purge: boolean }): Promise<void>;
}

/** One line of `berth doctor`. */
export interface DoctorCheck {
  /** `kernel`, `cgroups`, `runtime`, `monitor`, `disk`, `clock`, … */
  readonly name: string;
  readonly outcome: 'ok' | 'warning' | 'failure';
  /** What was found. */
  readonly found: string;
  /** What to do about it; absent when all is well. */
  readonly advice?: string;
}

export interface DoctorReport {
  readonly checks: readonly DoctorCheck[];
}
