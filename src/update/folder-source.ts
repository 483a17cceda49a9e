import { asBerthError } from '../lib/errors.ts';
import { fingerprint, payloadFiles } from './folder-files.ts';
import { FolderVisit, type Folder } from './folder-visit.ts';
import { Queue } from '../lib/queue.ts';
import type { UpdatesOptions } from './tools.ts';
import type { Updates } from './types.ts';

/** How long a file on a medium must stay as it is before it is read: somebody may still be writing it. */
const settleMs = 1000;

/** Takes payloads from folders: what is new there goes through the coordinator like any other update. */
export class FolderSource {
  readonly #updates: Pick<Updates, 'install' | 'list'>;
  readonly #options: UpdatesOptions;
  readonly #signal: AbortSignal;
  /** One folder after the other. */
  readonly #turns = new Queue();
  /** How folders looked when they were last seen to, by path: what is to be tried again waits for the next start. */
  readonly #looked = new Map<string, string>();

  /** @param signal ends it: nothing more is begun */
  constructor(updates: Pick<Updates, 'install' | 'list'>, options: UpdatesOptions, signal: AbortSignal) {
    this.#updates = updates;
    this.#options = options;
    this.#signal = signal;
  }

  /**
   * Looks whether a folder has changed, and applies what is new in it. Never rejects: whatever is wrong is told, and
   * the rest is seen to.
   */
  async look(folder: Folder): Promise<void> {
    return this.#turns.run(async () => {
      try {
        await this.#look(folder);
      } catch (error) {
        const { message } = asBerthError(error);
        // A medium that cannot be read is looked at again and again, and told once.
        const fault = `fault: ${message}`;
        if (this.#looked.get(folder.path) !== fault) this.#tell(folder, message);
        this.#looked.set(folder.path, fault);
      }
    });
  }

  /** Forgets how folders looked that are not there any more, so that they are looked at anew when they come again. */
  retain(paths: ReadonlySet<string>): void {
    for (const path of this.#looked.keys()) if (!paths.has(path)) this.#looked.delete(path);
    this.#options.store.folders.retainSeen(paths);
  }

  async #look(folder: Folder): Promise<void> {
    const { store, clock } = this.#options;
    const isMedium = folder.source === 'media';
    const files = await payloadFiles(folder.path, !isMedium);
    // What comes again, after a medium was taken out of its directory, is looked at anew.
    if (files.length === 0) this.#looked.delete(folder.path);
    if (files.length === 0 || this.#signal.aborted) return;
    const print = fingerprint(files);
    if ((this.#looked.get(folder.path) ?? store.folders.seen(folder.path)) === print) return;
    if (isMedium) {
      await clock.sleep(settleMs, this.#signal);
      if (fingerprint(await payloadFiles(folder.path, false)) !== print) return;
    }
    this.#looked.set(folder.path, print);
    const visit = new FolderVisit(folder, this.#updates, this.#options, this.#signal, (message) => {
      this.#tell(folder, message);
    });
    if (await visit.seeTo(files)) store.folders.noteSeen(folder.path, print);
  }

  #tell({ source, path }: Folder, message: string): void {
    if (this.#signal.aborted) return;
    this.#options.lifecycle.announce({ type: 'app.warning', message: `${source === 'factory' ? 'factory folder' : 'medium'} ${path}: ${message}`, detail: { source, folder: path } });
  }
}
