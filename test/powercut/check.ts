/**
 * Looks at a disk after a power cut: `MNT=… POWERCUT_MARKS=… node check.ts`. The daemon must start on it, hold what was
 * acknowledged or that and the step that was under way, with whole images and nothing that the database does not name.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { verifyImage } from '../../src/image/index.ts';
import { digestHex } from '../../src/lib/digest.ts';
import { ApiClient } from '../support/api.ts';
import { TestDaemon } from '../support/berthd.ts';
import { steps, storeFolder, type Holding } from './plan.ts';

const root = join(process.env['MNT']!, storeFolder);
const acknowledged = readFileSync(process.env['POWERCUT_MARKS']!, 'utf8').split('\n').filter((line) => line.startsWith('acked')).length;
const holdings: readonly Holding[] = [{}, ...steps.map((step) => step.after)];

const daemon = new TestDaemon({ root });
try {
  await daemon.start();
  const apps = await new ApiClient(daemon.socket).apps();
  const held = Object.fromEntries(apps.map((app) => [app.name, app.version]));
  const allowed = holdings.slice(acknowledged, acknowledged + 2).map((holding) => JSON.stringify(sorted(holding)));
  assert.equal(allowed.includes(JSON.stringify(sorted(held))), true, `after ${acknowledged} steps: ${JSON.stringify(held)} is none of ${allowed.join(', ')}`);
  for (const app of apps) {
    const directory = join(root, 'images', digestHex(app.digest));
    assert.deepEqual(await verifyImage(directory, { digest: app.digest }), [], app.name);
  }
  assert.deepEqual(readdirSync(join(root, 'images')).toSorted(), apps.map((app) => digestHex(app.digest)).toSorted(), 'images that are named');
  assert.deepEqual(readdirSync(join(root, 'staging')), [], 'staging');
  assert.deepEqual(readdirSync(root).filter((name) => name.includes('corrupt')), [], 'the database is whole');
  if (held['beta'] !== undefined) assert.equal(existsSync(join(root, 'data/beta/1/data')), true, 'data directory of beta');
} catch (error) {
  process.stderr.write(`${daemon.log}\n`);
  throw error;
} finally {
  await daemon.destroy();
}

function sorted(holding: Holding): readonly (readonly [string, string])[] {
  return Object.entries(holding).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
