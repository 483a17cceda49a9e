import type { AppFigures, AppStatus } from '../../lifecycle/index.ts';
import { formatSize } from '../../lib/units.ts';
import type { Command } from '../command.ts';
import { formatTime, healthSpan, memoryOf, noteOf, stateSpan, uptimeSpan } from '../format.ts';
import { span, type Span } from '../style.ts';
import { renderFields, renderTable, type Surface } from '../table.ts';

/** Everything `berth show` tells. `now`: the device's clock. */
export function renderApp(app: AppStatus, figures: AppFigures | undefined, now: number, surface: Surface): string {
  const fields: [string, Span][] = [
    ['App', span(app.name, 'bold')],
    ['Description', span(app.description)],
    ['Version', span(app.version)],
    ['Image', span(app.digest)],
    ['Signed', app.signed ? span('yes') : span('no', 'yellow')],
    ['State', stateSpan(app)],
    ['Wanted', span(app.desired)],
    ['Restarts', span(String(app.restarts))],
  ];
  const note = noteOf(app, now);
  if (app.health !== 'none') fields.push(['Health', healthSpan(app)]);
  if (note !== '' && app.state !== 'running') fields.push(['Reason', span(note)]);
  if (app.instance !== undefined) {
    fields.push(['Up', span(`${uptimeSpan(app, now).text}, since ${formatTime(app.instance.startedAt)}`)], ['Process', span(String(app.instance.pid))]);
  }
  if (figures !== undefined) {
    fields.push(['Memory', span(memoryOf(figures, false))], ['Processes', span(String(figures.processes))]);
    if (figures.memoryLimitBytes !== undefined) fields.push(['Memory limit', span(formatSize(figures.memoryLimitBytes))]);
  }
  if (app.lastExit !== undefined) fields.push(['Last end', span(`${app.lastExit.reason.message}, ${formatTime(app.lastExit.at)}`)]);
  const text = renderFields(fields, surface);
  if (app.withheld.length === 0) return text;
  const rows = app.withheld.map(({ path, why }) => [span(`  ${path}`), span(why)]);
  return `${text}\nAsked for in config.json and not granted:\n${renderTable([{ title: '  FIELD', least: 12 }, { title: 'WHY', least: 20 }], rows, surface)}`;
}

export const show: Command = {
  name: 'show',
  args: [{ name: 'APP', kind: 'app' }],
  options: [],
  summary: 'show everything about an app',
  help: ['Shows an app\'s image, state, figures, how it last ended and why, and what its config.json asked for but was not granted.'],
  examples: [{ line: 'berth show mosquitto', meaning: 'the app mosquitto' }],
  run: async ({ client, json, result, colour, width }, { args }) => {
    const app = await client.request<AppStatus>('GET', `/apps/${encodeURIComponent(args[0]!)}`);
    const stats = json ? undefined : await client.request<{ at: number; figures: readonly AppFigures[] }>('GET', '/stats', { app: app.name });
    await result(app, () => renderApp(app, stats!.figures[0], stats!.at, { colour, width }));
  },
};
