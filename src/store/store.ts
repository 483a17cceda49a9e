import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { digestHex, type Digest } from '../lib/digest.ts';
import { publish, removeTree, syncFileSystem } from '../lib/durable.ts';
import type { Journal } from '../lib/journal.ts';
import { Ballast } from './ballast.ts';
import { openDatabase } from './database.ts';
import { FolderBook } from './folder-book.ts';
import { defaultIds, IdRanges, rangeOf, type IdPool } from './id-ranges.ts';
import { toAppRow, toImageRow } from './rows.ts';
import { Sql } from './sql.ts';
import { Staging, type StagingDirectory } from './staging.ts';
import { TrustBook } from './trust-book.ts';
import type { AppRow, AppState, ImagePaths, ImageRow, Store } from './types.ts';
import { volumesDirectory } from './volumes.ts';
import { dropUnusedImages, UpdateBook } from './update-book.ts';

/** An image in staging, and the digest under which it is to be put on disk. */
export interface StagedImage {
  readonly directory: string;
  readonly digest: Digest;
}

/** The store as `update/` uses it: what changes which images and apps there are. */
export interface WritableStore extends Store {
  /** The updates, under way and over; the switch and the way back. */
  readonly book: UpdateBook;
  /** What came of folders with payloads. */
  readonly folders: FolderBook;
  /** Whom the apps belong to, what was recalled, how late it was. */
  readonly trust: TrustBook;
  stage(): Promise<StagingDirectory>;
  /**
   * Puts staged images on disk under their digests: contents durable, renamed, parent durable. Naming them in the
   * database is the caller's next step; until then they are garbage. What is there already is replaced.
   */
  publishImages(staged: readonly StagedImage[]): Promise<void>;
  /** Generation of the data that a removed app left, if any. */
  keptData(name: string): number | undefined;
  /** A text that was kept under a name. */
  keptText(name: string): string | undefined;
  /** Keeps a text; durable when it returns. */
  keepText(name: string, text: string): void;
  /** Generation for new data of an app: what is at its place may be deleted. */
  newGeneration(name: string): number;
  /** One transaction: the app's row goes; its data and its floor stay known unless `purge`, to whom it belongs in any case. */
  commitRemove(name: string, options: { readonly purge: boolean }): void;
  /** Apps that are gone, of which something may still lie outside the store. */
  leavings(): readonly string[];
  /** Nothing of a removed app is left outside the store. */
  commitCleared(name: string): void;
  /** Names the data of a removed app no more, so that it is collected. False if none is kept. */
  dropKeptData(name: string): boolean;
  /** Deletes what is left in staging, and images and data that the database does not name; if it is not complete, none of those that were there before. */
  collect(): Promise<void>;
  /** Deletes everything in staging; for the start, when no update is under way. */
  clearStaging(): Promise<void>;
  close(): void;
  /** Closes a store that is going to be copied to devices: it has no id then, and each device gives its copy one. */
  closeWithoutId(): void;
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
  readonly ids?: IdPool;
}

/**
 * Opens the store at `root`, or makes it.
 * @throws BerthError `conflict` if another daemon has it open, or its apps belong to users that are not of `ids`
 */
export function openStore(root: string, options: StoreOptions): WritableStore {
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const { database, complete, trouble } = openDatabase(root, { now: options.now, waitMs: options.waitMs ?? 5000 });
  if (trouble !== undefined) options.journal('error', `${trouble}; no image or data directory that is there will be deleted`);
  // Parents of a root file system can be passed through, not read. Data is mounted by root: nobody else gets there.
  mkdirSync(join(root, 'images'), { recursive: true, mode: 0o711 });
  mkdirSync(join(root, 'staging'), { recursive: true, mode: 0o711 });
  mkdirSync(join(root, 'data'), { recursive: true, mode: 0o700 });
  mkdirSync(join(root, 'volumes'), { recursive: true, mode: 0o700 });
  const ballast = new Ballast(join(root, 'ballast'));
  ballast.take();
  try {
    return new SqliteStore(root, new Sql(database, () => ballast.giveUp()), ballast, complete, options.ids ?? defaultIds);
  } catch (error) {
    database.close();
    throw error;
  }
}

