import type { Decision } from '../policy/index.ts';
import type { AppFigures, AppStateName, AppStatus } from '../lifecycle/index.ts';
import { BerthError } from '../lib/errors.ts';
import { formatDuration, formatSize, parseDuration } from '../lib/units.ts';
import { span, type Span, type Style } from './style.ts';

/** How states, times and figures look to people. */

const stateStyles: Readonly<Record<AppStateName, Style>> = {
  stopped: 'dim',
  starting: 'yellow',
  running: 'green',
  suspended: 'cyan',
  stopping: 'yellow',
  backoff: 'yellow',
  failed: 'red',
};

export const none: Span = span('-', 'dim');

export function stateSpan(app: AppStatus): Span {
  return span(app.state, stateStyles[app.state]);
}

export function healthSpan(app: AppStatus): Span {
  if (app.health === 'none') return none;
  const styles = { starting: 'yellow', healthy: 'green', unhealthy: 'red' } as const;
  return span(app.health, styles[app.health]);
}

/** How long the app's instance has been there. */
export function uptimeSpan(app: AppStatus, now: number): Span {
  return app.instance === undefined ? none : span(formatDuration(now - app.instance.startedAt));
}

/** What a person should know about the app's state, in few words; empty if all is as it should be. */
export function noteOf(app: AppStatus, now: number): string {
  const reason = app.reason?.message ?? '';
  if (app.state === 'backoff' && app.nextStartAt !== undefined) {
    const wait = formatDuration(app.nextStartAt - now);
    return reason === '' ? `starts again in ${wait}` : `${reason}; starts again in ${wait}`;
  }
  if (app.state === 'running') return app.restarts > 0 && app.lastExit !== undefined ? `last: ${app.lastExit.reason.message}` : '';
  return reason;
}

/** `12.4 MiB` or `12.4 MiB / 64.0 MiB`. */
export function memoryOf(figures: AppFigures, withLimit: boolean): string {
  const used = formatSize(figures.memoryBytes);
  return withLimit && figures.memoryLimitBytes !== undefined ? `${used} / ${formatSize(figures.memoryLimitBytes)}` : used;
}

/** Share of one processor between two readings, `12.3%`; `-` without an earlier one. */
export function processorShare(before: AppFigures | undefined, after: AppFigures): string {
  if (before === undefined || after.at <= before.at || after.cpuNs < before.cpuNs) return '-';
  return `${((after.cpuNs - before.cpuNs) / ((after.at - before.at) * 1e4)).toFixed(1)}%`;
}

/** `2026-01-02 03:04:05` in the local time zone. */
export function formatTime(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A measured span of time, short ones exactly: `340 ms`, `3.4 s`, `4m 10s`. */
export function formatElapsed(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : formatDuration(ms);
}

/** The first 12 digits of a digest: enough for people. */
export function shortDigest(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 12);
}

/** Milliseconds since 1970 from a span before now (`10m`) or a date and time (`2026-01-02T03:04:05Z`). */
export function parseMoment(text: string, field: string, now: number): number {
  if (/^\d+(\.\d+)?[a-z]+$/.test(text)) return now - parseDuration(text, field);
  const moment = Date.parse(text);
  if (Number.isNaN(moment)) throw new BerthError('usage', `${field}: neither a duration (10m) nor a time (2026-01-02T03:04:05Z): ${text}`);
  return moment;
}

/** A field of a `config.json` that an app does not get as it asked for it. */
export function describeDecision({ path, why = '' }: Decision): string {
  return `${path}: ${why}`;
}
