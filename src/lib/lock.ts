import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { BerthError } from './errors.ts';

/** A lock that is held by this process; the kernel drops it with the process, however that ends. */
export interface Lock extends Disposable {
  readonly path: string;
}

/** How long another holder that is about to end is waited for, in milliseconds. */
const patienceMs = 5000;

/**
 * Takes the lock that the file at `path` stands for. Node has no way to lock a file, SQLite has (fcntl(2) locks).
 * @throws BerthError `conflict` saying who is meant by `holder` if another process has it
 */
export function takeLock(path: string, holder: string): Lock {
  // For the owner alone: who may read a file may also lock it.
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path, { timeout: patienceMs });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new BerthError('conflict', `${path} is locked: ${holder}`, { cause: error });
  }
  return {
    path,
    [Symbol.dispose]: () => {
      database.close();
    },
  };
}