class SqliteStore implements WritableStore {
  readonly root: string;
  readonly book: UpdateBook;
  readonly folders: FolderBook;
  readonly trust: TrustBook;
  readonly #sql: Sql;
  readonly #ballast: Ballast;
  readonly #staging: Staging;
  readonly #complete: boolean;
  /** What was there, and not named, when a database was opened that is not complete: never deleted. */
  readonly #strangers: ReadonlySet<string>;
  readonly #ids: IdRanges;

  constructor(root: string, sql: Sql, ballast: Ballast, complete: boolean, ids: IdPool) {
    this.root = root;
    this.#sql = sql;
    this.#ballast = ballast;
    this.#staging = new Staging(join(root, 'staging'));
    this.#complete = complete;
    const named = this.#named();
    this.#strangers = new Set(complete ? [] : this.#directories().filter((path) => !named.has(path)));
    this.#ids = new IdRanges(sql, ids, new Set([...this.#strangers].flatMap((path) => rangeOf(this.#owner(path), ids) ?? [])));
    this.book = new UpdateBook(sql);
    this.folders = new FolderBook(sql);
    this.trust = new TrustBook(sql);
  }

  apps(): readonly AppRow[] {
    return this.#sql.all('SELECT * FROM apps ORDER BY name').map(toAppRow);
  }

  app(name: string): AppRow | undefined {
    return this.#sql.all('SELECT * FROM apps WHERE name = ?', name).map(toAppRow)[0];
  }

  images(): readonly ImageRow[] {
    return this.#sql.all('SELECT * FROM images ORDER BY package, added_at').map(toImageRow);
  }

  image(digest: Digest): ImageRow | undefined {
    return this.#sql.all('SELECT * FROM images WHERE digest = ?', digest).map(toImageRow)[0];
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

  idRange(app: string): number {
    return this.#ids.of(app);
  }

  updateApp(name: string, change: Partial<AppState>): void {
    const columns = Object.entries(change).map(([key, value]) => [appColumns[key as keyof AppState], typeof value === 'boolean' ? Number(value) : value] as const);
    this.#sql.update('apps', Object.fromEntries(columns), 'name = ?', name);
  }

  stage(): Promise<StagingDirectory> {
    return this.#staging.open();
  }

  async publishImages(staged: readonly StagedImage[]): Promise<void> {
    const [first] = staged;
    if (first === undefined) return;
    await syncFileSystem(first.directory);
    for (const { directory: from, digest } of staged) {
      const { directory } = this.imagePaths(digest);
      // Left over from an update that was cut short, perhaps half on disk, or damaged since.
      if (existsSync(directory)) await removeTree(directory);
      await publish(from, directory);
    }
  }

  keptText(name: string): string | undefined {
    return this.#sql.all('SELECT value FROM meta WHERE name = ?', `kept-${name}`)[0]?.['value'];
  }

  keepText(name: string, text: string): void {
    this.#sql.run('INSERT OR REPLACE INTO meta VALUES (?, ?)', `kept-${name}`, text);
  }

  keptData(name: string): number | undefined {
    return this.#sql.all('SELECT generation FROM kept_data WHERE app = ?', name)[0]?.['generation'];
  }

  newGeneration(name: string): number {
    const directory = join(this.root, 'data', name);
    // What a database that is not complete does not name may be all that is left of an app's data.
    const strange = this.#complete || !existsSync(directory) ? [] : readdirSync(directory).map(Number).filter(Number.isInteger);
    return Math.max(this.app(name)?.dataGeneration ?? this.keptData(name) ?? 0, ...strange) + 1;
  }

  commitRemove(name: string, options: { readonly purge: boolean }): void {
    this.#sql.urgent(() => {
      if (options.purge) {
        this.#sql.run('DELETE FROM floors WHERE app = ?', name);
      } else if (['data', 'volumes'].some((folder) => existsSync(join(this.root, folder, name)))) {
        this.#sql.run('INSERT INTO kept_data SELECT name, data_generation FROM apps WHERE name = ?', name);
      }
      this.#sql.run('DELETE FROM apps WHERE name = ?', name);
      this.#sql.run('INSERT OR IGNORE INTO leavings VALUES (?)', name);
      this.#sql.run('DELETE FROM previous_images WHERE app = ?', name);
      dropUnusedImages(this.#sql);
    });
  }

