import { asBerthError } from '../lib/errors.ts';
import { FolderSource } from './folder-source.ts';
import { watchMedia } from './media-watch.ts';
import type { UpdatesOptions } from './tools.ts';
import type { Updates } from './types.ts';

export interface FoldersOptions {
  /** Directory whose payloads are applied at the start; need not be there. */
  readonly factory: string;
  /** Directories in which media are mounted. */
  readonly media: readonly string[];
}

/** Folders as sources of updates, while the daemon runs. */
export interface Folders {
  /** Begins nothing more. Resolves when nothing of it is under way; that may need the end of the coordinator. */
  close(): Promise<void>;
}

/** Begins to take payloads from folders, once the apps are taken over. */
export function openFolders(updates: Pick<Updates, 'install' | 'list'>, options: UpdatesOptions, { factory, media }: FoldersOptions): Folders {
  const closing = new AbortController();
  const { signal } = closing;
  const ended = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve();
    }, { once: true });
  });
  const source = new FolderSource(updates, options, signal);
  const look = async (folders: readonly string[]): Promise<void> => {
    source.retain(new Set([factory, ...folders]));
    for (const path of folders) await source.look({ path, source: 'media' });
  };
  const run = async (): Promise<void> => {
    await Promise.race([options.ready, ended]);
    await source.look({ path: factory, source: 'factory' });
    if (media.length === 0) return;
    const tell = (message: string): void => {
      options.lifecycle.announce({ type: 'app.warning', message });
    };
    await watchMedia({ directories: media, look, tell, clock: options.clock, signal });
  };
  const over = run().catch((error: unknown) => {
    if (!signal.aborted) options.journal('error', `payloads are no longer taken from folders: ${asBerthError(error).message}`);
  });
  return {
    close: async () => {
      closing.abort();
      await over;
    },
  };
}
