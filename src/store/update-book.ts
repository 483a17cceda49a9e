import type { Digest } from '../lib/digest.ts';
import { toMemberRow, toUpdateRow } from './rows.ts';
import type { Sql } from './sql.ts';
import type { ImageRow, MemberRow, UpdateEnd, UpdateNote, UpdateRow } from './types.ts';

/** Rows of updates that are over which are kept for people to read. */
export const historyRows = 200;

/** How a commit ends an update, and how many images before the current one each app keeps. */
export interface Commit {
  readonly end: UpdateEnd;
  readonly keep: number;
}

/** The updates in the database: those that are over, and those under way with their members. Every change is one transaction. */
export class UpdateBook {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Newest first. */
  list(): readonly UpdateRow[] {
    return this.#sql.all('SELECT * FROM updates ORDER BY id DESC').map(toUpdateRow);
  }

  get(id: number): UpdateRow | undefined {
    return this.#sql.all('SELECT * FROM updates WHERE id = ?', id).map(toUpdateRow)[0];
  }

  /** Those that are not over, oldest first. */
  underWay(): readonly UpdateRow[] {
    return this.#sql.all(`SELECT * FROM updates WHERE state <> 'over' ORDER BY id`).map(toUpdateRow);
  }

  members(id: number): readonly MemberRow[] {
    return this.#sql.all('SELECT * FROM members WHERE update_id = ? ORDER BY app', id).map(toMemberRow);
  }

  /** The version below which an app is not taken; undefined if it never was committed. */
  floor(app: string): string | undefined {
    return this.#sql.all('SELECT version FROM floors WHERE app = ?', app)[0]?.['version'];
  }

  /** Images that are kept for a way back, newest first. */
  previous(app: string): readonly Digest[] {
    return this.#sql.all('SELECT image FROM previous_images WHERE app = ? ORDER BY position DESC', app).map((row) => row['image']!);
  }

  begin(update: Pick<UpdateRow, 'source' | 'origin' | 'startedAt' | 'details'>): number {
    return this.#sql.run(
      `INSERT INTO updates (source, origin, state, started_at, details) VALUES (?, ?, 'open', ?, ?)`,
      update.source, update.origin, update.startedAt, update.details,
    ).id;
  }

  note(id: number, { state, code, reason, details, trial }: UpdateNote): void {
    const columns = Object.entries({ state, code, reason, details, trial });
    this.#sql.update('updates', Object.fromEntries(columns.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))), 'id = ?', id);
  }

  noteMember(app: string, trial: string): void {
    this.#sql.update('members', { trial }, 'app = ?', app);
  }

  /** The new images, which are on disk, are named as those of an update's members. */
  nameMembers(id: number, images: readonly ImageRow[], members: readonly Omit<MemberRow, 'update'>[], note: UpdateNote): void {
    this.#sql.transaction(() => {
      for (const image of images) {
        // Of contents that are there already, that somebody vouches for them is news; that now nobody does is none.
        this.#sql.run(
          `INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET signed = 1, authority = excluded.authority, signers = excluded.signers WHERE excluded.signed = 1`,
          image.digest, image.package, image.version, image.architecture, image.depends, image.description,
          image.bytes, image.entries, Number(image.signed), image.addedAt, image.authority ?? null, JSON.stringify(image.signers),
        );
      }
      for (const member of members) {
        this.#sql.run(
          'INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
          member.app, id, member.image, member.generation, member.desired,
          member.oldImage, member.oldGeneration, member.oldInstalledAt, member.floor, member.trial, member.owner,
        );
      }
      this.note(id, note);
    });
  }

  /** The switch: every member's app is pointed at its new image and data. With `end`, nothing is tried and it is over. */
  switchOver(id: number, now: number, then: { readonly note: UpdateNote } | Commit): void {
    this.#sql.transaction(() => {
      for (const member of this.members(id)) {
        this.#sql.run(
          `INSERT INTO apps (name, image, desired, data_generation, installed_at) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (name) DO UPDATE SET image = excluded.image, data_generation = excluded.data_generation,
             installed_at = excluded.installed_at, restarts = 0, failed = 0, last_exit = NULL`,
          member.app, member.image, member.desired, member.generation, now,
        );
        this.#sql.run('DELETE FROM kept_data WHERE app = ?', member.app);
        this.#sql.run('DELETE FROM leavings WHERE app = ?', member.app);
      }
      if ('end' in then) this.#commit(id, then);
      else this.note(id, then.note);
    });
  }

  /** The new versions stay: floors and owners are set, and what was before is kept as far as `keep` says. */
  commit(id: number, then: Commit): void {
    this.#sql.urgent(() => {
      this.#commit(id, then);
    });
  }

  /** The way back, after the switch: images and data as they were before. */
  rollBack(id: number, end: UpdateEnd): void {
    this.#sql.urgent(() => {
      for (const member of this.members(id)) {
        if (member.oldImage === null) {
          this.#sql.run('DELETE FROM apps WHERE name = ?', member.app);
          this.#sql.run('INSERT OR IGNORE INTO leavings VALUES (?)', member.app);
          if (member.oldGeneration !== null) this.#sql.run('INSERT INTO kept_data VALUES (?, ?)', member.app, member.oldGeneration);
        } else {
          this.#sql.run(
            'UPDATE apps SET image = ?, data_generation = ?, installed_at = ?, restarts = 0, failed = 0, last_exit = NULL WHERE name = ?',
            member.oldImage, member.oldGeneration, member.oldInstalledAt, member.app,
          );
        }
      }
      this.#end(id, end);
    });
  }

  /** It ends before the switch: nothing has changed. */
  end(id: number, end: UpdateEnd): void {
    this.#sql.urgent(() => {
      this.#end(id, end);
    });
  }

  #commit(id: number, { end, keep }: Commit): void {
    for (const { app, image, oldImage, floor, owner } of this.members(id)) {
      if (oldImage !== null && oldImage !== image) {
        this.#sql.run('INSERT OR REPLACE INTO previous_images (app, image, position) SELECT ?, ?, coalesce(max(position), 0) + 1 FROM previous_images WHERE app = ?', app, oldImage, app);
        this.#sql.run('DELETE FROM previous_images WHERE app = ? AND image = ?', app, image);
      }
      this.#sql.run('DELETE FROM previous_images WHERE app = ? AND image NOT IN (SELECT image FROM previous_images WHERE app = ? ORDER BY position DESC LIMIT ?)', app, app, keep);
      if (floor !== null) this.#sql.run('INSERT OR REPLACE INTO floors VALUES (?, ?)', app, floor);
      if (owner !== null) this.#sql.run('INSERT OR REPLACE INTO owners VALUES (?, ?)', app, owner);
    }
    this.#end(id, end);
  }

  #end(id: number, { outcome, code, reason, endedAt, details }: UpdateEnd): void {
    this.#sql.run('DELETE FROM members WHERE update_id = ?', id);
    this.#sql.update('updates', { state: 'over', outcome, code: code ?? null, reason: reason ?? null, ended_at: endedAt, details, trial: null }, 'id = ?', id);
    this.#sql.run(`DELETE FROM updates WHERE state = 'over' AND id <= (SELECT max(id) FROM updates) - ?`, historyRows);
    dropUnusedImages(this.#sql);
  }
}

/** Images that no app, no update under way and no way back needs are named no more. */
export function dropUnusedImages(sql: Sql): void {
  sql.run(`DELETE FROM images WHERE digest NOT IN (
    SELECT image FROM apps UNION SELECT image FROM members UNION
    SELECT old_image FROM members WHERE old_image IS NOT NULL UNION SELECT image FROM previous_images)`);
}
