import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { replaceFileSync } from '../lib/durable.ts';
import { BerthError } from '../lib/errors.ts';
import { schemaSteps } from './schema.ts';

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
export function openDatabase(root: string, now: number): OpenedDatabase {
  const path = join(root, 'berth.db');
  const idPath = join(root, 'store-id');
  const known = existsSync(idPath) ? readFileSync(idPath, 'utf8').trim() : undefined;
  const hadImages = existsSync(join(root, 'images')) && readdirSync(join(root, 'images')).length > 0;
  let trouble = existsSync(path) || !hadImages ? undefined : `${path} is missing although images are there`;
  let database: DatabaseSync;
  try {
    database = prepare(path);
  } catch (error) {
    if (!isCorruption(error)) throw error;
    const aside = `${path}.corrupt-${now}`;
    for (const suffix of ['', '-wal', '-shm']) {
      if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    }
    trouble = `${path} was corrupt (${(error as Error).message}); it is kept as ${aside}`;
    database = prepare(path);
  }
  const row = database.prepare(`SELECT value FROM meta WHERE name = 'store-id'`).get() as { value: string } | undefined;
  const id = row?.value ?? randomUUID();
  if (row === undefined) database.prepare(`INSERT INTO meta VALUES ('store-id', ?)`).run(id);
  else if (known !== undefined && known !== id) trouble ??= `${path} belongs to another store (${id}, not ${known})`;
  if (trouble === undefined && known !== id) replaceFileSync(idPath, `${id}\n`);
  return trouble === undefined ? { database, complete: true } : { database, complete: false, trouble };
}

function prepare(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
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

/** SQLITE_CORRUPT and SQLITE_NOTADB (sqlite.org/rescode.html). */
function isCorruption(error: unknown): boolean {
  if (error instanceof CorruptDatabase) return true;
  const code = (error as { errcode?: number }).errcode;
  return code !== undefined && [11, 26].includes(code & 0xff);
}
