import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Staging } from './staging.ts';

test('what cannot be taken away when its owner is done is collected later; what is in use is not', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-staging-'));
  t.after(() => {
    delete process.env['BERTH_TEST_FAULTS'];
    rmSync(directory, { recursive: true });
  });
  const [path, faults] = [join(directory, 'staging'), join(directory, 'faults')];
  for (const made of [path, faults]) mkdirSync(made);
  const staging = new Staging(path);
  await using used = await staging.open();
  const done = await staging.open();
  writeFileSync(join(faults, 'fault'), '1 EIO');
  process.env['BERTH_TEST_FAULTS'] = faults;
  await done[Symbol.asyncDispose]();
  assert.equal(readdirSync(path).length, 2);
  await staging.collect();
  assert.deepEqual(readdirSync(path), [used.path.slice(path.length + 1)]);
});
