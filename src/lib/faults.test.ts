import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

test('the operation of a number among those whose line contains a text fails, or all from it on', (t) => {
  const faults = mkdtempSync(join(tmpdir(), 'berth-faults-'));
  t.after(() => {
    rmSync(faults, { recursive: true });
  });
  const [one, other] = ['one', 'other'].map((name) => join(faults, name)) as [string, string];
  for (const directory of [one, other]) mkdirSync(directory);
  const outcomes = (fault: string): readonly string[] => {
    rmSync(join(faults, 'operations'), { force: true });
    writeFileSync(join(faults, 'fault'), fault);
    return [one, other, one, other].flatMap((directory) => syncs(1, directory, faults).map((line) => line.split(' ')[0]!));
  };
  assert.deepEqual(outcomes('2 EIO sync'), ['done', 'EIO', 'done', 'done']);
  assert.deepEqual(outcomes('1 EIO /other'), ['done', 'EIO', 'done', 'done']);
  assert.deepEqual(outcomes('1+ EROFS /other'), ['done', 'EROFS', 'EROFS', 'EROFS']);
  assert.deepEqual(outcomes('3+ EIO /other'), ['done', 'done', 'done', 'done']);
});
