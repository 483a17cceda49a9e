import { join } from 'node:path';
import type { Digest } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import type { Store } from './types.ts';

export interface TreeSize {
  /** Sum of apparent sizes of files and links; a file with several names counts once. */
  readonly bytes: number;
  /** Names below the directory. */
  readonly entries: number;
}

/** What an app takes of the disk, in bytes. */
export interface AppSpace {
  readonly app: string;
  readonly image: number;
  readonly previous: number;
  readonly data: number;
  readonly logs: number;
}

/**
 * Measures a tree that an app may be changing; no link is followed. Nothing at `path` counts as nothing.
 * Takes turns with whatever else the process does.
 */
export function measureTree(path: string): Promise<TreeSize> {
  return Promise.reject(new BerthError('unsupported', `measuring ${path} is not there yet`));
}

/** Measures what an app takes: its images as the database has them, all generations of its data, its logs. */
export async function storageOf(
  store: Pick<Store, 'root' | 'image'>,
  app: { readonly name: string; readonly image: Digest; readonly previous: readonly Digest[] },
  logDirectory: string,
): Promise<AppSpace> {
  const bytesOf = (digest: Digest): number => store.image(digest)?.bytes ?? 0;
  return {
    app: app.name,
    image: bytesOf(app.image),
    previous: app.previous.reduce((sum, digest) => sum + bytesOf(digest), 0),
    data: (await measureTree(join(store.root, 'data', app.name))).bytes,
    logs: (await measureTree(join(logDirectory, app.name))).bytes,
  };
}
