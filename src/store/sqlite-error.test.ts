import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Sql } from './sql.ts';

test('what the disk does not take is told as such, and changes nothing', () => {
  using database = new DatabaseSync(':memory:');
  const sql = new Sql(database, () => false);
  database.exec('CREATE TABLE notes (text TEXT)');
  const fill = (): void => {
    sql.run('INSERT INTO notes VALUES (?)', 'x'.repeat(100_000));
  };
  database.exec('PRAGMA max_page_count = 3');
  assert.throws(fill, { code: 'no_space', message: /^the database cannot be written: no space is left/ });
  assert.throws(() => { sql.transaction(fill); }, { code: 'no_space' });
  database.exec('PRAGMA query_only = ON');
  assert.throws(fill, { code: 'io', message: /^the disk does not take what is written to the database: / });
  assert.deepEqual(sql.all('SELECT * FROM notes'), []);
});

test('other errors of the database stay as they are', () => {
  using database = new DatabaseSync(':memory:');
  assert.throws(() => new Sql(database, () => false).run('INSERT INTO notes VALUES (1)'), { code: 'ERR_SQLITE_ERROR', message: /no such table/ });
});
