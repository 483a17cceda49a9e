/**
 * Runs the tests: `npm test`, `npm test -- src/image/ar.test.ts`, `npm test -- --test-name-pattern=unpack`.
 * Arguments that begin with `-` go to Node's test runner, the others choose files instead of all of them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { buildBundles } from './build.ts';
import { giveToOwner } from './owner.ts';

const everything = ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'examples/**/*.test.ts', 'bench/**/*.test.ts', 'test/**/*.test.ts'];
/** A file of tests that takes longer hangs, and is ended by the runner. */
const fileTimeoutMs = 15 * 60_000;

const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('-'));
const files = args.filter((arg) => !arg.startsWith('-'));
const reporter = options.some((option) => option.startsWith('--test-reporter')) ? [] : ['--test-reporter=./scripts/reporter.ts'];

// Scenario tests run the programs as they are shipped.
await buildBundles();
const runner = spawn(
  process.execPath,
  [
    '--test',
    `--test-concurrency=${Math.min(availableParallelism(), 4)}`,
    `--test-timeout=${fileTimeoutMs}`,
    ...reporter,
    ...options,
    ...(files.length > 0 ? files : everything),
  ],
  { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' },
);
// The terminal sends Ctrl-C to the runner as well; this process only waits for what it makes of it.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => {
  runner.kill('SIGTERM');
});
const [code] = (await once(runner, 'exit')) as [number | null];
await giveToOwner();
process.exitCode = code ?? 1;
