import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeAbandonedTree, removeTree } from '../lib/durable.ts';

/** A directory under `staging/` that is taken away when its owner is done, unless it was published meanwhile. */
export interface StagingDirectory extends AsyncDisposable {
  readonly path: string;
}

/** `staging/` of a store: whatever is left in it may be deleted at any time by a later daemon. */
export class Staging {
  readonly #path: string;
  readonly #inUse = new Set<string>();

  constructor(path: string) {
    this.#path = path;
  }

  /** True while nobody has a directory in it. */
  get isEmpty(): boolean {
    return this.#inUse.size === 0;
  }

  async open(): Promise<StagingDirectory> {
    const name = randomBytes(8).toString('hex');
    const path = join(this.#path, name);
    this.#inUse.add(name);
    try {
      await mkdir(path, { mode: 0o711 });
    } catch (error) {
      this.#inUse.delete(name);
      throw error;
    }
    return {
      path,
      [Symbol.asyncDispose]: async () => {
        this.#inUse.delete(name);
        // It changes nothing of what its owner has done if the disk fails here: `collect` tries again, and says so.
        await removeTree(path).catch(() => undefined);
      },
    };
  }

  /** Deletes what no owner has and could not be taken away before. */
  async collect(): Promise<void> {
    for (const name of await readdir(this.#path)) {
      if (!this.#inUse.has(name)) await removeTree(join(this.#path, name));
    }
  }

  /** Deletes everything; for the start, when nothing is in use. */
  async clear(): Promise<void> {
    // The unpacking child of a daemon that was killed may not have noticed yet.
    for (const name of await readdir(this.#path)) await removeAbandonedTree(join(this.#path, name));
  }
}
