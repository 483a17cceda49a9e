import { mkdtemp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { removeTree } from '../lib/durable.ts';

/** A private directory for half-made files; it is gone when the work ends, however it ends. */
export interface Workspace extends AsyncDisposable {
  path(name: string): string;
}

/** Beside `output`, so that the finished file can be renamed into place. */
export async function makeWorkspace(output: string): Promise<Workspace> {
  const directory = await mkdtemp(join(dirname(output), '.berth-'));
  return {
    path: (name) => join(directory, name),
    [Symbol.asyncDispose]: async () => {
      await removeTree(directory);
    },
  };
}
