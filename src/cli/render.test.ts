import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { AppFigures, AppStatus } from '../lifecycle/index.ts';
import type { UpdatePlan, UpdateStatus } from '../update/index.ts';
import { renderDevices } from './commands/devices.ts';
import { renderReport } from './commands/install.ts';
import { LogRenderer } from './commands/logs.ts';
import { renderPolicy } from './commands/policy.ts';
import { renderApps } from './commands/ps.ts';
import { renderApp } from './commands/show.ts';
import { renderFigures } from './commands/stats.ts';
import { renderDoctor } from './commands/doctor.ts';
import { renderStorage } from './commands/storage.ts';
import { renderUpdate, renderUpdates } from './commands/updates.ts';
import { renderVerdict } from './commands/verdict.ts';
import { formatElapsed, formatTime, parseMoment, processorShare } from './format.ts';
import { isShort, renderPlan } from './plan-view.ts';
import { progressLine } from './progress.ts';
import { displayWidth, truncate } from './style.ts';

const now = 1_000_000_000;
const plain = { width: undefined, colour: false };

function app(name: string, change: Partial<AppStatus> = {}): AppStatus {
  return {
    name, version: '1.0', digest: `sha256:${'0'.repeat(64)}`, signed: true, description: '', state: 'running', desired: 'running', health: 'none',
    instance: { id: 'i', pid: 1, startedAt: now - 65_000 }, restarts: 0, degraded: [], ...change,
  };
}

function figures(name: string, change: Partial<AppFigures> = {}): AppFigures {
  return { name, at: now, cpuNs: 0, memoryBytes: 3 << 20, processes: 2, restarts: 0, ...change };
}

const digest = `sha256:${'0'.repeat(64)}` as const;

function update(id: number, change: Partial<UpdateStatus> = {}): UpdateStatus {
  return {
    id, source: 'command-line', origin: 'web.ipk', phase: 'trial', startedAt: now, bytes: 3 << 20,
    phases: [{ phase: 'receiving', at: now }, { phase: 'switching', at: now + 1500 }, { phase: 'trial', at: now + 1840 }],
    apps: [{ app: 'web', from: { version: '1.0', digest }, to: { version: '2.0', digest } }, { app: 'new', to: { version: '0.1', digest } }],
    ...change,
  };
}

const plan: UpdatePlan = {
  apps: [
    {
      app: 'web', from: { version: '1.0', digest }, to: { version: '2.0', digest }, imageBytes: 5 << 20, imageInodes: 40, stop: true, start: true, snapshot: 'copy',
      dataBytes: 3 << 20, dataInodes: 12, migrate: ['/bin/migrate', '--all'], trial: { uptimeMs: 10_000, health: true, confirm: true },
    },
    { app: 'new', to: { version: '0.1', digest }, imageBytes: 0, imageInodes: 0, stop: false, start: true, snapshot: 'none', dataBytes: 0, dataInodes: 0 },
  ],
  stops: ['web'], starts: ['web', 'new'], removes: [{ app: 'web', version: '0.9', digest, bytes: 4 << 20 }],
  needs: { bytes: 8 << 20, inodes: 52 }, free: { bytes: 1 << 30, inodes: 1000 }, deadlineMs: 300_000,
};

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
    degraded: [{ path: hostile, asked: hostile, granted: hostile, verdict: 'degraded', why: hostile }],
    network: { mode: 'bridge', addresses: [hostile], ports: [hostile], outbound: [hostile] },
  });
  const outputs = [
    renderApps([everything], [], now, { width: 80, colour: true }),
    renderApp(everything, { figures: undefined, updates: [], now }, { width: 80, colour: true }),
    renderApp(app(hostile), { figures: undefined, updates: [update(1, { apps: [{ app: hostile, to: { version: '1', digest }, trial: { passed: false, waitingFor: [hostile] } }] })], now }, { width: 80, colour: true }),
    ...[update(1, { origin: hostile, apps: [], waitingFor: hostile }), update(2, { reason: { code: 'rolled_back', message: hostile }, apps: [{ app: hostile, to: { version: hostile, digest }, trial: { passed: false, waitingFor: [hostile] } }] })].flatMap((entry) => [
      renderUpdates([entry], { width: 80, colour: true }), renderUpdate(entry, { width: 80, colour: true }), renderVerdict(hostile, entry, true), renderVerdict(hostile, { ...entry, outcome: 'failed' }, true),
    ]),
    renderPlan({ ...plan, stops: [hostile], apps: [{ ...plan.apps[0]!, app: hostile, to: { version: hostile, digest }, migrate: [hostile] }] }, { width: 80, colour: true }),
    renderPolicy({ app: hostile, origin: hostile, decisions: everything.degraded, refused: 1 }, { width: 80, colour: true }),
    renderPolicy({ app: hostile, origin: hostile, decisions: [], refused: 0 }, { width: 80, colour: true }),
    renderStorage([{ app: hostile, image: 1, previous: 0, data: 0, logs: 0 }], { width: 80, colour: true }),
    renderReport({ update: 1, outcome: 'committed', installed: [{ app: hostile, version: hostile, digest, signed: true, entries: 1, bytes: 1, warnings: [hostile], degraded: [], status: everything }] }, true),
    progressLine(hostile, { phase: 'waiting', bytes: 0, waitingFor: hostile }, 1, 200),
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
  assert.equal(progressLine('a.ipk', { phase: 'receiving', bytes: 5 << 20 }, 10 << 20, 80), 'a.ipk  receiving  [===============               ]   50%  5.0 MiB / 10.0 MiB'.slice(0, 80));
  for (let columns = 1; columns < 120; columns += 1) {
    for (const total of [undefined, 0, 10 << 20]) assert.ok(displayWidth(progressLine('a-package.ipk', { phase: 'receiving', bytes: 5 << 20 }, total, columns)) <= columns);
  }
});

