import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogLine } from '../runtime/index.ts';
import type { InstallOptions, UpdateReport, UpdateStatus } from '../update/index.ts';
import { fakeUpdate } from './fake-updates.ts';
import { fakeApp } from './fakes.ts';
import { parseLines, serveFakes } from './harness.ts';

const logLine = (second: number, text: string): LogLine => ({ time: `2026-01-02T03:04:0${second}.000000001Z`, stream: 'stdout', text, partial: false });

test('version tells what runs', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('GET', '/version');
  assert.equal(reply.status, 200);
  assert.deepEqual(JSON.parse(reply.text), { version: '0.1.0', api: 'v1', runtime: 'runc', node: 'v26.10.0', kernel: '6.18.0', architecture: 'amd64' });
});

test('apps are listed and shown with everything that is known of them', async () => {
  await using berth = await serveFakes();
  const reason = { code: 'exited', message: 'exited with 3', at: 5 } as const;
  const broken = fakeApp('broken', {
    state: 'backoff',
    nextStartAt: 10,
    reason,
    lastExit: { id: 'x', app: 'broken', at: 5, exitCode: 3, oom: false, cause: 'ended', reason },
    degraded: [{ path: 'mounts[1]', asked: {}, verdict: 'degraded', why: 'host paths are not granted' }],
  });
  berth.fakes.lifecycle.apps.set('broken', broken);
  const list = await berth.request('GET', '/apps');
  assert.deepEqual((JSON.parse(list.text) as { apps: { name: string }[] }).apps.map((app) => app.name), ['web', 'broken']);
  const shown = await berth.request('GET', '/apps/broken');
  assert.deepEqual(JSON.parse(shown.text), broken);
});

for (const [command, state] of [['start', 'running'], ['stop', 'stopped'], ['kill', 'stopped'], ['suspend', 'suspended'], ['resume', 'running'], ['restart', 'running']] as const) {
  test(`${command} answers with the app afterwards`, async () => {
    await using berth = await serveFakes();
    const reply = await berth.request('POST', `/apps/web/${command}`);
    assert.equal(reply.status, 200);
    assert.equal((JSON.parse(reply.text) as { state: string }).state, state);
    const missing = await berth.request('POST', `/apps/nobody/${command}`);
    assert.equal(missing.status, 404);
    assert.match(missing.text, /nobody/);
  });
}

test('stop takes a timeout in milliseconds and nothing else', async () => {
  await using berth = await serveFakes();
  assert.equal((await berth.request('POST', '/apps/web/stop?timeoutMs=1500')).status, 200);
  for (const query of ['timeoutMs=-1', 'timeoutMs=1.5', 'timeoutMs=', 'timeoutMs=99999999999', 'timeout=1', 'timeoutMs=1&timeoutMs=2', '__proto__=1']) {
    const reply = await berth.request('POST', `/apps/web/stop?${query}`);
    assert.equal(reply.status, 400, query);
    assert.match(reply.text, /query parameter (timeout|__proto__)/, query);
  }
});

test('an app is removed, with its data only if asked', async () => {
  await using berth = await serveFakes();
  assert.deepEqual(JSON.parse((await berth.request('DELETE', '/apps/web?purge=true')).text), { removed: 'web', purged: true });
  assert.deepEqual(berth.fakes.updates.removed, [{ app: 'web', purge: true }]);
  assert.equal((await berth.request('DELETE', '/apps/web')).status, 404);
});

test('logs come as lines, cut to the last, or from a moment on', async () => {
  await using berth = await serveFakes();
  berth.fakes.lifecycle.logLines = [logLine(1, 'one'), logLine(2, 'two'), logLine(3, 'three')];
  const texts = async (query: string): Promise<string[]> =>
    parseLines((await berth.request('GET', `/apps/web/logs${query}`)).text).map((line) => (line as LogLine).text);
  assert.deepEqual(await texts(''), ['one', 'two', 'three']);
  assert.deepEqual(await texts('?tail=1'), ['three']);
  assert.deepEqual(await texts('?tail=0'), []);
  assert.deepEqual(await texts(`?since=${Date.parse('2026-01-02T03:04:02Z')}`), ['two', 'three']);
  assert.equal((await berth.request('GET', '/apps/nobody/logs')).status, 404);
});

