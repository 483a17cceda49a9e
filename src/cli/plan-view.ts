import { formatDuration, formatSize } from '../lib/units.ts';
import type { PlannedApp, UpdatePlan } from '../update/index.ts';
import { none } from './format.ts';
import { span, type Span } from './style.ts';
import { renderFields, renderTable, type Surface } from './table.ts';

/** True if the device has not the room that the update takes. */
export function isShort({ needs, free }: UpdatePlan): boolean {
  return needs.bytes > free.bytes || needs.inodes > free.inodes;
}

/** What `berth install --dry-run` shows. */
export function renderPlan(plan: UpdatePlan, surface: Surface): string {
  const columns = [
    { title: 'APP', least: 8 },
    { title: 'NOW', least: 7 },
    { title: 'THEN', least: 7 },
    { title: 'SIGNED BY', least: 8 },
    { title: 'IMAGE' },
    { title: 'DATA' },
    { title: 'MUST PROVE', least: 12 },
  ] as const;
  const rows = plan.apps.map((app) => [
    span(app.app, 'bold'),
    app.from === undefined ? none : span(app.from.version),
    span(app.to.version),
    app.authority === undefined ? span('nobody', 'yellow') : span(app.authority),
    app.imageBytes === 0 ? span('is there', 'dim') : span(formatSize(app.imageBytes)),
    dataSpan(app),
    proofSpan(app),
  ]);
  return `${renderTable(columns, rows, surface)}\n${renderFields(planFields(plan), surface)}`;
}

function dataSpan({ snapshot, dataBytes }: PlannedApp): Span {
  if (snapshot === 'none') return none;
  return snapshot === 'copy' ? span(`copy of ${formatSize(dataBytes)}`) : span('not copied', 'yellow');
}

function proofSpan({ trial }: PlannedApp): Span {
  if (trial === undefined) return none;
  const proofs = [
    ...(trial.uptimeMs > 0 ? [`up ${formatDuration(trial.uptimeMs)}`] : ['that it starts']),
    ...(trial.health ? ['healthy'] : []),
    ...(trial.confirm ? ['confirms itself'] : []),
  ];
  return span(proofs.join(', '));
}

function planFields(plan: UpdatePlan): readonly (readonly [string, Span])[] {
  const names = (list: readonly string[]): Span => (list.length === 0 ? none : span(list.join(', ')));
  return [
    ['Stopped', names(plan.stops)],
    ...plan.apps.flatMap(({ app, migrate }) => (migrate === undefined ? [] : [['Migrated', span(`${app}: ${migrate.join(' ')}`)] as const])),
    ['Started', names(plan.starts)],
    ['Deleted', names(plan.removes.map(({ app, version, bytes }) => `${app} ${version} (${formatSize(bytes)})`))],
    ['Space', need(plan.needs.bytes, plan.free.bytes, formatSize)],
    ['Files', need(plan.needs.inodes, plan.free.inodes, String)],
    ['Proof', plan.deadlineMs === undefined ? span('none needed') : span(`within ${formatDuration(plan.deadlineMs)} of the switch, else all of it is rolled back`)],
  ];
}

/** File systems without a fixed number of inodes say the largest number there is. */
function need(needed: number, free: number, format: (value: number) => string): Span {
  const there = free === Number.MAX_SAFE_INTEGER ? 'no limit' : `${format(free)} free`;
  return needed > free ? span(`${format(needed)} needed, only ${there}`, 'red') : span(`${format(needed)} needed, ${there}`);
}
