import type { Digest } from '../lib/digest.ts';

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
  /** Durable when it returns (one transaction). */
  updateApp(name: string, change: Partial<AppState>): void;
}
