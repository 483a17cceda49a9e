/** `npm run test:powercut`: cuts the power during every operation, a thousand times and more each. */
import { availableParallelism, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildBundles } from '../../scripts/build.ts';
import { projectRoot, whyNoContainers } from '../support/berthd.ts';
import { Campaign, mounts, subjects, type Outcome, type Piece } from './campaign.ts';
import { resultsOf, saveResults, table } from './results.ts';
import { whyNoPowerCuts } from './rig.ts';

const usage = `Usage: npm run test:powercut [-- --points N --operation NAME --jobs N --seed S --save]

  --points N        moments of each operation (default 1000)
  --operation NAME  only this one (may be given several times): ${subjects.map(({ name }) => name).join(', ')}
  --jobs N          at the same time (default: as many as there are processors)
  --seed S          of the first recording; the next ones count up
  --save            put the results into bench/RESULTS.md
`;

/** Moments tried of one recording, which is one interleaving of what the kernel does. */
const pointsOfRecording = 250;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      points: { type: 'string', default: '1000' },
      operation: { type: 'string', multiple: true, default: [] },
      jobs: { type: 'string', default: String(availableParallelism()) },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const unknown = values.operation.filter((name) => !subjects.some((subject) => subject.name === name));
  if (unknown.length > 0) throw new Error(`no such operation: ${unknown.join(', ')}`);
  const obstacle = whyNoPowerCuts() ?? whyNoContainers();
  if (obstacle !== undefined) throw new Error(obstacle);
  await buildBundles();
  const [points, jobs, seed] = [whole('points', values.points, 1), whole('jobs', values.jobs, 1), whole('seed', values.seed, 0)];
  const date = new Date().toISOString().slice(0, 10);
  const chosen = subjects.map(({ name }) => name).filter((name) => values.operation.length === 0 || values.operation.includes(name));
  const outcomes: Outcome[] = [];
  await using campaign = await Campaign.prepare(jobs);
  for (const piece of chosen.flatMap((operation) => pieces(operation, points, seed))) {
    const outcome = await campaign.cut(piece);
    outcomes.push(outcome);
    process.stderr.write(`${piece.operation}, ${piece.mount}, seed ${piece.seed}: ${outcome.survived} of ${outcome.tried} survived\n`);
    for (const { point, again } of outcome.failures.slice(0, 3)) process.stderr.write(`  point ${point.k}, ${point.label}:\n${point.out}\n  again: ${again}\n`);
    if (values.save) saveResults(join(projectRoot, 'bench/RESULTS.md'), resultsOf(outcomes, date), about());
  }
  process.stdout.write(`${table(resultsOf(outcomes, date))}\n`);
  if (outcomes.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

function about(): readonly string[] {
  return [
    'Moments at which power was cut, and after how many of them the device was wholly at the old or wholly at the new, as',
    `\`npm run test:powercut -- --save\` found (kernel ${release()}, ext4, another program that calls fsync about every 5 ms).`,
    'How they are made and what is looked at: [docs/powercut.md](../docs/powercut.md).',
    '',
    ...subjects.map(({ name, title }) => `- ${name}: ${title}`),
  ];
}

/** Recordings, in turn with and without the help of ext4. */
function pieces(operation: string, points: number, seed: number): readonly Piece[] {
  const count = Math.max(mounts.length, Math.ceil(points / pointsOfRecording));
  return Array.from({ length: count }, (_, index) => ({ operation, mount: mounts[index % mounts.length]!, points: Math.ceil(points / count), seed: seed + index }));
}

function whole(name: string, text: string, least: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) throw new Error(`--${name}: ${text} is not a whole number from ${least}`);
  return Number(text);
}

main().catch((error: unknown) => {
  process.stderr.write(`powercut: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 2;
});
