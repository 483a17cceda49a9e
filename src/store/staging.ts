import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../lib/durable.ts';

/** A directory under `staging/` that is taken away when its owner is done, unless it was published meanwhile. */
export interface StagingDirectory extends AsyncDisposable {
  readonly path: string;
}

/** Makes a staging directory; whatever is left in it may be deleted at any time by a later daemon. */
export async function makeStaging(root: string): Promise<StagingDirectory> {
  const path = join(root, 'staging', randomBytes(8).toString('hex'));
  await mkdir(path, { mode: 0o711 });
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await removeTree(path);
    },
  };
}