test('figures are of one app or of all', async () => {
  await using berth = await serveFakes();
  berth.fakes.lifecycle.apps.set('idle', fakeApp('idle', { state: 'stopped' }));
  const all = JSON.parse((await berth.request('GET', '/stats')).text) as { figures: { name: string }[] };
  assert.deepEqual(all.figures.map((figure) => figure.name), ['web']);
  const one = JSON.parse((await berth.request('GET', '/stats?app=idle')).text) as { figures: unknown[] };
  assert.deepEqual(one.figures, []);
  assert.equal((await berth.request('GET', '/stats?app=nobody&stream=true')).status, 404);
});

test('events that are kept are told from a number on', async () => {
  await using berth = await serveFakes();
  await berth.request('POST', '/apps/web/stop');
  await berth.request('POST', '/apps/web/start');
  const sequence = async (query: string): Promise<number[]> =>
    parseLines((await berth.request('GET', `/events${query}`)).text).map((event) => (event as { seq: number }).seq);
  assert.deepEqual(await sequence(''), [1, 2]);
  assert.deepEqual(await sequence('?since=1'), [2]);
});

test('images name the apps that use them', async () => {
  await using berth = await serveFakes();
  const { images } = JSON.parse((await berth.request('GET', '/images')).text) as { images: { apps: string[] }[] };
  assert.deepEqual(images.map((image) => image.apps), [['web']]);
});

test('doctor gives its checks', async () => {
  await using berth = await serveFakes();
  const { checks } = JSON.parse((await berth.request('GET', '/doctor')).text) as { checks: { name: string }[] };
  assert.deepEqual(checks.map((check) => check.name), ['kernel', 'clock']);
});

const packageHeaders = { 'Content-Type': 'application/vnd.berth.package' };

test('install tells its progress and ends with the report', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('POST', '/install?start=false', { raw: Buffer.alloc(300_000, 'p'), headers: packageHeaders });
  assert.equal(reply.status, 200);
  const lines = parseLines(reply.text) as { phase?: string; update?: number; result?: UpdateReport }[];
  assert.ok(lines.some((line) => line.phase === 'storing' && line.update === 1));
  const { result } = lines.at(-1)!;
  assert.deepEqual([result?.update, result?.outcome], [1, 'committed']);
  const [report] = result!.installed;
  assert.deepEqual([report?.app, report?.bytes, report?.status.state], ['newcomer', 300_000, 'stopped']);
});

test('what whoever sends a payload decides reaches the coordinator, and the source is the command line', async () => {
  await using berth = await serveFakes();
  const sent = async (query: string): Promise<Partial<InstallOptions>> => {
    await berth.request('POST', `/install${query}`, { raw: 'package', headers: packageHeaders });
    const { signal: _, onProgress: __, ...chosen } = berth.fakes.updates.lastOptions as InstallOptions;
    return chosen;
  };
  assert.deepEqual(await sent(''), { source: 'command-line', start: true });
  assert.deepEqual(await sent('?start=false&wait=false&allowDowngrade=true&snapshot=false&now=true&bytes=7&origin=a%20b.ipk'), {
    source: 'command-line', start: false, wait: false, allowDowngrade: true, snapshot: false, now: true, payloadBytes: 7, origin: 'a b.ipk',
  });
  for (const query of ['source=media', 'start=yes', 'bytes=-1', `origin=${'x'.repeat(256)}`]) {
    assert.equal((await berth.request('POST', `/install?${query}`, { raw: 'package', headers: packageHeaders })).status, 400, query);
  }
});

