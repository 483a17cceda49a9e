import type { Digest } from '../lib/digest.ts';
import type { Sql } from './sql.ts';

/** What a source that is a folder has brought of one app. */
export interface Brought {
  /** The newest version that the device has, or had, of what was found there; absent if it never had one. */
  readonly had?: string;
  /** The last image from there that was refused or rolled back. */
  readonly refused?: Digest;
}

/** What is known of folders with payloads: what came of each app in them, and how they looked when all was seen to. */
export class FolderBook {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  brought(source: string, app: string): Brought {
    const [row] = this.#sql.all('SELECT had, refused FROM brought WHERE source = ? AND app = ?', source, app);
    const [had, refused] = [row?.['had'] ?? null, row?.['refused'] ?? null];
    return { ...(had === null ? {} : { had }), ...(refused === null ? {} : { refused }) };
  }

  noteHad(source: string, app: string, version: string): void {
    this.#sql.run('INSERT INTO brought (source, app, had) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET had = excluded.had', source, app, version);
  }

  noteRefused(source: string, app: string, image: Digest): void {
    this.#sql.run('INSERT INTO brought (source, app, refused) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET refused = excluded.refused', source, app, image);
  }

  /** Fingerprint of a folder when there was nothing more to be done about it; undefined if there never was such a time. */
  seen(path: string): string | undefined {
    return this.#sql.all('SELECT fingerprint FROM seen_folders WHERE path = ?', path)[0]?.['fingerprint'];
  }

  noteSeen(path: string, fingerprint: string): void {
    this.#sql.run('INSERT OR REPLACE INTO seen_folders VALUES (?, ?)', path, fingerprint);
  }

  /** Forgets how folders looked, but for these. */
  retainSeen(paths: ReadonlySet<string>): void {
    for (const { path } of this.#sql.all('SELECT path FROM seen_folders')) {
      if (!paths.has(path!)) this.#sql.run('DELETE FROM seen_folders WHERE path = ?', path!);
    }
  }
}
