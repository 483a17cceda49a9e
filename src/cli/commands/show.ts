import type { AppFigures, AppStatus, NetworkStatus } from '../../lifecycle/index.ts';
import { formatDuration, formatRate, formatSize } from '../../lib/units.ts';
import type { UpdateStatus } from '../../update/index.ts';
import type { Command } from '../command.ts';
import { formatTime, healthSpan, memoryOf, noteOf, stateSpan, uptimeSpan } from '../format.ts';
import { span, type Span } from '../style.ts';
import { renderFields, renderTable, type Surface } from '../table.ts';
import { trialSpan } from './updates.ts';

/** What else `berth show` looks at. */
export interface Surroundings {
  readonly figures: AppFigures | undefined;
  /** Those that are known, over or under way. */
  readonly updates: readonly UpdateStatus[];
  /** The device's clock. */
  readonly now: number;
}

/** Everything `berth show` tells. */
export function renderApp(app: AppStatus, { figures, updates, now }: Surroundings, surface: Surface): string {
  const fields: [string, Span][] = [
    ['App', span(app.name, 'bold')],
    ['Description', span(app.description)],
    ['Version', span(app.version)],
    ['Image', span(app.digest)],
    ['Signed', app.signed ? span(`by ${app.authority ?? 'an authority'}`) : span('no: nobody vouches for it', 'yellow')],
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
  for (const { device, path, access, present } of app.devices ?? []) fields.push(['Device', span(`${device} at ${path} (${access})${present ? '' : ', not there'}`, present ? undefined : 'yellow')]);
  if (app.hostUser !== undefined) fields.push(['Host user', span(`${app.hostUser} is its root`)]);
  if (app.data !== undefined) fields.push(['Data', dataSpan(app.data)]);
  if (app.network !== undefined) fields.push(...networkFields(app.network));
  fields.push(...trialFields(app.name, updates));
  if (app.lastExit !== undefined) fields.push(['Last end', span(`${app.lastExit.reason.message}, ${formatTime(app.lastExit.at)}`)]);
  const text = renderFields(fields, surface);
  if (app.degraded.length === 0) return text;
  const rows = app.degraded.map(({ path, why = '' }) => [span(`  ${path}`), span(why)]);
  return `${text}\nAsked for in config.json and not granted as asked:\n${renderTable([{ title: '  FIELD', least: 12 }, { title: 'WHY', least: 20 }], rows, surface)}`;
}

/** Measured, since growth is not refused by the file system but noticed. */
function dataSpan({ usedBytes, limitBytes }: NonNullable<AppStatus['data']>): Span {
  const used = usedBytes === undefined ? 'not measured yet' : formatSize(usedBytes);
  if (limitBytes === undefined) return span(`${used}, no limit`);
  return span(`${used} of ${formatSize(limitBytes)}, measured`, (usedBytes ?? 0) > limitBytes ? 'red' : undefined);
}

function networkFields({ mode, addresses, ports, outbound, bandwidth = {} }: NetworkStatus): readonly [string, Span][] {
  const rate = (direction: 'in' | 'out'): readonly string[] => (bandwidth[direction] === undefined ? [] : [`${formatRate(bandwidth[direction])} ${direction}`]);
  const lists: readonly [string, readonly string[]][] = [['Addresses', addresses], ['Ports', ports], ['Bandwidth', [...rate('in'), ...rate('out')]]];
  const fields = lists.flatMap(([title, items]): [string, Span][] => (items.length === 0 ? [] : [[title, span(items.join(', '))]]));
  if (mode === 'bridge') fields.push(['Outbound', span(outbound === undefined ? 'the public internet' : outbound.join(', ') || 'nowhere')]);
  return [['Network', span(mode)], ...fields];
}

/** The trial that the app is in, if any. */
function trialFields(app: string, updates: readonly UpdateStatus[]): readonly [string, Span][] {
  for (const { id, outcome, leftMs, apps } of updates) {
    const trial = apps.find((entry) => entry.app === app)?.trial;
    if (outcome !== undefined || trial === undefined) continue;
    const left = leftMs === undefined ? '' : `, at most ${formatDuration(leftMs)} left`;
    return [['Trial', span(`${trialSpan(trial).text} (update ${id}${left})`, 'yellow')]];
  }
  return [];
}

export const show: Command = {
  name: 'show',
  args: [{ name: 'APP', kind: 'app' }],
  options: [],
  summary: 'show everything about an app',
  help: ['Shows an app\'s image, state, figures, network, the trial it is in, how it last ended and why, and what its config.json asked for but was not granted.'],
  examples: [{ line: 'berth show mosquitto', meaning: 'the app mosquitto' }],
  run: async ({ client, json, result, colour, width }, { args }) => {
    const app = await client.request<AppStatus>('GET', `/apps/${encodeURIComponent(args[0]!)}`);
    if (json) {
      await result(app, () => '');
      return;
    }
    const stats = await client.request<{ at: number; figures: readonly AppFigures[] }>('GET', '/stats', { app: app.name });
    const { updates } = await client.request<{ updates: readonly UpdateStatus[] }>('GET', '/updates');
    await result(app, () => renderApp(app, { figures: stats.figures[0], updates, now: stats.at }, { colour, width }));
  },
};
