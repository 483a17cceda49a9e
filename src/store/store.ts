import { existsSync, mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { digestHex, type Digest } from '../lib/digest.ts';
import { publish, removeAbandonedTree, removeTree, syncFileSystem } from '../lib/durable.ts';
import type { Journal } from '../lib/journal.ts';
import { openDatabase } from './database.ts';
import { makeStaging, type StagingDirectory } from './staging.ts';
import type { AppRow, AppState, DesiredState, ImagePaths, ImageRow, Store } from './types.ts';

/** The store as `update/` uses it: what changes which images and apps there are. */
export interface WritableStore extends Store {
  stage(): Promise<StagingDirectory>;
  /**
   * Puts a staged image on disk under its digest: contents durable, renamed, parent durable. Naming it in the database
   * is the caller's next step ({@link commitInstall}); until then it is garbage. What is there already is replaced.
   */
  publishImage(staged: string, digest: Digest): Promise<void>;
  /** One transaction: the image is named, and the app's row made or pointed at it. */
  commitInstall(image: ImageRow, app: { readonly name: string; readonly desired: DesiredState; readonly now: number }): void;
  /** One transaction: the app's row goes; its data stays known unless `purge`. */
  commitRemove(name: string, options: { readonly purge: boolean }): void;
  /** Names the data of a removed app no more, so that it is collected. False if none is kept. */
  dropKeptData(name: string): boolean;
  /** Deletes images and data that the database does not name. Nothing, if the database is not complete. */
  collect(): Promise<void>;
  /** Deletes everything in staging; for the start, when no update is under way. */
  clearStaging(): Promise<void>;
  close(): void;
}

const appColumns: Readonly<Record<keyof AppState, string>> = {
  desired: 'desired',
  restarts: 'restarts',
  failed: 'failed',
  instance: 'instance',
  lastExit: 'last_exit',
};

export interface StoreOptions {
  readonly journal: Journal;
  /** Wall clock, milliseconds since 1970. */
  readonly now: number;
  /** How long to wait for another daemon that is about to end; milliseconds. */
  readonly waitMs?: number;
}

/**
 * Opens the store at `root`, or makes it.
 * @throws BerthError `conflict` if another daemon has it open
 */
export function openStore(root: string, options: StoreOptions): WritableStore {
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const { database, complete, trouble } = openDatabase(root, { now: options.now, waitMs: options.waitMs ?? 5000 });
  if (trouble !== undefined) options.journal('error', `${trouble}; no image or data directory will be deleted`);
  // Parents of a root file system can be passed through, not read. Data is mounted by root: nobody else gets there.
  mkdirSync(join(root, 'images'), { recursive: true, mode: 0o711 });
  mkdirSync(join(root, 'staging'), { recursive: true, mode: 0o711 });
  mkdirSync(join(root, 'data'), { recursive: true, mode: 0o700 });
  return new SqliteStore(root, database, complete);
}

class SqliteStore implements WritableStore {
  readonly root: string;
  readonly #database: DatabaseSync;
  readonly #complete: boolean;

  constructor(root: string, database: DatabaseSync, complete: boolean) {
    this.root = root;
    this.#database = database;
    this.#complete = complete;
  }

  apps(): readonly AppRow[] {
    return this.#all('SELECT * FROM apps ORDER BY name').map(toAppRow);
  }

  app(name: string): AppRow | undefined {
    return this.#all('SELECT * FROM apps WHERE name = ?', name).map(toAppRow)[0];
  }

  images(): readonly ImageRow[] {
    return this.#all('SELECT * FROM images ORDER BY package, added_at').map(toImageRow);
  }

  image(digest: Digest): ImageRow | undefined {
    return this.#all('SELECT * FROM images WHERE digest = ?', digest).map(toImageRow)[0];
  }

  imagePaths(digest: Digest): ImagePaths {
    const directory = join(this.root, 'images', digestHex(digest));
    return {
      directory,
      manifest: join(directory, 'manifest'),
      signature: join(directory, 'signature.p7s'),
      bundle: join(directory, 'bundle'),
    };
  }

  dataPath(app: string, generation: number): string {
    return join(this.root, 'data', app, String(generation));
  }

  updateApp(name: string, change: Partial<AppState>): void {
    const names = Object.keys(change) as (keyof AppState)[];
    if (names.length === 0) return;
    const values = names.map((column) => {
      const value = change[column]!;
      return typeof value === 'boolean' ? Number(value) : value;
    });
    const assignments = names.map((column) => `${appColumns[column]} = ?`).join(', ');
    this.#run(`UPDATE apps SET ${assignments} WHERE name = ?`, ...values, name);
  }

  stage(): Promise<StagingDirectory> {
    return makeStaging(this.root);
  }

  async publishImage(staged: string, digest: Digest): Promise<void> {
    const { directory } = this.imagePaths(digest);
    await syncFileSystem(staged);
    // Left over from an update that was cut short, perhaps half on disk, or damaged since.
    if (existsSync(directory)) await removeTree(directory);
    await publish(staged, directory);
  }

  commitInstall(image: ImageRow, app: { readonly name: string; readonly desired: DesiredState; readonly now: number }): void {
    this.#transaction(() => {
      this.#run(
        'INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
        image.digest, image.package, image.version, image.architecture, image.depends, image.description,
        image.bytes, image.entries, Number(image.signed), image.addedAt,
      );
      this.#run(
        `INSERT INTO apps (name, image, desired, data_generation, installed_at)
         VALUES (?, ?, ?, coalesce((SELECT generation FROM kept_data WHERE app = ?), 1), ?)
         ON CONFLICT (name) DO UPDATE SET image = excluded.image, installed_at = excluded.installed_at,
           desired = excluded.desired, restarts = 0, failed = 0, last_exit = NULL`,
        app.name, image.digest, app.desired, app.name, app.now,
      );
      this.#run('DELETE FROM kept_data WHERE app = ?', app.name);
      this.#dropUnusedImages();
    });
  }

  commitRemove(name: string, options: { readonly purge: boolean }): void {
    this.#transaction(() => {
      if (!options.purge && existsSync(join(this.root, 'data', name))) {
        this.#run('INSERT INTO kept_data SELECT name, data_generation FROM apps WHERE name = ?', name);
      }
      this.#run('DELETE FROM apps WHERE name = ?', name);
      this.#dropUnusedImages();
    });
  }

  dropKeptData(name: string): boolean {
    return this.#database.prepare('DELETE FROM kept_data WHERE app = ?').run(name).changes > 0;
  }

  async collect(): Promise<void> {
    if (!this.#complete) return;
    const images = new Set(this.images().map((image) => digestHex(image.digest)));
    await this.#removeOthers('images', (name) => images.has(name));
    const kept = this.#all('SELECT app, generation FROM kept_data') as unknown as { app: string; generation: number }[];
    const generations = new Map(kept.map(({ app, generation }) => [app, generation]));
    for (const app of this.apps()) generations.set(app.name, app.dataGeneration);
    await this.#removeOthers('data', (name) => generations.has(name));
    for (const [app, generation] of generations) {
      if (existsSync(join(this.root, 'data', app))) await this.#removeOthers(join('data', app), (name) => name === String(generation));
    }
  }

  async clearStaging(): Promise<void> {
    const staging = join(this.root, 'staging');
    // The unpacking child of a daemon that was killed may not have noticed yet.
    for (const name of await readdir(staging)) await removeAbandonedTree(join(staging, name));
  }

  close(): void {
    this.#database.close();
  }

  async #removeOthers(folder: string, isNamed: (name: string) => boolean): Promise<void> {
    for (const name of await readdir(join(this.root, folder))) {
      if (!isNamed(name)) await removeTree(join(this.root, folder, name));
    }
  }

  #dropUnusedImages(): void {
    this.#run('DELETE FROM images WHERE digest NOT IN (SELECT image FROM apps)');
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#database.prepare(sql).all(...values) as unknown as Row[];
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#database.prepare(sql).run(...values);
  }
}

type Row = Readonly<Record<string, never>>;

function toAppRow(row: Row): AppRow {
  return {
    name: row['name']!,
    image: row['image']!,
    desired: row['desired']!,
    dataGeneration: row['data_generation']!,
    installedAt: row['installed_at']!,
    restarts: row['restarts']!,
    failed: Boolean(row['failed']),
    instance: row['instance'] ?? null,
    lastExit: row['last_exit'] ?? null,
  };
}

function toImageRow(row: Row): ImageRow {
  return {
    digest: row['digest']!,
    package: row['package']!,
    version: row['version']!,
    architecture: row['architecture']!,
    depends: row['depends']!,
    description: row['description']!,
    bytes: row['bytes']!,
    entries: row['entries']!,
    signed: Boolean(row['signed']),
    addedAt: row['added_at']!,
  };
}
