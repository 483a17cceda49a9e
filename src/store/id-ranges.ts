import { idsPerApp } from '../lib/id-range.ts';
import { BerthError } from '../lib/errors.ts';
import type { Sql } from './sql.ts';

/** The users and groups of the host that belong to apps. */
export interface IdPool {
  /** The first of them. */
  readonly base: number;
  /** Ranges of `idsPerApp` each. The first one, of number 0, is that of the process that unpacks packages. */
  readonly count: number;
}

/** Far above those that distributions hand out (systemd's containers end at 0x6fffffff), and below 2^31. */
export const defaultIds: IdPool = { base: 0x7000_0000, count: 4000 };

/** Name in `meta` of the base, without which the numbers in `id_ranges` mean nothing. */
const baseName = 'id-base';

/** What keeps an app's range from being another's: something of the app is there, or may still be. */
const inUse = `SELECT name FROM apps UNION SELECT app FROM kept_data UNION SELECT app FROM members UNION SELECT package FROM images UNION SELECT app FROM leavings`;

/** The number of the range that a user is in; undefined if it is none of an app's. */
export function rangeOf(user: number, { base, count }: IdPool): number | undefined {
  const range = Math.floor((user - base) / idsPerApp);
  return range >= 1 && range < count ? range : undefined;
}

/** Which range of users each app has. */
export class IdRanges {
  readonly #sql: Sql;
  readonly #pool: IdPool;
  /** Numbers that files on disk have of which the database knows nothing. */
  readonly #strange: ReadonlySet<number>;

  /** @throws BerthError `conflict` if the store's apps have ranges elsewhere */
  constructor(sql: Sql, pool: IdPool, strange: ReadonlySet<number>) {
    this.#sql = sql;
    this.#pool = pool;
    this.#strange = strange;
    this.#settleBase();
  }

  /** User and group of the host that an app's root is; its own from the first call on. @throws BerthError `conflict` if all ranges are taken */
  of(app: string): number {
    const range = this.#sql.all('SELECT range FROM id_ranges WHERE app = ?', app)[0]?.['range'] ?? this.#allot(app);
    return this.#pool.base + range * idsPerApp;
  }

  /** Apps of which nothing is there any more have no range. Not while a package is being unpacked, whose app is not named yet. */
  free(): void {
    const free = `app NOT IN (${inUse})`;
    // Nothing is written without need.
    if (this.#sql.all(`SELECT app FROM id_ranges WHERE ${free}`).length > 0) this.#sql.run(`DELETE FROM id_ranges WHERE ${free}`);
  }

  #allot(app: string): number {
    const taken = new Set<number>(this.#sql.all('SELECT range FROM id_ranges').map((row) => row['range']!));
    for (let range = 1; range < this.#pool.count; range += 1) {
      if (taken.has(range) || this.#strange.has(range)) continue;
      this.#sql.run('INSERT INTO id_ranges VALUES (?, ?)', app, range);
      return range;
    }
    throw new BerthError('conflict', `no users are left for ${app}: all ${this.#pool.count - 1} ranges belong to other apps or their data; remove some with --purge, or raise ids.count`);
  }

  #settleBase(): void {
    const { base, count } = this.#pool;
    const row = this.#sql.all('SELECT value FROM meta WHERE name = ?', baseName)[0];
    const known = row === undefined ? undefined : Number(row['value']);
    const highest: number = this.#sql.all('SELECT max(range) AS range FROM id_ranges')[0]!['range'] ?? 0;
    if (known !== base && highest > 0) {
      throw new BerthError('conflict', `ids.base is ${base}, but the files of this store's apps belong to users from ${known} on; set it back to that, or remove all apps with --purge first`);
    }
    if (highest >= count) throw new BerthError('conflict', `ids.count is ${count}, but an app of this store has range ${highest}; it must be at least ${highest + 1}`);
    if (known !== base) this.#sql.run('INSERT OR REPLACE INTO meta VALUES (?, ?)', baseName, String(base));
  }
}
