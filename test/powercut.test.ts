/** The power is cut at many moments while apps are installed, replaced and removed, on a real ext4. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../src/lib/process.ts';
import { projectRoot, whyNoContainers } from './support/berthd.ts';
import { makePackage } from './support/packages.ts';
import { storeFolder } from './powercut/plan.ts';

const rig = join(projectRoot, '../shared/powercut/powercut');

/** Moments that are tried; more by hand: `POWERCUT_POINTS=2000 npm test -- test/powercut.test.ts`. */
const points = process.env['POWERCUT_POINTS'] ?? '60';

function whyNotHere(): string | undefined {
  if (existsSync(rig)) return whyNoContainers();
  if (process.env['CI'] !== undefined) throw new Error('the power-cut rig is missing, and in CI this must run');
  return 'the power-cut rig (../shared/powercut) is not here';
}

const skip = whyNotHere();

for (const [name, options] of [
  ['with a busy journal', ['--churn', '5']],
  ['without the help of ext4 against missing syncs', ['--mount-opts', 'noauto_da_alloc']],
] as const) {
  test(`a power cut at ${points} moments of install, replacement and removal, ${name}, leaves the old or the new`, skip === undefined ? { timeout: 600_000 } : { skip }, async (t) => {
    const directory = mkdtempSync('/var/tmp/berth-cut-');
    t.after(() => { rmSync(directory, { recursive: true }); });
    const seed = String(Date.now() % 1_000_000);
    t.diagnostic(`seed ${seed}`);
    for (const version of ['1.0', '2.0']) await makePackage(directory, { name: 'alpha', version, files: { 'etc/version': version } });
    await makePackage(directory, { name: 'beta', annotations: { data: '/data' } });
    const log = join(directory, 'disk.log');
    const script = (file: string): string[] => [process.execPath, join(projectRoot, 'test/powercut', file)];
    const mount = join(directory, 'mnt');
    const env = { ...process.env, POWERCUT_NODE: process.execPath };
    await must([rig, 'record', '--size', '64M', '--dir', mount, '--log', log, ...options, '--', ...script('operate.ts'), join(mount, storeFolder), directory], env);
    await must([rig, 'explore', '--log', log, '--points', points, '--seed', seed, '--jobs', '2', '--', ...script('check.ts')], env);
  });
}

async function must([command, ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const { code, stdout, stderr } = await run(command!, args, { env, timeoutMs: 500_000 });
  assert.equal(code, 0, `${command} ${args[0]}:\n${stdout}\n${stderr}`);
}
