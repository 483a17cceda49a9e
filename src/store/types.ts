import type { Digest } from '../lib/digest.ts';
import type { Signer } from '../trust/index.ts';

/** A row of `images`. */
export interface ImageRow {
  readonly digest: Digest;
  readonly package: string;
  readonly version: string;
  readonly architecture: string;
  /** Raw `Depends`, empty if none. */
  readonly depends: string;
  readonly description: string;
  readonly bytes: number;
  readonly entries: number;
  readonly signed: boolean;
  /** Who vouches for it; absent: nobody, it is unsigned. */
  readonly authority?: string;
  /** Publisher first, then countersigners. */
  readonly signers: readonly Signer[];
  /** Wall clock, milliseconds since 1970. */
  readonly addedAt: number;
}

/** What a person last asked for. */
export type DesiredState = 'running' | 'stopped';

/** A row of `apps`: all that must be known after a restart. */
export interface AppRow {
  readonly name: string;
  readonly image: Digest;
  readonly desired: DesiredState;
  /** Generation of the data directory, from 1. */
  readonly dataGeneration: number;
  readonly installedAt: number;
  /** Restarts by the supervisor since the app was last started by a person. */
  readonly restarts: number;
  /** True if the restart limit was reached (desired is still `running`): stays down until a person starts it. */
  readonly failed: boolean;
  /** JSON of lifecycle's own: the running instance, null if none. */
  readonly instance: string | null;
  /** JSON of lifecycle's own: how the last instance ended, null if none did. */
  readonly lastExit: string | null;
}

/** The part of an app's row that the supervisor writes. */
export type AppState = Pick<AppRow, 'desired' | 'restarts' | 'failed' | 'instance' | 'lastExit'>;

/**
 * A row of `updates`. `open`: nothing has changed yet. `switching`: nor in this, but apps are being stopped. `trial`: switched, not confirmed. `rolling-back`: switched, and to
 * be taken back.
 */
export interface UpdateRow {
  /** Counts up; never used again. */
  readonly id: number;
  readonly source: string;
  readonly origin: string | null;
  readonly state: 'open' | 'switching' | 'trial' | 'rolling-back' | 'over';
  readonly outcome: string | null;
  /** Error code and message of what ended it, or is about to. */
  readonly code: string | null;
  readonly reason: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** JSON of update's own, for people to read. */
  readonly details: string;
  /** JSON of update's own: the time left. */
  readonly trial: string | null;
}

/** What may be noted of an update that is not over. */
export type UpdateNote = Partial<Pick<UpdateRow, 'state' | 'code' | 'reason' | 'details' | 'trial'>>;

/** How an update ends. */
export interface UpdateEnd {
  readonly outcome: string;
  readonly code?: string;
  readonly reason?: string;
  readonly endedAt: number;
  readonly details: string;
}

/** A row of `members`: an app of an update that is not over, where the switch leads, and where the way back does. */
export interface MemberRow {
  readonly app: string;
  readonly update: number;
  readonly image: Digest;
  readonly generation: number;
  /** Of an app that is new; one that was there keeps its own. */
  readonly desired: DesiredState;
  /** Null if the app was not there. */
  readonly oldImage: Digest | null;
  /** Null if there was no data; of an app that was not there, the data it had left. */
  readonly oldGeneration: number | null;
  readonly oldInstalledAt: number | null;
  /** The app's floor once the update is committed; null: it stays as it is. */
  readonly floor: string | null;
  /** The authority that the app belongs to once the update is committed; null: as it is. */
  readonly owner: string | null;
  /** JSON of update's own: what it is to prove and has proved; null if it is not tried. */
  readonly trial: string | null;
}

/** Where an image's parts are on disk. */
export interface ImagePaths {
  readonly directory: string;
  readonly manifest: string;
  readonly signature: string;
  /** Holds `config.json` and `rootfs/`. */
  readonly bundle: string;
}

/** The database and the directories it names; the only truth of the device. Reads are synchronous and cheap. */
export interface Store {
  readonly root: string;
  apps(): readonly AppRow[];
  app(name: string): AppRow | undefined;
  images(): readonly ImageRow[];
  image(digest: Digest): ImageRow | undefined;
  imagePaths(digest: Digest): ImagePaths;
  /** Data directory of an app's generation (made by the installer, root 0700). */
  dataPath(app: string, generation: number): string;
  /**
   * User and group of the host that an app's root is, the first of `idsPerApp`: its own from the first call until
   * nothing of the app is there any more.
   * @throws BerthError `conflict` if there are no more
   */
  idRange(app: string): number;
  /** Durable when it returns (one transaction). */
  updateApp(name: string, change: Partial<AppState>): void;
}
