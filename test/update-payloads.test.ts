/** Payloads that are refused, planned, broken off or waited for, and what is told of them afterwards. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { swu } from '../src/image/test-fixtures.ts';
import { until } from './support/berthd.ts';
import type { PackageOptions } from './support/packages.ts';
import { Shelf } from './support/shelf.ts';
import { beginUpload, goAway } from './support/upload.ts';
import { app, quick, updateTest } from './support/updates.ts';

const shelf = new Shelf();

describe('payloads', { concurrency: 4 }, () => {
  updateTest(shelf, 'a payload is refused that needs what is not there, or takes away what others need, or closes a cycle', async (device) => {
    await device.commits([app('b', '1.0'), app('client', '1.0', { control: { Depends: 'b (<< 2.0)' } })]);
    const running = await device.instances(['b', 'client']);
    await device.fails([app('a', '1.0', { control: { Depends: 'nosuch (>= 1.0)' } })], 'dependency', /a needs .*nosuch \(>= 1\.0\)/);
    await device.fails([app('b', '2.0')], 'dependency', /client needs b \(<< 2\.0\)/);
    await device.fails([app('b', '1.1', { annotations: { 'start-after': 'client' } })], 'dependency', /b → client → b|client → b → client/);
    await device.fails([app('x', '1.0', { control: { Depends: 'y' } }), app('y', '1.0', { control: { Depends: 'x' } })], 'dependency', /x → y → x|y → x → y/);
    assert.deepEqual(await device.holding(), { b: '1.0 running', client: '1.0 running' });
    assert.deepEqual(await device.instances(['b', 'client']), running);
    // What satisfies it may come in the same payload.
    await device.commits([app('client', '2.0', { control: { Depends: 'b (>= 2.0)' } }), app('b', '2.0')]);
    assert.deepEqual(await device.holding(), { b: '2.0 running', client: '2.0 running' });
  });

  updateTest(shelf, 'apps of a payload stop against the order of start and start in it; the plan says so beforehand', async (device) => {
    const payload = (version: string): readonly PackageOptions[] => [app('c', version, { control: { Depends: 'b' } }), app('b', version, { control: { Depends: 'a' } }), app('a', version)];
    await device.commits(payload('1.0'));
    const { seq } = (await device.events()).at(-1)!;
    const plan = await device.plan(payload('2.0'));
    assert.deepEqual([plan.stops, plan.starts], [['c', 'b', 'a'], ['a', 'b', 'c']]);
    await device.commits(payload('2.0'));
    const states = (await device.events()).filter((event) => event.seq > seq && event.type === 'app.state').map((event) => `${event.app} ${(event.detail as { to: string }).to}`);
    assert.deepEqual(states.filter((state) => / stopped$| running$/.test(state)), ['c stopped', 'b stopped', 'a stopped', 'a running', 'b running', 'c running']);
  });

  updateTest(shelf, 'a dry run tells the plan and changes nothing', async (device) => {
    await device.commits([app('a', '1.0', { annotations: { data: '/data' }, script: 'echo x > /data/file; exec sleep 1000' })]);
    const before = [await device.holding(), await device.updates(), await device.instance('a')];
    const { seq } = (await device.events()).at(-1)!;
    const plan = await device.plan([app('a', '2.0', { annotations: { data: '/data' } }), app('n', '1.0')]);
    const { a, n } = Object.fromEntries(plan.apps.map((planned) => [planned.app, planned]));
    assert.deepEqual([a!.from!.version, a!.to.version, a!.stop, a!.start, a!.snapshot], ['1.0', '2.0', true, true, 'copy']);
    assert.deepEqual(a!.trial, { uptimeMs: 300, health: false, confirm: false });
    assert.deepEqual([n!.from, n!.stop, n!.start, n!.snapshot], [undefined, false, true, 'none']);
    assert.equal(plan.deadlineMs, 20_000);
    assert.equal(plan.needs.bytes, a!.imageBytes + n!.imageBytes + a!.dataBytes);
    assert.equal(plan.free.bytes > plan.needs.bytes, true);
    await assert.rejects(device.plan([app('a', '2.0', { architecture: 'pdp11' })]), /a is for pdp11/);
    assert.deepEqual([await device.holding(), await device.updates(), await device.instance('a')], before);
    assert.deepEqual((await device.events()).filter((event) => event.seq > seq), []);
    assert.deepEqual(await device.versions('n'), []);
  });

  updateTest(shelf, 'a payload may be compressed, or an update image of Mbed Linux OS', async (device) => {
    const versions = { xz: '1.0', gzip: '2.0', zstd: '3.0', swu: '4.0' } as const;
    for (const [kind, version] of Object.entries(versions)) {
      const file = join(device.daemon.directory, kind);
      const bytes = readFileSync(await shelf.payload([app('a', version), app('b', version)].map(quick)));
      const packed = execFileSync(kind === 'swu' ? 'xz' : kind, ['-1', '-c'], { input: bytes, maxBuffer: 2 * bytes.length });
      writeFileSync(file, kind === 'swu' ? swu(packed) : packed);
      const { result, error } = await device.sendFile(file);
      assert.equal(result?.outcome, 'committed', JSON.stringify(error));
      assert.deepEqual(await device.holding(), { a: `${version} running`, b: `${version} running` }, kind);
    }
  });

  updateTest(shelf, 'an upload that stops half-way is cancelled and leaves nothing', async (device) => {
    await device.commits([app('a', '1.0')]);
    const beginning = readFileSync(await shelf.package(app('a', '2.0'))).subarray(0, 100_000);
    const client = beginUpload(device.daemon.socket, beginning);
    await device.underWay('receiving', 1);
    await goAway(client);
    const { outcome, reason } = await device.over();
    assert.deepEqual([outcome, reason?.code], ['cancelled', 'cancelled']);
    await device.requireTidy();
    await device.commits([app('a', '2.0')]);
  });

  updateTest(shelf, 'more than the disk holds is refused before it is received', async (device) => {
    const error = await device.fails([app('a', '1.0')], 'no_space', /not enough room for this payload/, { bytes: 2 ** 52 });
    assert.equal((error.detail as { needs: { bytes: number } }).needs.bytes, 2 ** 52);
    assert.equal((await device.last()).bytes, 0);
  });

  updateTest(shelf, 'all of an update is told: as it goes, in its record, and in events', async (device) => {
    await device.commits([app('a', '1.0')]);
    const { seq } = (await device.events()).at(-1)!;
    const good = await device.send([app('a', '2.0')], { origin: 'payload.tar' });
    const bad = await device.send([app('a', '3.0', { script: 'exit 3' })]);
    const refused = await device.send([app('a', '1.0')]);
    assert.deepEqual([good.result?.outcome, bad.error?.code, refused.error?.code], ['committed', 'rolled_back', 'downgrade']);

    const forward = ['receiving', 'storing', 'switching', 'starting', 'trial'];
    const expected = [
      { phases: forward, outcome: 'committed', code: undefined, origin: 'payload.tar', to: ['2.0'] },
      { phases: [...forward, 'rolling-back'], outcome: 'rolled-back', code: 'rolled_back', origin: undefined, to: ['3.0'] },
      { phases: ['receiving'], outcome: 'failed', code: 'downgrade', origin: undefined, to: [] },
    ];
    const updates = (await device.updates()).slice(0, 3).toReversed();
    assert.deepEqual(updates.map((update) => ({
      phases: update.phases.map(({ phase }) => phase),
      outcome: update.outcome,
      code: update.reason?.code,
      origin: update.origin,
      to: update.apps.map(({ to }) => to.version),
    })), expected);
    for (const update of updates) {
      assert.deepEqual(await device.update(update.id), update);
      const times = [update.startedAt, ...update.phases.map(({ at }) => at), update.endedAt!];
      assert.deepEqual(times, times.toSorted((a, b) => a - b), 'the times of its phases are in order');
      assert.equal(update.source, 'command-line');
      assert.equal(update.bytes > 0, true);
    }
    assert.deepEqual([...new Set(good.progress.map(({ phase }) => phase))], forward);

    const [one, two, three] = updates.map(({ id }) => id);
    const told = (await device.events()).filter((event) => event.seq > seq && event.type.startsWith('update.')).map(({ type, detail }) => {
      const { update, phase } = detail as { update: number; phase?: string };
      return `${update} ${phase ?? type}`;
    });
    assert.deepEqual(told, [
      ...forward.map((phase) => `${one} ${phase}`), `${one} update.committed`,
      ...[...forward, 'rolling-back'].map((phase) => `${two} ${phase}`), `${two} update.rolled-back`,
      `${three} receiving`, `${three} update.failed`,
    ]);
    assert.equal((await device.api.call('GET', '/updates/999')).status, 404);
    assert.equal((await device.api.call('GET', '/updates/x')).status, 404);
  });

  updateTest(shelf, 'the history is bounded, and its numbers go on', async (device) => {
    for (let round = 0; round < 210; round += 1) assert.equal((await device.send([app('a', '1.0')], { bytes: 2 ** 52 })).error?.code, 'no_space');
    await device.commits([app('a', '1.0')]);
    const ids = (await device.updates()).map(({ id }) => id);
    assert.deepEqual(ids, Array.from({ length: 200 }, (_, index) => 212 - index));
  });

  updateTest(shelf, 'when the last app is gone, nothing is left of any update', async (device) => {
    await device.commits([app('a', '1.0', { annotations: { data: '/data' } })]);
    await device.commits([app('a', '2.0', { annotations: { data: '/data' } })]);
    await device.fails([app('a', '3.0', { script: 'exit 1' })], 'rolled_back', /exited/);
    await device.api.must('DELETE', '/apps/a?purge=true');
    assert.deepEqual(await device.versions('a'), []);
    await device.requireUndisturbed();
    const cgroups = device.daemon.cgroups().filter((path) => /\/a(\/|$)/.test(path));
    assert.deepEqual(cgroups, []);
    await until(() => !device.daemon.traces().some((trace) => trace.includes('/apps/a')));
  });
});
