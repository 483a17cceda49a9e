import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { replaceFileSync } from '../lib/durable.ts';
import { BerthError } from '../lib/errors.ts';
import { schemaSteps } from './schema.ts';
import { resultCode, SQLITE_BUSY, SQLITE_CORRUPT, SQLITE_NOTADB } from './sqlite-error.ts';

/** An open database, and whether it may be believed when it does not name a directory. */
export interface OpenedDatabase {
  readonly database: DatabaseSync;
  /**
   * False if the database was lost or corrupt, so that this one knows nothing of the directories that are there: then
   * nothing may be deleted because it is not named.
   */
  readonly complete: boolean;
  /** What was found and done, if anything was wrong. */
  readonly trouble?: string;
}

/**
 * Opens `<root>/berth.db`, or makes it. The store's id stands in the database and in `<root>/store-id`; if they differ,
 * or the database is gone or corrupt while images are there, the database is not complete. A corrupt one is kept aside.
 */
export function openDatabase(root: string, { now, waitMs }: { readonly now: number; readonly waitMs: number }): OpenedDatabase {
  const path = join(root, 'berth.db');
  const idPath = join(root, 'store-id');
  const known = existsSync(idPath) ? readFileSync(idPath, 'utf8').trim() : undefined;
  const hadImages = existsSync(join(root, 'images')) && readdirSync(join(root, 'images')).length > 0;
  let trouble = existsSync(path) || !hadImages ? undefined : `${path} is missing although images are there`;
  let database: DatabaseSync;
  try {
    database = prepare(path, waitMs);
  } catch (error) {
    if (!isCorruption(error)) throw error;
    const aside = `${path}.corrupt-${now}`;
    for (const suffix of ['', '-wal', '-shm']) {
      if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    }
    trouble = `${path} was corrupt (${(error as Error).message}); it is kept as ${aside}`;
    database = prepare(path, waitMs);
  }
  const row = database.prepare(`SELECT value FROM meta WHERE name = 'store-id'`).get() as { value: string } | undefined;
  const id = row?.value ?? randomUUID();
  if (row === undefined) database.prepare(`INSERT INTO meta VALUES ('store-id', ?)`).run(id);
  else if (known !== undefined && known !== id) trouble ??= `${path} belongs to another store (${id}, not ${known})`;
  if (trouble === undefined && known !== id) replaceFileSync(idPath, `${id}\n`);
  return trouble === undefined ? { database, complete: true } : { database, complete: false, trouble };
}

function prepare(path: string, waitMs: number): DatabaseSync {
  // For root alone: who can read it could lock it. SQLite gives its other files the same mode.
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path, { timeout: waitMs });
  try {
    // Held until the database is closed or the process ends: one daemon for each store.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const mode = database.prepare('PRAGMA journal_mode = WAL').get() as { journal_mode: string };
    if (mode.journal_mode !== 'wal') {
      throw new BerthError('io', `${path}: SQLite cannot use its write-ahead log there (journal_mode is ${mode.journal_mode})`);
    }
    // The cache is bounded to 256 KiB: the whole database of a device is smaller than that.
    database.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -256; PRAGMA wal_autocheckpoint = 64');
    const check = database.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
    if (check.quick_check !== 'ok') throw new CorruptDatabase(check.quick_check);
    migrate(database, path);
    return database;
  } catch (error) {
    database.close();
    if (resultCode(error) === SQLITE_BUSY) throw new BerthError('conflict', `${path} is in use: another berthd runs on this store`, { cause: error });
    throw error;
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const { user_version: version } = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (version > schemaSteps.length) {
    throw new BerthError('unsupported', `${path} was written by a newer Berth (schema ${version}, this one knows ${schemaSteps.length}); install that version again`);
  }
  for (let step = version; step < schemaSteps.length; step += 1) {
    database.exec(`BEGIN IMMEDIATE; ${schemaSteps[step]}; PRAGMA user_version = ${step + 1}; COMMIT`);
  }
}

class CorruptDatabase extends Error {}

function isCorruption(error: unknown): boolean {
  return error instanceof CorruptDatabase || [SQLITE_CORRUPT, SQLITE_NOTADB].includes(resultCode(error) ?? 0);
}
