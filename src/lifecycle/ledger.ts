import type { AppRow, Store } from '../store/index.ts';
import { type AppRecord, outdated, readState, writeState } from './records.ts';

/** The ledger of an app's row; `faults` are columns that cannot be read and count as empty. */
export function openLedger(store: Pick<Store, 'updateApp'>, row: AppRow): { readonly ledger: Ledger; readonly faults: readonly string[] } {
  const { record, faults } = readState(row);
  const ledger = new Ledger(store, row.name, record);
  ledger.note(outdated(record, row.image));
  return { ledger, faults };
}

/**
 * The durable part of an app's state. Every write is a transaction that waits for the disk, so what has not changed is
 * not written, and what can wait joins the next write.
 */
export class Ledger {
  readonly #store: Pick<Store, 'updateApp'>;
  readonly #name: string;
  #record: AppRecord;
  #unsaved: Partial<AppRecord> = {};

  constructor(store: Pick<Store, 'updateApp'>, name: string, record: AppRecord) {
    this.#store = store;
    this.#name = name;
    this.#record = record;
  }

  get record(): AppRecord {
    return this.#record;
  }

  /** Durable when it returns. @throws what the store throws; then nothing has changed. */
  save(change: Partial<AppRecord>): void {
    const news = { ...this.#unsaved, ...this.#differing(change) };
    if (Object.keys(news).length > 0) this.#store.updateApp(this.#name, writeState(news));
    this.#record = { ...this.#record, ...change };
    this.#unsaved = {};
  }

  /** For what is a fact already: if it cannot be written now it joins the next write. Gives what the store threw. */
  keep(change: Partial<AppRecord>): Error | undefined {
    try {
      this.save(change);
      return undefined;
    } catch (error) {
      this.note(change);
      return error as Error;
    }
  }

  /** Changes in memory; durable with the next write. */
  note(change: Partial<AppRecord>): void {
    this.#unsaved = { ...this.#unsaved, ...this.#differing(change) };
    this.#record = { ...this.#record, ...change };
  }

  #differing(change: Partial<AppRecord>): Partial<AppRecord> {
    const entries = Object.entries(change) as [keyof AppRecord, unknown][];
    return Object.fromEntries(entries.filter(([key, value]) => value !== this.#record[key]));
  }
}
