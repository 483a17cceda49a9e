import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const durable = JSON.stringify(join(import.meta.dirname, 'durable.ts'));

/** Syncs a directory this often in a process of its own, and gives what came of each. */
function syncs(times: number, directory: string, faults: string): readonly string[] {
  const code = `import { syncDirectory } from ${durable};
    for (let time = 0; time < ${times}; time += 1) console.log(await syncDirectory(process.argv[1]).then(() => 'done', (error) => [error.code, error.errno, error.message].join(' ')));`;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', code, '--', directory], { encoding: 'utf8', env: { ...process.env, BERTH_TEST_FAULTS: faults } }).trim().split('\n');
}

test('the operation of a number fails, or all from it on, counted over several processes', (t) => {
  const faults = mkdtempSync(join(tmpdir(), 'berth-faults-'));
  t.after(() => {
    rmSync(faults, { recursive: true });
  });
  const failed = `EIO -5 EIO: i/o error, sync '${faults}'`;
  writeFileSync(join(faults, 'fault'), '3 EIO');
  assert.deepEqual([syncs(2, faults, faults), syncs(2, faults, faults)], [['done', 'done'], [failed, 'done']]);
  writeFileSync(join(faults, 'fault'), '6+ EIO\n');
  assert.deepEqual(syncs(3, faults, faults), ['done', failed, failed]);
  const lines = readFileSync(join(faults, 'operations'), 'utf8').trim().split('\n');
  assert.deepEqual(lines.map((line) => line.replace(/^\d+ /, '')), lines.map(() => `sync ${faults}`));
  assert.equal(lines.length, 7);
});
