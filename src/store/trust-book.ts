import type { Recall } from '../trust/index.ts';
import type { Sql } from './sql.ts';

/** The last list of recalls that an authority has published, as it was found good. */
export interface RecallList {
  readonly authority: string;
  /** Counts up with each list of the authority. */
  readonly sequence: number;
  readonly recalls: readonly Recall[];
}

/** What a device remembers of whom it trusts: to which authority each app belongs, what was recalled, and how late it was. */
export class TrustBook {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Authorities by the apps that belong to them; also of apps that are not there any more. */
  owners(): ReadonlyMap<string, string> {
    return new Map(this.#sql.all('SELECT app, authority FROM owners ORDER BY app').map((row) => [row['app']!, row['authority']!]));
  }

  /** The authority that an app belongs to; undefined if it never had a signed version. */
  owner(app: string): string | undefined {
    return this.#sql.all('SELECT authority FROM owners WHERE app = ?', app)[0]?.['authority'];
  }

  /** Hands an app over; to nobody without an authority. */
  handOver(app: string, authority: string | undefined): void {
    if (authority === undefined) this.#sql.run('DELETE FROM owners WHERE app = ?', app);
    else this.#sql.run('INSERT OR REPLACE INTO owners VALUES (?, ?)', app, authority);
  }

  recallLists(): readonly RecallList[] {
    return this.#sql.all('SELECT * FROM recall_lists ORDER BY authority').map((row) => ({
      authority: row['authority']!,
      sequence: row['sequence']!,
      recalls: JSON.parse(row['recalls']!) as readonly Recall[],
    }));
  }

  /** Everything that is recalled, by all authorities. */
  recalls(): readonly Recall[] {
    return this.recallLists().flatMap(({ recalls }) => recalls);
  }

  /** Takes the place of the authority's list before. */
  takeRecallList({ authority, sequence, recalls }: RecallList): void {
    this.#sql.urgent(() => {
      this.#sql.run('INSERT OR REPLACE INTO recall_lists VALUES (?, ?, ?)', authority, sequence, JSON.stringify(recalls));
    });
  }

  /** The latest moment that is known to be over, milliseconds since 1970. */
  lastTime(): number | undefined {
    const [row] = this.#sql.all(`SELECT value FROM meta WHERE name = 'last-time'`);
    return row === undefined ? undefined : Number(row['value']);
  }

  /** This moment is over. One before the last that is known changes nothing. */
  noteTime(now: number): void {
    if (now > (this.lastTime() ?? -Infinity)) this.#sql.run(`INSERT OR REPLACE INTO meta VALUES ('last-time', ?)`, String(now));
  }

  /** The operator says that what is known of the time is wrong. */
  forgetTime(): void {
    this.#sql.run(`DELETE FROM meta WHERE name = 'last-time'`);
  }
}
