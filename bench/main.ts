/** The figures that Berth promises, measured side by side with what it is compared with: `npm run bench`. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { berthBundle, berthdBundle } from '../test/support/berthd.ts';
import { isMet, type Figure } from './figure.ts';
import { boot } from './figures/boot.ts';
import { bystanderCpu } from './figures/bystander-cpu.ts';
import { bystanderMemory } from './figures/bystander-memory.ts';
import { bystanderNetwork } from './figures/bystander-network.ts';
import { installBinary } from './figures/install-binary.ts';
import { installFiles } from './figures/install-files.ts';
import { memory } from './figures/memory.ts';
import { nodeProcesses } from './figures/node-processes.ts';
import { restart } from './figures/restart.ts';
import { start } from './figures/start.ts';
import { updateDowntime } from './figures/update-downtime.ts';
import { updateGrowth } from './figures/update-growth.ts';
import { updateThree } from './figures/update-three.ts';
import { describeMachine, type Machine } from './machine.ts';
import { withPart } from './parts.ts';
import { notes, table, type Row } from './table.ts';
import { Workbench } from './workbench.ts';

const figures: readonly Figure[] = [start, installFiles, installBinary, boot, restart, memory, nodeProcesses, updateDowntime, updateThree, updateGrowth, bystanderCpu, bystanderMemory, bystanderNetwork];

const usage = `Usage: npm run bench -- [NAME…] [--quick] [--json] [--save] [--plain-node]

Measures Berth's figures (all, or those named) and prints them with their limits. Needs root, and \`npm run build\` first.
Names: ${figures.map(({ name }) => name).join(', ')}

  --quick       few rounds: to see that it works, not to compare
  --json        print all single values as JSON
  --save        write the figures of bench/RESULTS.md (all figures only)
  --plain-node  run berthd with Node's own settings, not those it is shipped with
`;

interface Results {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly rows: readonly Row[];
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      'quick': { type: 'boolean', default: false },
      'json': { type: 'boolean', default: false },
      'save': { type: 'boolean', default: false },
      'plain-node': { type: 'boolean', default: false },
      'help': { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const unknown = positionals.filter((name) => !figures.some((figure) => figure.name === name));
  if (unknown.length > 0) throw new Error(`no such figure: ${unknown.join(', ')}; there are ${figures.map(({ name }) => name).join(', ')}`);
  if (values.save && (positionals.length > 0 || values.quick || values['plain-node'])) throw new Error('only all figures in a full run are saved');
  if (process.getuid?.() !== 0) throw new Error('containers need root');
  for (const bundle of [berthdBundle, berthBundle]) if (!existsSync(bundle)) throw new Error(`${bundle} is not there; run npm run build first`);

  const chosen = figures.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const results = await measure(chosen, { quick: values.quick, plainNode: values['plain-node'], command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ') });
  process.stdout.write(values.json ? json(results) : `${table(results.rows)}\n`);
  if (values.save) save(document(results));
}

async function measure(chosen: readonly Figure[], options: { readonly quick: boolean; readonly plainNode: boolean; readonly command: string }): Promise<Results> {
  const rows: Row[] = [];
  const date = new Date().toISOString().slice(0, 10);
  let machine: Machine = {};
  for (const figure of chosen) {
    // One for each figure, so that none is measured beside the leftovers of another.
    await using bench = await Workbench.make(options);
    const stop = endOnSignal(bench);
    machine = await describeMachine(bench.directory, dirname(bench.directory));
    process.stderr.write(`${figure.title} …\n`);
    const row = { figure, measurement: await figure.measure(bench) };
    rows.push(row);
    stop();
    for (const line of notes(row)) process.stderr.write(`  ${line}\n`);
  }
  return { date, command: options.command, machine, rows };
}

/** The rest of the file is of others. */
function save(figures: string): void {
  const path = join(import.meta.dirname, 'RESULTS.md');
  writeFileSync(path, withPart(existsSync(path) ? readFileSync(path, 'utf8') : '', figures));
}

/** Ctrl-C leaves nothing behind either. The result ends it. */
function endOnSignal(bench: Workbench): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const;
  const end = (signal: NodeJS.Signals): void => {
    process.stderr.write(`bench: ${signal}, taking everything away\n`);
    void bench[Symbol.asyncDispose]().finally(() => process.exit(1));
  };
  for (const signal of signals) process.once(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}

function json({ rows, ...about }: Results): string {
  const measured = rows.map(({ figure, measurement }) => {
    const { name, title, limit, unit } = figure;
    return { name, title, limit, unit, met: isMet(figure, measurement), ...measurement };
  });
  return `${JSON.stringify({ ...about, figures: measured }, undefined, 2)}\n`;
}

function document({ date, command, machine, rows }: Results): string {
  const about = Object.entries(machine).map(([name, value]) => `| ${name} | ${value} |`);
  return [
    '# Figures',
    '',
    `Measured on ${date} by \`${command}\`. Ratios are taken pair by pair between measurements that alternate in one run; the table`,
    'shows their median and range.',
    '',
    table(rows),
    '',
    '## Machine',
    '',
    '| | |',
    '|---|---|',
    ...about,
    '',
    '## What else was measured',
    ...rows.flatMap((row) => ['', `### ${row.figure.name}`, '', ...notes(row)]),
    '',
  ].join('\n');
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
