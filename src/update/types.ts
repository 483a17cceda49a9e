import type { Readable } from 'node:stream';
import type { Digest } from '../lib/digest.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { AppStatus } from '../lifecycle/index.ts';
import type { Decision } from '../policy/index.ts';

/** Where a payload comes from. `operator`: a rollback by hand. */
export const updateSources = ['command-line', 'factory', 'media', 'feed', 'remote', 'operator'] as const;

export type UpdateSource = (typeof updateSources)[number];

/**
 * What an update is doing, in the order in which it happens. `queued`: another update is not over yet. `waiting`: ready,
 * but an app has put it off or no window is open. `rolling-back`: the old versions are brought back.
 */
export const updatePhases = ['receiving', 'queued', 'storing', 'copying', 'waiting', 'switching', 'starting', 'trial', 'rolling-back'] as const;

export type UpdatePhase = (typeof updatePhases)[number];

/**
 * How an update ended. `failed`: refused, or broken off before the switch. `undone`: berthd ended or power was cut
 * before the switch. `cancelled`: whoever sent it took it back before the switch.
 */
export const updateOutcomes = ['committed', 'rolled-back', 'failed', 'undone', 'cancelled'] as const;

export type UpdateOutcome = (typeof updateOutcomes)[number];

export interface UpdateProgress {
  /** Id of the update. */
  readonly update: number;
  readonly phase: UpdatePhase;
  /** Bytes of the payload read so far. */
  readonly bytes: number;
}

/** What whoever sends a payload decides about it. */
export interface UpdateOptions {
  readonly source: UpdateSource;
  /** What people know the payload by: a file name. */
  readonly origin?: string;
  /** Start newly installed apps. An app that was there keeps what a person last asked for. */
  readonly start: boolean;
  /** Take versions below the floor. */
  readonly allowDowngrade?: boolean;
  /** Take packages of several authorities in one payload. */
  readonly allowMix?: boolean;
  /** False: switch without a snapshot of the data; the old version then meets what the new one made of it. */
  readonly snapshot?: boolean;
  /** Wait neither for a window nor for apps that put the update off. */
  readonly now?: boolean;
}

