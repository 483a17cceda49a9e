import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { IdRanges, rangeOf, type IdPool } from './id-ranges.ts';
import { schemaSteps } from './schema.ts';
import { Sql } from './sql.ts';

const pool: IdPool = { base: 1_000_000, count: 4 };
const width = 65_536;

function openSql(t: TestContext): Sql {
  const database = new DatabaseSync(':memory:');
  t.after(() => { database.close(); });
  for (const step of schemaSteps) database.exec(step);
  return new Sql(database, () => false);
}

function keepDataOf(sql: Sql, app: string): void {
  sql.run('INSERT INTO kept_data VALUES (?, 1)', app);
}

test('each app has a range of its own, the same every time', (t) => {
  const sql = openSql(t);
  const ranges = new IdRanges(sql, pool, new Set());
  const given = ['a', 'b', 'a', 'b'].map((app) => ranges.of(app));
  assert.deepEqual(given, [1_000_000 + width, 1_000_000 + 2 * width, 1_000_000 + width, 1_000_000 + 2 * width]);
  assert.equal(new IdRanges(sql, pool, new Set()).of('b'), given[1]);
});

test('a range goes to another app only when nothing of the one that had it is there', (t) => {
  const sql = openSql(t);
  const ranges = new IdRanges(sql, pool, new Set());
  keepDataOf(sql, 'kept');
  const [kept, gone] = [ranges.of('kept'), ranges.of('gone')];
  ranges.free();
  assert.equal(ranges.of('next'), gone);
  assert.equal(ranges.of('kept'), kept);
});

test('when all ranges are taken, the next app is told so', (t) => {
  const ranges = new IdRanges(openSql(t), pool, new Set());
  for (const app of ['a', 'b', 'c']) ranges.of(app);
  assert.throws(() => ranges.of('d'), /no users are left for d: all 3 ranges/);
});

test('users to whom files belong that the database does not know are given to nobody', (t) => {
  const ranges = new IdRanges(openSql(t), pool, new Set([1, 2]));
  assert.equal(ranges.of('a'), 1_000_000 + 3 * width);
});

test('another base is refused while an app has a range, and so are too few ranges', (t) => {
  const sql = openSql(t);
  const ranges = new IdRanges(sql, pool, new Set());
  for (const app of ['a', 'b']) ranges.of(app);
  assert.throws(() => new IdRanges(sql, { ...pool, base: 2_000_000 }, new Set()), /ids\.base is 2000000, but .* from 1000000 on/);
  assert.throws(() => new IdRanges(sql, { ...pool, count: 2 }, new Set()), /ids\.count is 2, .* at least 3/);
  ranges.free();
  assert.equal(new IdRanges(sql, { ...pool, base: 2_000_000 }, new Set()).of('a'), 2_000_000 + width);
});

test('a user is in the range of an app, or in none', () => {
  const first = pool.base + width;
  assert.deepEqual([0, pool.base, first - 1, first, first + width - 1, first + width, pool.base + 4 * width].map((user) => rangeOf(user, pool)),
    [undefined, undefined, undefined, 1, 1, 2, undefined]);
});
