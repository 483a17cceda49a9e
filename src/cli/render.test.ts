import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { AppFigures, AppStatus } from '../lifecycle/index.ts';
import { LogRenderer } from './commands/logs.ts';
import { renderApps } from './commands/ps.ts';
import { renderApp } from './commands/show.ts';
import { renderFigures } from './commands/stats.ts';
import { renderDoctor } from './commands/doctor.ts';
import { parseMoment, processorShare } from './format.ts';
import { progressLine } from './progress.ts';
import { displayWidth, truncate } from './style.ts';

const now = 1_000_000_000;
const plain = { width: undefined, colour: false };

function app(name: string, change: Partial<AppStatus> = {}): AppStatus {
  return {
    name, version: '1.0', digest: `sha256:${'0'.repeat(64)}`, signed: true, description: '', state: 'running', desired: 'running', health: 'none',
    instance: { id: 'i', pid: 1, startedAt: now - 65_000 }, restarts: 0, withheld: [], ...change,
  };
}

function figures(name: string, change: Partial<AppFigures> = {}): AppFigures {
  return { name, at: now, cpuNs: 0, memoryBytes: 3 << 20, processes: 2, restarts: 0, ...change };
}

const failed = app('crashy', {
  state: 'backoff', restarts: 7, nextStartAt: now + 16_000,
  reason: { code: 'exited', message: 'exited with status 3 after a very long and detailed story', at: now },
});

test('ps aligns its columns and leaves out those that would be empty', () => {
  assert.equal(
    renderApps([app('web'), app('mosquitto', { version: '2.0.11-1' })], [figures('web')], now, plain),
    [
      'APP        VERSION   STATE    UPTIME  RESTARTS   MEMORY',
      'web        1.0       running   1m 5s         0  3.0 MiB',
      'mosquitto  2.0.11-1  running   1m 5s         0        -',
      '',
    ].join('\n'),
  );
  assert.match(renderApps([], [], now, plain), /No apps are installed/);
});

test('ps says why an app is not up, and when it will be tried again', () => {
  assert.match(renderApps([failed], [], now, plain), /backoff .* 7 .*exited with status 3 .*; starts again in 16s$/m);
});

test('ps fits every width from 70 columns on, coloured or not', () => {
  for (let width = 70; width < 160; width += 1) {
    for (const colour of [false, true]) {
      const lines = renderApps([app('a-name-that-is-rather-long-for-an-app'), failed], [], now, { width, colour }).split('\n');
      for (const line of lines) assert.ok(displayWidth(stripVTControlCharacters(line)) <= width, `${width}: ${line}`);
    }
  }
});

test('text from apps cannot reach the terminal as control characters', () => {
  const hostile = '\u001b]0;owned\u0007\u202e\nnext\u009b31m';
  const everything = app(hostile, {
    version: hostile, description: hostile, state: 'failed', reason: { code: 'exited', message: hostile, at: now },
    withheld: [{ path: hostile, why: hostile }],
  });
  const outputs = [
    renderApps([everything], [], now, { width: 80, colour: true }),
    renderApp(everything, { figures: undefined, updates: [], now }, { width: 80, colour: true }),
    renderDoctor({ checks: [{ name: hostile, outcome: 'failure', found: hostile, advice: hostile }] }, true),
    renderFigures(undefined, { at: now, figures: [figures(hostile)] }, { width: 80, colour: true }),
    new LogRenderer({ terminal: true, colour: true, timestamps: true }).render({ time: hostile, stream: 'stderr', text: hostile, partial: false }),
  ];
  for (const output of outputs) {
    // Berth's own colours are all that is left.
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    assert.doesNotMatch(output.replaceAll(/\u001b\[\d*m/g, ''), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  }
});

test('a log goes to a file as the app wrote it, pieces of one line joined', () => {
  const renderer = new LogRenderer({ terminal: false, colour: false, timestamps: true });
  const line = { time: 'T', stream: 'stdout', text: '\u001b[1mbold', partial: true } as const;
  assert.equal(renderer.render(line) + renderer.render({ ...line, text: ' end', partial: false }) + renderer.render({ ...line, partial: false }), 'T \u001b[1mbold end\nT \u001b[1mbold\n');
});

test('the processor share is of one processor between two readings', () => {
  assert.equal(processorShare(figures('a', { at: now - 2000, cpuNs: 1e9 }), figures('a', { cpuNs: 2e9 })), '50.0%');
  assert.equal(processorShare(undefined, figures('a')), '-');
  assert.equal(processorShare(figures('a', { at: now - 1, cpuNs: 5 }), figures('a', { cpuNs: 1 })), '-', 'a new instance counts from nothing');
});

test('widths count wide and combining characters, and cutting shows', () => {
  assert.deepEqual([displayWidth('abc'), displayWidth('日本'), displayWidth('e\u0301'), displayWidth('\u001b')], [3, 4, 1, 4]);
  assert.deepEqual([truncate('abcdef', 4), truncate('日本語', 4), truncate('abc', 3), truncate('abc', 0)], ['abc…', '日…', 'abc', '']);
});

test('the progress line fits the terminal', () => {
  assert.equal(progressLine('a.ipk', 'receiving', 5 << 20, 10 << 20, 80), 'a.ipk  receiving  [===============               ]   50%  5.0 MiB / 10.0 MiB'.slice(0, 80));
  for (let columns = 1; columns < 120; columns += 1) {
    for (const total of [undefined, 0, 10 << 20]) assert.ok(displayWidth(progressLine('a-package.ipk', 'receiving', 5 << 20, total, columns)) <= columns);
  }
});

test('a moment is a span before now or a time', () => {
  assert.equal(parseMoment('10m', '--since', now), now - 600_000);
  assert.equal(parseMoment('2026-01-02T03:04:05Z', '--since', now), Date.UTC(2026, 0, 2, 3, 4, 5));
  assert.throws(() => parseMoment('yesterday', '--since', now), { code: 'usage', message: /--since/ });
});