  leavings(): readonly string[] {
    return this.#sql.all('SELECT app FROM leavings ORDER BY app').map((row) => row['app']!);
  }

  commitCleared(name: string): void {
    this.#sql.run('DELETE FROM leavings WHERE app = ?', name);
  }

  dropKeptData(name: string): boolean {
    let dropped = 0;
    this.#sql.urgent(() => {
      dropped = this.#sql.run('DELETE FROM kept_data WHERE app = ?', name).changes + this.#sql.run('DELETE FROM floors WHERE app = ?', name).changes;
    });
    return dropped > 0;
  }

  async collect(): Promise<void> {
    await this.#staging.collect();
    const named = this.#named();
    for (const path of this.#directories()) {
      if (!named.has(path) && !this.#strangers.has(path)) await removeTree(join(this.root, path));
    }
    const apps = new Set([...named].filter((path) => path.startsWith('data/')).map((path) => path.split('/')[1]!));
    for (const entry of readdirSync(join(this.root, 'data'), { withFileTypes: true })) {
      const directory = join(this.root, 'data', entry.name);
      if (entry.isDirectory() && !apps.has(entry.name) && readdirSync(directory).length === 0) await removeTree(directory);
    }
    // One that is being unpacked is not named yet, and whose file a stranger is nobody knows.
    if (this.#complete && this.#staging.isEmpty) this.#ids.free();
    this.#ballast.take();
  }

  clearStaging(): Promise<void> {
    return this.#staging.clear();
  }

  close(): void {
    this.#sql.close();
  }

  closeWithoutId(): void {
    this.#sql.run(`DELETE FROM meta WHERE name = 'store-id'`);
    this.#sql.close();
    rmSync(join(this.root, 'store-id'), { force: true });
    this.#ballast.giveUp();
  }

  /** Directories of images, of generations of data and of apps' volumes that the database names, below the root. */
  #named(): ReadonlySet<string> {
    const data = this.#sql.all(
      `SELECT app || '/' || generation AS path FROM kept_data UNION SELECT name || '/' || data_generation FROM apps UNION
       SELECT app || '/' || generation FROM members UNION
       SELECT app || '/' || old_generation FROM members WHERE old_generation IS NOT NULL`,
    );
    return new Set([...this.images().map((image) => `images/${digestHex(image.digest)}`), ...data.flatMap((row) => [`data/${String(row['path'])}`, volumesDirectory(String(row['path']).split('/')[0]!)])]);
  }

  /** Whose the files of an image or a generation of data are, by the directory that its app sees. */
  #owner(path: string): number {
    const place = join(this.root, path, path.startsWith('images/') ? 'bundle/rootfs' : '');
    return lstatSync(place, { throwIfNoEntry: false })?.uid ?? 0;
  }

  /** Those that are there, and whatever else lies among them. */
  #directories(): readonly string[] {
    const list = (folder: string): readonly Dirent[] => readdirSync(join(this.root, folder), { withFileTypes: true });
    const images = list('images').map(({ name }) => `images/${name}`);
    const data = list('data').flatMap((app) => (app.isDirectory() ? list(`data/${app.name}`).map(({ name }) => `data/${app.name}/${name}`) : [`data/${app.name}`]));
    return [...images, ...data, ...list('volumes').map(({ name }) => volumesDirectory(name))];
  }
}