export interface InstallOptions extends UpdateOptions {
  /** False: resolve as soon as everything is checked and on disk; the rest goes on by itself. Default true. */
  readonly wait?: boolean;
  /** Size of the payload if it is known beforehand: refused at once if there is no room for it. */
  readonly payloadBytes?: number;
  /** Ends it if the switch has not begun. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: UpdateProgress) => void;
}

export interface VersionedImage {
  readonly version: string;
  readonly digest: Digest;
}

/** What an install did to one app. */
export interface InstallReport {
  readonly app: string;
  readonly version: string;
  readonly digest: Digest;
  /** The version that was there before, if any. */
  readonly replaced?: VersionedImage;
  readonly signed: boolean;
  /** The authority that vouches for it; absent if it is unsigned. */
  readonly authority?: string;
  readonly entries: number;
  readonly bytes: number;
  /** What the package brought that was told rather than obeyed. */
  readonly warnings: readonly string[];
  /** What its config asks for and gets less of, which the policy tolerates. */
  readonly degraded: readonly Decision[];
  /** The app afterwards. If it is new and could not start, the install stands and `status.reason` says why. */
  readonly status: AppStatus;
}

export interface UpdateReport {
  /** Id of the update. */
  readonly update: number;
  /** `under-way`: not waited for. */
  readonly outcome: 'committed' | 'under-way';
  readonly installed: readonly InstallReport[];
}

/** One app of a payload, and what is to be done with it. */
export interface PlannedApp {
  readonly app: string;
  /** What is there now; absent for a new app. */
  readonly from?: VersionedImage;
  readonly to: VersionedImage;
  /** The authority that vouches for it; absent if it is unsigned. */
  readonly authority?: string;
  /** Bytes and file-system entries that the new image takes; 0 if it is there already. */
  readonly imageBytes: number;
  readonly imageInodes: number;
  /** It runs now and is stopped. */
  readonly stop: boolean;
  /** It is started afterwards. */
  readonly start: boolean;
  /** `copy`: its data is copied first, so that the old version finds it unchanged. `skipped`: by `--no-snapshot`. */
  readonly snapshot: 'none' | 'copy' | 'skipped';
  readonly dataBytes: number;
  readonly dataInodes: number;
  /** Command that the new version runs on the data before its first start. */
  readonly migrate?: readonly string[];
  /** What the new version must do until the update is committed; absent if it is not tried. */
  readonly trial?: { readonly uptimeMs: number; readonly health: boolean; readonly confirm: boolean };
}

/** All that an update would do, as plain data. */
export interface UpdatePlan {
  /** In the order of start. */
  readonly apps: readonly PlannedApp[];
  /** Names, in the order in which they are stopped. */
  readonly stops: readonly string[];
  /** Names, in the order in which they are started. */
  readonly starts: readonly string[];
  /** Images that are deleted once the update is committed. */
  readonly removes: readonly (VersionedImage & { readonly app: string; readonly bytes: number })[];
  /** Bytes and file-system entries for the new images and for the way back, and what is free. */
  readonly needs: { readonly bytes: number; readonly inodes: number };
  readonly free: { readonly bytes: number; readonly inodes: number };
  /** Time from the switch until the update is rolled back if it was not committed; absent if nothing is tried. */
  readonly deadlineMs?: number;
}

/** One app of an update, as `berth updates ID` shows it. */
export interface UpdatedApp {
  readonly app: string;
  readonly from?: VersionedImage;
  readonly to: VersionedImage;
  /** `passed` or what is still waited for; absent outside a trial. */
  readonly trial?: { readonly passed: boolean; readonly waitingFor: readonly string[] };
}

/** An update, under way or over. */
export interface UpdateStatus {
  readonly id: number;
  readonly source: UpdateSource;
  readonly origin?: string;
  /** The last phase, once it is over. */
  readonly phase: UpdatePhase;
  /** Absent while it is under way. */
  readonly outcome?: UpdateOutcome;
  /** Why it ended as it did, where that needs a reason. */
  readonly reason?: { readonly code: ErrorCode; readonly message: string };
  /** Wall clock, milliseconds since 1970; also below. */
  readonly startedAt: number;
  readonly endedAt?: number;
  /** When each phase began. */
  readonly phases: readonly { readonly phase: UpdatePhase; readonly at: number }[];
  /** Bytes of the payload. */
  readonly bytes: number;
  /** Empty until the payload has been read. */
  readonly apps: readonly UpdatedApp[];
  /** What it waits for: the window, an app that put it off, another update. */
  readonly waitingFor?: string;
  /** Milliseconds until the trial is rolled back. */
  readonly leftMs?: number;
}

/** What an app is told about its own update, on its bus. */
export interface AppUpdate {
  /** True while it is tried. */
  readonly trial: boolean;
  /** Milliseconds until the trial is rolled back; 0 outside one. */
  readonly leftMs: number;
  /** Version of an update that waits to replace it; empty if none does. */
  readonly pending: string;
}

/** What an app takes of the disk, in bytes. */
export interface AppStorage {
  readonly app: string;
  readonly image: number;
  /** Images that are kept for the way back. */
  readonly previous: number;
  /** Its data, and copies of it that a trial holds. */
  readonly data: number;
  /** The most that its data may take of the disk; absent: no bound. */
  readonly dataLimit?: number;
  readonly logs: number;
}

/** The façade over everything that changes which images are on the device. One update at a time; others wait. */
export interface Updates {
  /**
   * Applies a payload: one package, an archive of packages, or an image of Mbed Linux OS (`.swu`). All of it or nothing;
   * nothing of it is left if it is refused.
   * @throws BerthError `untrusted`, `bad_package`, `too_large`, `unsupported`, `architecture`, `dependency`, `downgrade`, `no_space`,
   * `conflict`, `cancelled`; `rolled_back` with the reason if the new versions did not prove themselves
   */
  install(payload: Readable, options: InstallOptions): Promise<UpdateReport>;
  /** What {@link install} would do. Throws as it does; nothing is changed. */
  plan(payload: Readable, options: UpdateOptions): Promise<UpdatePlan>;
  /**
   * Stops an app and takes it away. Its data stays for a later install unless `purge` is set;
   * with it, also the data that an app left which was removed before is deleted.
   * @throws BerthError `not_found`; `conflict` while it is tried
   */
  remove(app: string, options: { readonly purge: boolean }): Promise<void>;
  /** Updates under way and the last ones that are over, newest first. */
  list(): readonly UpdateStatus[];
  /** @throws BerthError `not_found` */
  show(id: number): UpdateStatus;
  /**
   * The app, or a person for it, says that it runs well. A person's word counts for all that is still waited for.
   * Gives the update as it is then.
   * @throws BerthError `not_found`; `conflict` if it is not tried
   */
  confirm(app: string, by: 'app' | 'operator'): UpdateStatus;
  /** The app says that it does not run well: the whole payload is rolled back. @throws as {@link confirm} */
  fail(app: string, reason: string): void;
  /**
   * Brings the version before back: of the whole payload during a trial, else of this app, if that image is kept.
   * Resolves when it runs.
   * @throws BerthError `not_found`; `conflict` if there is nothing to go back to
   */
  rollback(app: string): Promise<UpdateStatus>;
  /**
   * The app asks that no update stops it for so many seconds; 0 takes an earlier wish back. Gives the seconds granted.
   * @throws BerthError `denied` if its image does not declare that it may
   */
  defer(app: string, seconds: number): number;
  /** What an app may know. @throws BerthError `not_found` */
  appUpdate(app: string): AppUpdate;
  /** Told the name of an app when what {@link appUpdate} says has changed. */
  onAppUpdate(listener: (app: string) => void): () => void;
  storage(): Promise<readonly AppStorage[]>;
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
