/** How new versions prove themselves on real containers, and how the old ones come back. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { until } from './support/berthd.ts';
import type { PackageOptions } from './support/packages.ts';
import { Shelf } from './support/shelf.ts';
import { app, refusal, updateTest, type Answered, type UpdateDevice } from './support/updates.ts';

const shelf = new Shelf();

/** It is committed only by a word, within a minute. */
const byWord = { annotations: { 'trial.confirm': 'app', 'trial.deadline': '1m' } } as const;

/** Sends a payload, and waits until it is tried. The answer comes when the trial is over. */
async function tries(device: UpdateDevice, packages: readonly PackageOptions[]): Promise<{ readonly answer: Promise<Answered>; readonly id: number }> {
  const answer = device.send(packages);
  const { id } = await device.underWay('trial');
  // So that nothing is left of what an app is to show but its word.
  await until(async () => (await device.update(id)).apps.every(({ trial }) => trial?.waitingFor.join() === 'its own confirmation' || trial?.passed));
  return { answer, id };
}

describe('trials', { concurrency: 4 }, () => {
  updateTest(shelf, 'an app that is to confirm itself stays tried, and a person may confirm it', async (device) => {
    await device.commits([app('a', '1.0')]);
    const { answer, id } = await tries(device, [app('a', '2.0', byWord)]);
    const { apps, leftMs, outcome } = await device.update(id);
    assert.deepEqual(apps[0]!.trial, { passed: false, waitingFor: ['its own confirmation'] });
    assert.equal(leftMs! > 0 && leftMs! <= 60_000, true);
    assert.equal(outcome, undefined);
    await device.api.must('POST', '/apps/a/confirm');
    assert.equal((await answer).result?.outcome, 'committed');
    assert.equal((await device.update(id)).outcome, 'committed');
  });

  updateTest(shelf, 'during a trial a rollback by hand takes the whole payload back, and answers when the old versions run', async (device) => {
    await device.commits([app('a', '1.0'), app('b', '1.0')]);
    const { answer, id } = await tries(device, [app('a', '2.0', byWord), app('b', '2.0')]);
    assert.deepEqual(await device.holding(), { a: '2.0 running', b: '2.0 running' });
    const { body } = await device.api.must('POST', '/apps/b/rollback');
    assert.equal((JSON.parse(body) as { id: number }).id, id);
    assert.deepEqual(await device.holding(), { a: '1.0 running', b: '1.0 running' });
    refusal(await answer, 'rolled_back', /rolled back by hand/);
  });

  updateTest(shelf, 'after a commit a rollback by hand brings back the image that was kept, and can be undone the same way', async (device) => {
    await device.commits([app('a', '1.0')]);
    assert.equal((await device.api.call('POST', '/apps/a/rollback')).status, 409);
    await device.commits([app('a', '2.0')]);
    await device.api.must('POST', '/apps/a/rollback');
    assert.deepEqual(await device.holding(), { a: '1.0 running' });
    const { source, outcome } = await device.last();
    assert.deepEqual({ source, outcome }, { source: 'operator', outcome: 'committed' });
    await device.api.must('POST', '/apps/a/rollback');
    assert.deepEqual(await device.holding(), { a: '2.0 running' });
    assert.deepEqual(await device.versions('a'), ['1.0', '2.0']);
  });

  updateTest(shelf, 'a newer payload for an app ends its trial', async (device) => {
    await device.commits([app('a', '1.0')]);
    const { answer, id } = await tries(device, [app('a', '2.0', byWord)]);
    await device.commits([app('a', '3.0')]);
    refusal(await answer, 'rolled_back', /superseded by update/);
    assert.equal((await device.update(id)).outcome, 'rolled-back');
    assert.deepEqual(await device.holding(), { a: '3.0 running' });
    assert.deepEqual(await device.versions('a'), ['1.0', '3.0']);
  });

  updateTest(shelf, 'a payload for another app waits, visibly, while something is tried', async (device) => {
    await device.commits([app('a', '1.0'), app('b', '1.0')]);
    const { answer } = await tries(device, [app('a', '2.0', byWord)]);
    const waiting = device.send([app('b', '2.0')]);
    const { apps } = await device.underWay('queued');
    assert.deepEqual(apps.map((member) => [member.app, member.from?.version, member.to.version]), [['b', '1.0', '2.0']]);
    assert.deepEqual(await device.holding(), { a: '2.0 running', b: '1.0 running' });
    await device.api.must('POST', '/apps/a/confirm');
    assert.equal((await answer).result?.outcome, 'committed');
    assert.equal((await waiting).result?.outcome, 'committed');
    assert.deepEqual(await device.holding(), { a: '2.0 running', b: '2.0 running' });
  });

  updateTest(shelf, 'an app that is tried is not removed, and one that is not tried is not confirmed', async (device) => {
    await device.commits([app('a', '1.0')]);
    assert.equal((await device.api.call('POST', '/apps/a/confirm')).status, 409);
    assert.equal((await device.api.call('POST', '/apps/nosuch/confirm')).status, 404);
    assert.equal((await device.api.call('POST', '/apps/nosuch/rollback')).status, 404);
    const { answer } = await tries(device, [app('a', '2.0', byWord)]);
    const { status, body } = await device.api.call('DELETE', '/apps/a');
    assert.equal(status, 409);
    assert.match(body, /a is being updated/);
    assert.equal((await device.api.call('POST', '/apps/bystander/confirm')).status, 409);
    await device.api.must('POST', '/apps/a/confirm');
    await answer;
    await device.api.must('DELETE', '/apps/a');
  });

  updateTest(shelf, 'where an image has a health check, it must pass in the trial', async (device) => {
    const check = { 'health.command': '["/bin/test","-e","/tmp/well"]', 'health.interval': '100ms', 'trial.uptime': '0s' };
    const oci = { mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }, { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' }] };
    await device.commits([app('a', '1.0')]);
    const { installed } = await device.commits([app('a', '2.0', { annotations: { ...check, 'health.retries': '100' }, oci, script: 'sleep 0.3; touch /tmp/well; exec sleep 1000' })]);
    assert.equal(installed[0]!.status.health, 'healthy');
    await device.fails([app('a', '3.0', { annotations: { ...check, 'health.retries': '2' }, oci })], 'rolled_back', /a: .*health/);
    assert.deepEqual(await device.holding(), { a: '2.0 running' });
  });

  updateTest(shelf, 'a new version that exits with 0 has passed, unless it is always to run', async (device) => {
    const once = { script: 'sleep 0.1', annotations: { 'trial.uptime': '10s' } };
    await device.commits([app('a', '1.0')]);
    await device.commits([app('a', '2.0', once)]);
    assert.deepEqual(await device.holding(), { a: '2.0 stopped' });
    await device.api.must('POST', '/apps/a/start');
    await device.fails([app('a', '3.0', { ...once, annotations: { ...once.annotations, restart: 'always' } })], 'rolled_back', /a: exited with code 0/);
    assert.equal((await device.app('a')).version, '2.0');
  });

  updateTest(shelf, 'a new version that cannot be started is rolled back', async (device) => {
    await device.commits([app('a', '1.0')]);
    const broken = { process: { args: ['/bin/nosuch'], cwd: '/', user: { uid: 0, gid: 0 } } };
    await device.fails([app('a', '2.0', { oci: broken })], 'rolled_back', /a: .*nosuch/);
    assert.deepEqual(await device.holding(), { a: '1.0 running' });
  });

  updateTest(shelf, 'a trial goes on when the daemon was killed, with the time that was left, and passes', async (device) => {
    await device.commits([app('a', '1.0')]);
    const { answer, id } = await tries(device, [app('a', '2.0', byWord)]);
    const running = await device.instance('a');
    const before = (await device.update(id)).leftMs!;
    await Promise.all([assert.rejects(answer), device.crash()]);
    const { leftMs, outcome } = await device.update(id);
    assert.equal(outcome, undefined);
    assert.equal(leftMs! < before, true, `${leftMs} ms are left, ${before} were`);
    await device.settled('a', ({ state }) => state === 'running');
    assert.equal(await device.instance('a'), running, 'the new version ran on');
    await device.api.must('POST', '/apps/a/confirm');
    assert.equal((await device.over()).outcome, 'committed');
  });

  updateTest(shelf, 'a trial whose daemon was killed is rolled back at its deadline, or at once if that has passed', async (device) => {
    await device.commits([app('a', '1.0')]);
    const { answer } = await tries(device, [app('a', '2.0', { annotations: { ...byWord.annotations, 'trial.deadline': '1s' } })]);
    await Promise.all([assert.rejects(answer), device.crash()]);
    const { outcome, reason } = await device.over();
    assert.equal(outcome, 'rolled-back');
    assert.match(reason!.message, /not proved in time/);
    assert.deepEqual(await device.ready(['a']), { a: '1.0 running' });
  });

  updateTest(shelf, 'a trial goes on over two reboots; at the third it is rolled back before anything of it starts', async (device) => {
    await device.commits([app('a', '1.0')]);
    const { answer, id } = await tries(device, [app('a', '2.0', byWord)]);
    const unanswered = assert.rejects(answer);
    for (let boot = 1; boot <= 2; boot += 1) {
      await device.daemon.reboot();
      assert.deepEqual(await device.ready(['a']), { a: '2.0 running' });
      const { outcome, leftMs } = await device.update(id);
      assert.equal(outcome, undefined, `boot ${boot}`);
      assert.equal(leftMs! > 0 && leftMs! <= 60_000, true);
    }
    await unanswered;
    await device.daemon.reboot();
    const { outcome, reason } = await device.over();
    assert.equal(outcome, 'rolled-back');
    assert.match(reason!.message, /2 reboots/);
    assert.deepEqual(await device.ready(['a']), { a: '1.0 running' });
    const started = (await device.events()).filter(({ type, app: of, detail }) => type === 'app.state' && of === 'a' && (detail as { to: string }).to === 'running');
    assert.equal(started.length, 1, 'only the old version started');
    await device.beginAnew();
  });

  updateTest(shelf, 'a payload that is not waited for goes on by itself', async (device) => {
    await device.commits([app('a', '1.0')]);
    const { result } = await device.send([app('a', '2.0')], { wait: false });
    assert.deepEqual({ outcome: result?.outcome, installed: result?.installed }, { outcome: 'under-way', installed: [] });
    const { id, outcome } = await device.over();
    assert.deepEqual({ id, outcome }, { id: result!.update, outcome: 'committed' });
    assert.deepEqual(await device.holding(), { a: '2.0 running' });
  });
});

describe('the way back and the daemon\'s end', { concurrency: 4 }, () => {
  updateTest(shelf, 'what the old version needs is not removed while the new one is tried', async (device) => {
    await device.commits([app('x', '1.0'), app('a', '1.0', { control: { Depends: 'x' } })]);
    const { answer } = await tries(device, [app('a', '2.0', byWord)]);
    const { status, body } = await device.api.call('DELETE', '/apps/x');
    assert.equal(status, 424, body);
    assert.match(body, /x is needed by a/);
    await device.api.must('POST', '/apps/a/confirm');
    await answer;
    await device.api.must('DELETE', '/apps/x');
  });

  updateTest(shelf, 'a daemon that ends in order at any step leaves what the next one brings to an end', async (device) => {
    let version = 1;
    await device.commits([app('a', '1.0'), app('b', '1.0')]);
    for (const phase of ['storing', 'switching', 'starting', 'trial', 'rolling-back']) {
      const fresh = `${version + 1}.0`;
      await device.interrupts([app('a', fresh), app('b', fresh, phase === 'rolling-back' ? { script: 'sleep 0.1; exit 1' } : {})], 'SIGTERM', ({ type, detail }) => type === 'update.phase' && (detail as { phase: string }).phase === phase);
      const { outcome } = await device.over();
      if (outcome === 'committed') version += 1;
      assert.deepEqual(await device.ready(['a', 'b']), { a: `${version}.0 running`, b: `${version}.0 running` }, `${phase}: ${outcome}`);
      await device.requireTidy();
    }
    assert.equal(version > 1, true);
  });

  updateTest(shelf, 'people see and steer updates on the command line', async (device) => {
    const { daemon } = device;
    const file = async (name: string, version: string, options = {}): Promise<string> => shelf.package(app(name, version, { ...options, annotations: { 'stop-signal': 'SIGKILL', ...byWord.annotations } }));
    await daemon.json('install', await file('a', '1.0'), await file('b', '1.0'));
    assert.deepEqual(await device.holding(), { a: '1.0 running', b: '1.0 running' });
    const planned = await daemon.berth('install', '--dry-run', await file('a', '2.0'));
    assert.equal(planned.code, 0, planned.stderr);
    assert.match(planned.stdout, /a\b.*1\.0.*2\.0/);
    const installing = daemon.berth('install', await file('a', '2.0'), await file('b', '2.0'));
    const { id } = await device.underWay('trial');
    const shown = await daemon.berth('updates', String(id));
    assert.match(shown.stdout, /its own confirmation/);
    const early = await daemon.berth('remove', 'a');
    assert.equal(early.code, 1);
    for (const name of ['a', 'b']) assert.equal((await daemon.berth('confirm', name)).code, 0);
    const installed = await installing;
    assert.equal(installed.code, 0, installed.stderr);
    assert.deepEqual(await device.holding(), { a: '2.0 running', b: '2.0 running' });
    const late = await daemon.berth('confirm', 'a');
    assert.equal(late.code, 1);
    assert.match(late.stderr, /a is not being tried/);
    assert.equal((await daemon.berth('rollback', 'a')).code, 0);
    assert.deepEqual(await device.holding(), { a: '1.0 running', b: '2.0 running' });
    const { stdout } = await daemon.berth('updates');
    assert.match(stdout, /a 1\.0 → 2\.0, b 1\.0 → 2\.0 +committed/);
    assert.match(stdout, /a 2\.0 → 1\.0 +committed/);
  });
});

/** A window of half an hour that opens in twelve hours or so. */
function closedWindow(): string {
  const hour = String((new Date().getHours() + 12) % 24).padStart(2, '0');
  return `${hour}:00-${hour}:30`;
}

describe('windows', { concurrency: 4 }, () => {
  updateTest(shelf, 'outside its windows an update waits, visibly, and can be taken back or made to go on', async (device) => {
    await device.commits([app('a', '1.0'), app('b', '1.0')], { now: true });
    const cancel = new AbortController();
    const answer = device.send([app('a', '2.0')], {}, cancel.signal);
    const { waitingFor, id } = await device.underWay('waiting');
    assert.match(waitingFor!, new RegExp(`no window is open \\(${closedWindow()}\\); the next one opens in \\d+h`));
    assert.deepEqual(await device.holding(), { a: '1.0 running', b: '1.0 running' });
    const told = (await device.events()).filter(({ type }) => type === 'update.waiting');
    assert.deepEqual(told.map(({ detail }) => detail), [{ update: id }]);
    // Another one need not wait for it.
    await device.commits([app('b', '2.0')], { now: true });
    cancel.abort();
    await assert.rejects(answer);
    await until(async () => (await device.update(id)).outcome === 'cancelled');
    await device.commits([app('a', '2.0')], { now: true });
    assert.deepEqual(await device.holding(), { a: '2.0 running', b: '2.0 running' });
  }, [`windows: ["${closedWindow()}"]`]);
});
