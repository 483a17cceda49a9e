import { BerthError } from '../../lib/errors.ts';
import { formatDuration, formatSize } from '../../lib/units.ts';
import type { UpdatedApp, UpdateOutcome, UpdateStatus } from '../../update/index.ts';
import type { Command } from '../command.ts';
import { formatElapsed, formatTime, none } from '../format.ts';
import { phaseWords } from '../progress.ts';
import { span, type Span, type Style } from '../style.ts';
import { renderFields, renderTable, type Surface } from '../table.ts';

const outcomeStyles: Readonly<Record<UpdateOutcome, Style>> = {
  committed: 'green',
  'rolled-back': 'red',
  failed: 'red',
  undone: 'yellow',
  cancelled: 'dim',
};

/** Its outcome, or what it is doing. */
function stateSpan({ phase, outcome }: UpdateStatus): Span {
  return outcome === undefined ? span(phaseWords[phase], 'cyan') : span(outcome, outcomeStyles[outcome]);
}

/** Why it ended as it did, or what it waits for. */
function noteOf({ reason, waitingFor, leftMs }: UpdateStatus): string {
  if (reason !== undefined) return reason.message;
  return waitingFor ?? (leftMs === undefined ? '' : `at most ${formatDuration(leftMs)} left`);
}

/** `web 1.0 → 2.0` */
function changeOf({ app, from, to }: UpdatedApp): string {
  return from === undefined ? `${app} ${to.version}` : `${app} ${from.version} → ${to.version}`;
}

/** The table of `berth updates`. */
export function renderUpdates(updates: readonly UpdateStatus[], surface: Surface): string {
  if (updates.length === 0) return 'There was no update yet.\n';
  const columns = [
    { title: 'ID', right: true },
    { title: 'WHEN' },
    { title: 'SOURCE', least: 6 },
    { title: 'APPS', least: 10 },
    { title: 'STATE' },
    { title: 'REASON', least: 8 },
  ] as const;
  const rows = updates.map((update) => [
    span(String(update.id), 'bold'),
    span(formatTime(update.startedAt)),
    span(update.source),
    update.apps.length === 0 ? span(update.origin ?? '-', 'dim') : span(update.apps.map(changeOf).join(', ')),
    stateSpan(update),
    span(noteOf(update), 'dim'),
  ]);
  return renderTable(columns, rows, surface);
}

/** Everything `berth updates ID` tells. */
export function renderUpdate(update: UpdateStatus, surface: Surface): string {
  const { id, source, origin, startedAt, endedAt, bytes, apps, phases, reason, waitingFor, leftMs } = update;
  const fields: [string, Span][] = [
    ['Update', span(String(id), 'bold')],
    ['Source', span(origin === undefined ? source : `${source}: ${origin}`)],
    ['State', stateSpan(update)],
  ];
  if (reason !== undefined) fields.push(['Reason', span(reason.message)]);
  if (waitingFor !== undefined) fields.push(['Waits for', span(waitingFor)]);
  if (leftMs !== undefined) fields.push(['Time left', span(formatDuration(leftMs))]);
  fields.push(['Began', span(formatTime(startedAt))]);
  if (endedAt !== undefined) fields.push(['Ended', span(`${formatTime(endedAt)}, after ${formatElapsed(endedAt - startedAt)}`)]);
  fields.push(['Payload', span(formatSize(bytes))]);
  const parts = [renderFields(fields, surface)];
  if (apps.length > 0) parts.push(renderMembers(apps, surface));
  if (phases.length > 0) parts.push(renderPhases(phases, endedAt, surface));
  return parts.join('\n');
}

function renderMembers(apps: readonly UpdatedApp[], surface: Surface): string {
  const tried = apps.some(({ trial }) => trial !== undefined);
  const columns = [{ title: 'APP', least: 8 }, { title: 'FROM', least: 7 }, { title: 'TO', least: 7 }, ...(tried ? [{ title: 'TRIAL', least: 12 }] : [])];
  const rows = apps.map(({ app, from, to, trial }) => [
    span(app, 'bold'),
    from === undefined ? none : span(from.version),
    span(to.version),
    ...(tried ? [trialSpan(trial)] : []),
  ]);
  return renderTable(columns, rows, surface);
}

/** What a trial of an app still waits for. */
export function trialSpan(trial: UpdatedApp['trial']): Span {
  if (trial === undefined) return none;
  return trial.passed ? span('passed', 'green') : span(`waits for ${trial.waitingFor.join(', ')}`, 'yellow');
}

function renderPhases(phases: UpdateStatus['phases'], endedAt: number | undefined, surface: Surface): string {
  const rows = phases.map(({ phase, at }, index) => {
    const end = phases[index + 1]?.at ?? endedAt;
    return [span(phaseWords[phase]), span(formatTime(at)), end === undefined ? span('under way', 'cyan') : span(formatElapsed(end - at))];
  });
  return renderTable([{ title: 'PHASE' }, { title: 'FROM' }, { title: 'TOOK', right: true }], rows, surface);
}

export const updates: Command = {
  name: 'updates',
  args: [{ name: 'ID', optional: true, kind: 'text' }],
  options: [],
  summary: 'list updates under way and over, or show one',
  help: [
    'Shows the updates under way and the last ones that are over, newest first: where each came from, which versions it brought, and how it ended and why. With ID shows everything about one, also how long each phase took.',
    'An update ends committed, rolled-back (the new versions did not prove themselves), failed (refused, or broken off before the switch), undone (berthd ended or power was cut before the switch) or cancelled.',
  ],
  examples: [
    { line: 'berth updates', meaning: 'the last updates' },
    { line: 'berth updates 7', meaning: 'everything about update 7' },
  ],
  run: async ({ client, result, colour, width }, { args: [id] }) => {
    const surface = { colour, width };
    if (id === undefined) {
      const document = await client.request<{ updates: readonly UpdateStatus[] }>('GET', '/updates');
      await result(document, () => renderUpdates(document.updates, surface));
      return;
    }
    if (!/^\d{1,15}$/.test(id)) throw new BerthError('usage', `"${id}" is not the number of an update; \`berth updates\` lists them`);
    const update = await client.request<UpdateStatus>('GET', `/updates/${id}`);
    await result(update, () => renderUpdate(update, surface));
  },
};
