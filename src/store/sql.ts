import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { asBerthError } from '../lib/errors.ts';
import { failIfTold } from '../lib/faults.ts';
import { asDiskError } from './sqlite-error.ts';

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, never>>;

/** Statements and transactions on one database. */
export class Sql {
  readonly #database: DatabaseSync;
  readonly #makeRoom: () => boolean;

  /** @param makeRoom gives up what is kept free on the disk for {@link urgent}; false if there is nothing */
  constructor(database: DatabaseSync, makeRoom: () => boolean) {
    this.#database = database;
    this.#makeRoom = makeRoom;
  }

  all(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#database.prepare(sql).all(...values) as unknown as Row[];
  }

  /**
   * Gives how many rows were changed, and the id of the last one that was made.
   * @throws BerthError `no_space`, `io`
   */
  run(sql: string, ...values: SQLInputValue[]): { readonly changes: number; readonly id: number } {
    try {
      if (!this.#database.isTransaction) failIfTold('transaction', sql);
      const { changes, lastInsertRowid } = this.#database.prepare(sql).run(...values);
      return { changes: Number(changes), id: Number(lastInsertRowid) };
    } catch (error) {
      throw asDiskError(error);
    }
  }

  /** Sets columns of the rows that a condition picks. Names come from code, values from anywhere. */
  update(table: string, columns: Readonly<Record<string, SQLInputValue>>, where: string, ...values: SQLInputValue[]): void {
    const names = Object.keys(columns);
    if (names.length === 0) return;
    this.run(`UPDATE ${table} SET ${names.map((name) => `${name} = ?`).join(', ')} WHERE ${where}`, ...Object.values(columns), ...values);
  }

  /**
   * All of it or nothing; durable when it returns.
   * @throws BerthError `no_space`, `io`
   */
  transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      failIfTold('transaction', 'several statements');
      this.#database.exec('COMMIT');
    } catch (error) {
      // A full disk has made SQLite roll back by itself.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw asDiskError(error);
    }
  }

  /** As {@link transaction}, for what gives room back or ends an update: a full disk does not keep it from being written. */
  urgent(work: () => void): void {
    try {
      this.transaction(work);
    } catch (error) {
      if (asBerthError(error).code !== 'no_space' || !this.#makeRoom()) throw error;
      this.transaction(work);
    }
  }

  close(): void {
    this.#database.close();
  }
}
