import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzPackages } from './fuzz-package.ts';

test('2,000 mutated payloads unpack as their manifests say or are refused, and leave nothing behind', async (t) => {
  const seed = Math.floor(Math.random() * 1_000_000);
  t.diagnostic(`seed ${seed}: node test/fuzz-package.ts --seed ${seed} --cases 2000`);
  const result = await fuzzPackages({ seed, cases: 2000 });
  t.diagnostic(JSON.stringify(result));
  assert.equal(result.cases, 2000);
  // A fuzz test whose payloads are all refused, or all taken, tests little.
  assert.ok(Object.values(result.accepted).every((count) => count > 50) && (result.refused['bad_package'] ?? 0) > 500, JSON.stringify(result));
});
