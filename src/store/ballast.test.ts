import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BerthError, type ErrorCode } from '../lib/errors.ts';
import { Ballast, ballastBytes } from './ballast.ts';
import { Sql } from './sql.ts';

test('ballast is taken, given up once, and taken again', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-ballast-'));
  t.after(() => {
    rmSync(directory, { recursive: true });
  });
  const path = join(directory, 'ballast');
  const ballast = new Ballast(path);
  assert.equal(ballast.giveUp(), false);
  ballast.take();
  assert.equal(statSync(path).size, ballastBytes);
  assert.deepEqual([ballast.giveUp(), ballast.giveUp(), existsSync(path)], [true, false, false]);
  ballast.take();
  assert.equal(statSync(path).blocks * 512 >= ballastBytes, true);
});

/** How often a transaction is tried that fails `failures` times, and what comes of it. */
function tries(method: 'transaction' | 'urgent', failures: number, code: ErrorCode, hasRoom: boolean): readonly [number, string] {
  using database = new DatabaseSync(':memory:');
  const sql = new Sql(database, () => hasRoom);
  let count = 0;
  try {
    sql[method](() => {
      count += 1;
      if (count <= failures) throw new BerthError(code, 'it fails');
    });
    return [count, 'done'];
  } catch (error) {
    return [count, (error as BerthError).code];
  }
}

test('only what is urgent is tried once more on a full disk, and only when room was made', () => {
  assert.deepEqual(tries('urgent', 1, 'no_space', true), [2, 'done']);
  assert.deepEqual(tries('urgent', 2, 'no_space', true), [2, 'no_space']);
  assert.deepEqual(tries('urgent', 1, 'no_space', false), [1, 'no_space']);
  assert.deepEqual(tries('urgent', 1, 'io', true), [1, 'io']);
  assert.deepEqual(tries('transaction', 1, 'no_space', true), [1, 'no_space']);
});