test('the progress line tells what a phase waits for and how long it may take', () => {
  assert.equal(progressLine('a.ipk', { phase: 'waiting', bytes: 9, waitingFor: 'the window' }, 9, 80), 'a.ipk  waiting: the window');
  assert.equal(progressLine('a.ipk', { phase: 'trial', bytes: 9, leftMs: 119_000 }, 9, 80), 'a.ipk  on trial, at most 1m 59s left');
});

test('updates are a table of what changed and how it ended', () => {
  const failure = update(7, { outcome: 'rolled-back', reason: { code: 'rolled_back', message: 'web: exited with code 3' } });
  assert.equal(
    renderUpdates([update(8, { leftMs: 61_000 }), failure, update(6, { source: 'media', outcome: 'failed', apps: [] })], plain),
    [
      'ID  WHEN                 SOURCE        APPS                    STATE        REASON',
      ` 8  ${formatTime(now)}  command-line  web 1.0 → 2.0, new 0.1  on trial     at most 1m 1s left`,
      ` 7  ${formatTime(now)}  command-line  web 1.0 → 2.0, new 0.1  rolled-back  web: exited with code 3`,
      ` 6  ${formatTime(now)}  media         web.ipk                 failed`,
      '',
    ].join('\n'),
  );
  assert.match(renderUpdates([], plain), /no update/);
  for (let width = 80; width < 130; width += 1) {
    for (const line of renderUpdates([failure], { width, colour: false }).split('\n')) assert.ok(displayWidth(line) <= width, `${width}: ${line}`);
  }
});

test('an update tells how long each phase took, and what its trial waits for', () => {
  const text = renderUpdate(update(7, { outcome: 'committed', endedAt: now + 12_000 }), plain);
  assert.match(text, /Ended +.*, after 12\.0 s$/m);
  assert.match(text, /^receiving .* 1\.5 s$/m);
  assert.match(text, /^switching .* 340 ms$/m);
  assert.match(text, /^on trial .* 10\.2 s$/m);
  const tried = renderUpdate(update(8, { leftMs: 5000, apps: [{ app: 'web', to: { version: '2', digest }, trial: { passed: false, waitingFor: ['its health check', 'its own confirmation'] } }] }), plain);
  assert.match(tried, /^web +- +2 +waits for its health check, its own confirmation$/m);
  assert.match(tried, /^on trial .* under way$/m);
  assert.deepEqual([formatElapsed(0), formatElapsed(999), formatElapsed(59_940), formatElapsed(61_000)], ['0 ms', '999 ms', '59.9 s', '1m 1s']);
});

test('show tells of a trial under way only', () => {
  const trial = { passed: false, waitingFor: ['its health check'] };
  const apps = [{ app: 'web', to: { version: '2', digest }, trial }];
  const shown = (updates: readonly UpdateStatus[]): string => renderApp(app('web'), { figures: undefined, updates, now }, plain);
  assert.match(shown([update(8, { apps, leftMs: 5000 })]), /^Trial +waits for its health check \(update 8, at most 5s left\)$/m);
  assert.doesNotMatch(shown([update(8, { apps, outcome: 'committed' }), update(7)]), /Trial/);
});

test('a plan names all that would happen, and what is short in red', () => {
  const text = renderPlan(plan, plain);
  assert.match(text, /^web +1\.0 +2\.0 +nobody +5\.0 MiB +copy of 3\.0 MiB +up 10s, healthy, confirms itself$/m);
  assert.match(text, /^new +- +0\.1 +nobody +is there +- +-$/m);
  assert.match(text, /^Migrated +web: \/bin\/migrate --all$/m);
  assert.match(text, /^Deleted +web 0\.9 \(4\.0 MiB\)$/m);
  assert.match(text, /^Space +8\.0 MiB needed, 1\.0 GiB free$/m);
  assert.match(text, /within 5m 0s of the switch/);
  assert.equal(isShort(plan), false);
  const short = { ...plan, free: { bytes: 1 << 20, inodes: Number.MAX_SAFE_INTEGER } };
  assert.ok(isShort(short));
  assert.ok(renderPlan(short, { width: undefined, colour: true }).includes('\x1b[31m8.0 MiB needed, only 1.0 MiB free\x1b[0m'));
  assert.match(renderPlan(short, plain), /^Files +52 needed, no limit$/m);
});

