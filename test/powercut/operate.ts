/** Does the steps of the plan on a store, and marks each one that was acknowledged: `node operate.ts STORE PACKAGES`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestDaemon } from '../support/berthd.ts';
import { steps } from './plan.ts';

const [root, packages] = process.argv.slice(2) as [string, string];
const daemon = new TestDaemon({ root });
try {
  await daemon.start();
  for (const [index, { command }] of steps.entries()) {
    await daemon.json(...command.map((word) => (word.endsWith('.ipk') ? join(packages, word) : word)));
    writeFileSync(process.env['POWERCUT_MARK']!, `acked ${index + 1}\n`);
  }
} finally {
  await daemon.destroy();
}