test('a dry run answers with the plan and installs nothing', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('POST', '/install?dryRun=true', { raw: 'package', headers: packageHeaders });
  assert.deepEqual([reply.status, reply.headers['content-type']], [200, 'application/json']);
  assert.deepEqual(JSON.parse(reply.text), { plan: berth.fakes.updates.planned });
  assert.deepEqual([berth.fakes.updates.updates, berth.fakes.lifecycle.apps.has('newcomer')], [[], false]);
  assert.equal((await berth.request('POST', '/install?dryRun=true', { raw: 'bad!', headers: packageHeaders })).status, 422);
});

test('an update on trial tells how much time is left, and ends the lines with why it was rolled back', async () => {
  await using berth = await serveFakes();
  const lines = parseLines((await berth.request('POST', '/install', { raw: 'back', headers: packageHeaders })).text) as { phase?: string; leftMs?: number; error?: { code: string } }[];
  assert.equal(lines.find((line) => line.phase === 'trial')?.leftMs, 120_000);
  assert.equal(lines.at(-1)?.error?.code, 'rolled_back');
  assert.equal(berth.fakes.lifecycle.followers, 0);
});

test('updates are listed newest first and shown by their number', async () => {
  await using berth = await serveFakes();
  berth.fakes.updates.updates.push(
    fakeUpdate(1, { outcome: 'failed', reason: { code: 'no_space', message: 'full' }, endedAt: 5, source: 'media', origin: 'usb.tar', apps: [] }),
    fakeUpdate(2, { leftMs: 7, apps: [{ app: 'web', to: { version: '2', digest: `sha256:${'0'.repeat(64)}` }, trial: { passed: false, waitingFor: ['health'] } }] }),
    fakeUpdate(3, { phase: 'waiting', waitingFor: 'the window' }),
  );
  const { updates } = JSON.parse((await berth.request('GET', '/updates')).text) as { updates: UpdateStatus[] };
  assert.deepEqual(updates.map(({ id }) => id), [3, 2, 1]);
  assert.deepEqual(JSON.parse((await berth.request('GET', '/updates/2')).text), berth.fakes.updates.updates[1]);
  for (const id of ['4', 'x', '-1', '1e3', '9'.repeat(30)]) assert.equal((await berth.request('GET', `/updates/${id}`)).status, 404, id);
});

test('a person confirms an app on trial or rolls it back; without a trial that is a conflict', async () => {
  await using berth = await serveFakes();
  for (const [verb, outcome] of [['confirm', 'committed'], ['rollback', 'rolled-back']] as const) {
    assert.equal((await berth.request('POST', `/apps/web/${verb}`)).status, 409);
    berth.fakes.updates.updates.push(fakeUpdate(berth.fakes.updates.updates.length + 1));
    const reply = await berth.request('POST', `/apps/web/${verb}`);
    assert.deepEqual([reply.status, (JSON.parse(reply.text) as UpdateStatus).outcome], [200, outcome]);
  }
});

test('storage is told per app', async () => {
  await using berth = await serveFakes();
  assert.deepEqual(JSON.parse((await berth.request('GET', '/storage')).text), { storage: [{ app: 'web', image: 5 << 20, previous: 1 << 20, data: 3000, logs: 0 }] });
});

test('a package that is refused at once is answered with the status of the error', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('POST', '/install', { raw: 'bad!', headers: packageHeaders });
  assert.equal(reply.status, 422);
  assert.deepEqual(JSON.parse(reply.text), { error: { code: 'bad_package', message: 'not a package: wrong magic', detail: { offset: 0 } } });
});

test('a package that is refused later ends the lines with the error', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('POST', '/install', { raw: 'late', headers: packageHeaders });
  assert.equal(reply.status, 200);
  assert.deepEqual((parseLines(reply.text).at(-1) as { error: { code: string } }).error.code, 'no_space');
});
