import type { AppFigures, AppStatus } from '../../lifecycle/index.ts';
import type { Command } from '../command.ts';
import { healthSpan, memoryOf, none, noteOf, stateSpan, uptimeSpan } from '../format.ts';
import { span, type Span } from '../style.ts';
import { renderTable, type Column, type Surface } from '../table.ts';

/** The table of `berth ps`. `now`: the device's clock. A column that would be empty is left out. */
export function renderApps(apps: readonly AppStatus[], figures: readonly AppFigures[], now: number, surface: Surface): string {
  if (apps.length === 0) return 'No apps are installed; `berth install PAYLOAD` installs one.\n';
  const all: (Column & { readonly cell: (app: AppStatus) => Span })[] = [
    { title: 'APP', least: 8, cell: (app) => span(app.name, 'bold') },
    { title: 'VERSION', least: 7, cell: (app) => span(app.version) },
    { title: 'STATE', cell: stateSpan },
    { title: 'UPTIME', right: true, cell: (app) => uptimeSpan(app, now) },
    { title: 'RESTARTS', right: true, cell: (app) => (app.restarts === 0 ? span('0', 'dim') : span(String(app.restarts), 'yellow')) },
    {
      title: 'MEMORY',
      right: true,
      cell: ({ name }) => {
        const found = figures.find((entry) => entry.name === name);
        return found === undefined ? none : span(memoryOf(found, false));
      },
    },
  ];
  if (apps.some((app) => app.health !== 'none')) all.push({ title: 'HEALTH', cell: healthSpan });
  if (apps.some((app) => !app.signed)) all.push({ title: 'SIGNED', cell: ({ signed }) => (signed ? span('yes') : span('unsigned', 'yellow')) });
  if (apps.some((app) => noteOf(app, now) !== '')) all.push({ title: 'NOTE', least: 12, cell: (app) => span(noteOf(app, now), 'dim') });
  return renderTable(all, apps.map((app) => all.map((column) => column.cell(app))), surface);
}

export const ps: Command = {
  name: 'ps',
  args: [],
  options: [],
  summary: 'list apps and their state',
  help: [
    'Shows every installed app: its state, how long it has been up, how often it was restarted since a person last started it, its memory, its health if it has a health check, and what there is to know about its state.',
    'States are stopped, starting, running, suspended, stopping, backoff (ended by itself, will be started again) and failed (restarted too often, stays down).',
  ],
  examples: [
    { line: 'berth ps', meaning: 'all apps' },
    { line: 'berth ps --json | jq -r \'.apps[] | select(.state == "failed").name\'', meaning: 'names of those that failed' },
  ],
  run: async ({ client, json, result, colour, width }) => {
    const document = await client.request<{ apps: readonly AppStatus[] }>('GET', '/apps');
    const stats = json ? undefined : await client.request<{ at: number; figures: readonly AppFigures[] }>('GET', '/stats');
    await result(document, () => renderApps(document.apps, stats!.figures, stats!.at, { colour, width }));
  },
};
