import { join } from 'node:path';
import type { WorkerCommand } from '../image/index.ts';
import { Confinement, endStrays, type Command } from '../lib/confinement.ts';
import { idsPerApp } from '../lib/id-range.ts';
import type { IdPool, Store } from '../store/index.ts';
import type { Workers } from '../update/index.ts';

/** The programs of berthd's children, and the directories and files that they are loaded from. */
export interface WorkerPrograms {
  readonly unpack: Command;
  readonly copy: Command;
  readonly files: readonly string[];
}

/** berthd's children, each where it can do no harm but to what it was given. */
export class ConfinedWorkers implements Workers, AsyncDisposable {
  readonly #programs: WorkerPrograms;
  readonly #ids: IdPool;
  readonly #store: Pick<Store, 'root' | 'idRange'>;
  /** Made when it is first needed, since many starts of berthd need none. */
  #unpacking: Promise<Confinement> | undefined;

  constructor(programs: WorkerPrograms, ids: IdPool, store: Pick<Store, 'root' | 'idRange'>) {
    this.#programs = programs;
    this.#ids = ids;
    this.#store = store;
    endStrays(ids.base, this.#staging);
  }

  get #staging(): string {
    return join(this.#store.root, 'staging');
  }

  async unpack(): Promise<WorkerCommand> {
    this.#unpacking ??= this.#confineUnpacking();
    try {
      return { ...(await this.#unpacking).run(this.#programs.unpack), user: this.#ids.base };
    } catch (error) {
      this.#unpacking = undefined;
      throw error;
    }
  }

  async copy(app: string, from: string, to: string): Promise<Command & Disposable> {
    const root = this.#store.idRange(app);
    const confinement = await Confinement.open({
      ids: [{ inside: 0, outside: root, count: idsPerApp }],
      readable: [...this.#programs.files, from],
      writable: [to],
    });
    return { ...confinement.run(this.#programs.copy), [Symbol.dispose]: () => { confinement[Symbol.dispose](); } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#unpacking?.catch(() => undefined))?.[Symbol.dispose]();
  }

  /** Its root is a user whose nothing else is; the apps' users keep their numbers, so that files can be given to them. */
  #confineUnpacking(): Promise<Confinement> {
    const { base, count } = this.#ids;
    const apps = base + idsPerApp;
    return Confinement.open({
      ids: [{ inside: 0, outside: base, count: idsPerApp }, { inside: apps, outside: apps, count: (count - 1) * idsPerApp }],
      readable: this.#programs.files,
      writable: [this.#staging],
    });
  }
}