test('a verdict says what came of it', () => {
  assert.equal(renderVerdict('web', update(7, { outcome: 'committed' }), false), 'update 7 is committed: web 2.0\n');
  assert.equal(renderVerdict('web', update(7, { outcome: 'rolled-back' }), false), 'update 7 is rolled back to web 1.0\n');
  assert.equal(renderVerdict('web', update(7, { outcome: 'committed', source: 'operator' }), false), 'web is back at 2.0 from 1.0 (update 7)\n');
  const apps = [{ app: 'web', to: { version: '2', digest }, trial: { passed: true, waitingFor: [] } }, { app: 'db', to: { version: '2', digest }, trial: { passed: false, waitingFor: ['x'] } }];
  assert.equal(renderVerdict('web', update(7, { apps }), false), 'web has passed; update 7 waits for db\n');
  assert.equal(renderVerdict('web', update(7, { apps: apps.slice(0, 1) }), false), 'web has passed; update 7 is being committed\n');
});

test('storage sums up rows and columns', () => {
  const entry = { image: 2048, previous: 1024, data: 512, logs: 0 };
  assert.equal(
    renderStorage([{ app: 'web', ...entry }, { app: 'db', ...entry }], plain),
    [
      'APP         IMAGE  PREVIOUS     DATA  LOGS    TOTAL',
      'web       2.0 KiB   1.0 KiB    512 B   0 B  3.5 KiB',
      'db        2.0 KiB   1.0 KiB    512 B   0 B  3.5 KiB',
      'together  4.0 KiB   2.0 KiB  1.0 KiB   0 B  7.0 KiB',
      '',
    ].join('\n'),
  );
});

test('storage tells the limits of data where there are any', () => {
  const entry = { image: 0, previous: 0, logs: 0 };
  assert.equal(
    renderStorage([{ app: 'web', ...entry, data: 1024, dataLimit: 64 << 20 }, { app: 'db', ...entry, data: 0 }], plain),
    [
      'APP       IMAGE  PREVIOUS     DATA  LOGS    TOTAL          DATA LIMIT',
      'web         0 B       0 B  1.0 KiB   0 B  1.0 KiB  64.0 MiB, measured',
      'db          0 B       0 B      0 B   0 B      0 B',
      'together    0 B       0 B  1.0 KiB   0 B  1.0 KiB',
      '',
    ].join('\n'),
  );
});

test('a moment is a span before now or a time', () => {
  assert.equal(parseMoment('10m', '--since', now), now - 600_000);
  assert.equal(parseMoment('2026-01-02T03:04:05Z', '--since', now), Date.UTC(2026, 0, 2, 3, 4, 5));
  assert.throws(() => parseMoment('yesterday', '--since', now), { code: 'usage', message: /--since/ });
});

const gps = {
  name: 'gps', description: '', place: '/dev/serial/by-id/gps', sharing: 'exclusive', busy: 'wait', platform: false,
  nodes: [{ name: 'ttyACM0', number: 'c 166:0' }], holders: [{ app: 'web', path: '/dev/gps', access: 'rw' }], waiting: ['broker'],
} as const;

test('devices are shown with who has them, who waits, and why nobody gets one', () => {
  const own = { ...gps, name: 'debug', place: '/dev/ttyS0', platform: true, nodes: [], holders: [], waiting: [], fault: 'broken' };
  assert.deepEqual(renderDevices([gps, own], plain).split('\n').map((line) => line.split(/ {2,}/)), [
    ['DEVICE', 'PLACE', 'LENT', 'PRESENT', 'HELD BY', 'WAITING', 'NOTE'],
    ['gps', '/dev/serial/by-id/gps', 'exclusive', 'ttyACM0', 'web', 'broker'],
    ['debug', '/dev/ttyS0', 'never', 'no', '-', '-', 'broken'],
    [''],
  ]);
  assert.match(renderDevices([], plain), /No devices are declared/);
});

test('an app is shown with the devices that it has', () => {
  const lease = { app: 'web', device: 'gps', path: '/dev/gps', access: 'rw', present: false } as const;
  assert.match(renderApp(app('web', { devices: [lease] }), { figures: undefined, updates: [], now }, plain), /Device +gps at \/dev\/gps \(rw\), not there/);
});
