import { watch, type FSWatcher } from 'node:fs';

/** Tells by name what changes in one directory: one inotify(7) watch for all instances. */
export class DirectoryWatch {
  readonly #callbacks = new Map<string, () => void>();
  readonly #watcher: FSWatcher;

  constructor(directory: string) {
    this.#watcher = watch(directory, (_event, name) => {
      if (name !== null) this.#callbacks.get(name)?.();
    });
  }

  /**
   * Calls back on every change of this name from now on; the result ends it. A change before is not told: look once
   * after calling this. The kernel drops events when too many wait, so what matters is looked at in other ways too.
   */
  on(name: string, callback: () => void): () => void {
    this.#callbacks.set(name, callback);
    return () => {
      if (this.#callbacks.get(name) === callback) this.#callbacks.delete(name);
    };
  }

  close(): void {
    this.#watcher.close();
  }
}
