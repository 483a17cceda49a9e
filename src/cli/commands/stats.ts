import type { AppFigures } from '../../lifecycle/index.ts';
import type { Command } from '../command.ts';
import { memoryOf, processorShare } from '../format.ts';
import { span } from '../style.ts';
import { renderTable, type Surface } from '../table.ts';

interface Reading {
  readonly at: number;
  readonly figures: readonly AppFigures[];
}

/** The table of `berth stats`; processor shares need an earlier reading. */
export function renderFigures(before: Reading | undefined, after: Reading, surface: Surface): string {
  if (after.figures.length === 0) return 'No app is running.\n';
  const columns = [
    { title: 'APP', least: 8 },
    { title: 'CPU', right: true },
    { title: 'MEMORY', right: true },
    { title: 'PROCESSES', right: true },
    { title: 'RESTARTS', right: true },
  ] as const;
  const rows = after.figures.map((figures) => [
    span(figures.name, 'bold'),
    span(processorShare(before?.figures.find((entry) => entry.name === figures.name), figures)),
    span(memoryOf(figures, true)),
    span(String(figures.processes)),
    span(String(figures.restarts)),
  ]);
  return renderTable(columns, rows, surface);
}

/** What takes the terminal's cursor back over `text`, so that the next one replaces it. */
function rewind(text: string): string {
  const lines = text.split('\n').length - 1;
  return `\x1b[${lines}A\x1b[0J`;
}

export const stats: Command = {
  name: 'stats',
  args: [{ name: 'APP', optional: true, kind: 'app' }],
  options: [{ name: 'no-stream', summary: 'one reading, then end' }],
  summary: 'show processor time, memory and processes of running apps',
  help: [
    'Shows figures from the apps\' cgroups, every second until Ctrl-C. CPU is the share of one processor since the reading before; MEMORY leaves out page cache that can be dropped at once.',
  ],
  examples: [
    { line: 'berth stats', meaning: 'all running apps, live' },
    { line: 'berth stats --no-stream --json', meaning: 'one reading for a script' },
  ],
  run: async ({ client, io, json, result, colour, width }, { args, flags }) => {
    if (json && flags.has('no-stream')) {
      await result(await client.request<Reading>('GET', '/stats', { app: args[0] }), () => '');
      return;
    }
    let before: Reading | undefined;
    let shown = '';
    for await (const reading of client.lines<Reading>('/stats', { app: args[0], stream: true })) {
      if (json) {
        await io.out(`${JSON.stringify(reading)}\n`);
        continue;
      }
      if (flags.has('no-stream')) {
        // A share needs two readings.
        if (before !== undefined) {
          await io.out(renderFigures(before, reading, { colour, width }));
          return;
        }
      } else {
        const table = renderFigures(before, reading, { colour, width: io.outTerminal ? io.columns() : undefined });
        const visible = io.outTerminal ? `${table.split('\n').slice(0, Math.max(1, io.rows() - 1)).join('\n').trimEnd()}\n` : table;
        await io.out((io.outTerminal && shown !== '' ? rewind(shown) : '') + visible);
        shown = visible;
      }
      before = reading;
    }
  },
};
