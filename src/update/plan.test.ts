import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BerthError } from '../lib/errors.ts';
import type { AppRow, ImageRow, TreeSize } from '../store/index.ts';
import { describeApp, type Candidate } from './candidate.ts';
import { fakeApp, fakeCandidate, fakeImage } from './fixtures.ts';
import { planUpdate, requireCopiesWithin, type Present, type Situation } from './plan.ts';
import { defaultRules } from './rules.ts';
import type { PlannedApp, UpdatePlan } from './types.ts';

const free = { bytes: 1e9, inodes: 1e6 };

/** What is there: its image runs unless the row says otherwise. */
function there(image: ImageRow, change: Partial<AppRow> = {}, previous: readonly ImageRow[] = []): Present {
  const row = fakeApp(image, change);
  return { row, image, active: row.desired === 'running', previous };
}

function plan(candidates: readonly Candidate[], present: readonly Present[] = [], change: Partial<Situation> = {}): UpdatePlan {
  const situation: Situation = {
    candidates,
    present: new Map(present.map((item) => [item.row.name, item])),
    data: new Map<string, TreeSize>(),
    images: new Set(),
    apps: present.map(({ image }) => describeApp(image, fakeCandidate(image).settings)),
    free, rules: defaultRules, start: true, snapshot: true, wayBack: false,
    ...change,
  };
  return planUpdate(situation);
}

function app(plan: UpdatePlan, name: string): PlannedApp {
  return plan.apps.find((planned) => planned.app === name)!;
}

test('an app that is new is started and not tried: there is nothing to go back to', () => {
  const { apps, stops, starts, removes, needs, deadlineMs } = plan([fakeCandidate(fakeImage('a'))]);
  const { digest } = fakeImage('a');
  assert.deepEqual(apps, [{ app: 'a', to: { version: '1.0', digest }, imageBytes: 1000, imageInodes: 10, stop: false, start: true, snapshot: 'none', dataBytes: 0, dataInodes: 0 }]);
  assert.deepEqual({ stops, starts, removes, needs, deadlineMs }, { stops: [], starts: ['a'], removes: [], needs: { bytes: 1000, inodes: 10 }, deadlineMs: undefined });
});

test('a new app is not started where that is not wanted; one that was there keeps what a person asked for', () => {
  const candidates = [fakeCandidate(fakeImage('new')), fakeCandidate(fakeImage('on', '2.0')), fakeCandidate(fakeImage('off', '2.0'))];
  const present = [there(fakeImage('on')), there(fakeImage('off'), { desired: 'stopped' })];
  assert.deepEqual(plan(candidates, present, { start: false }).starts, ['on']);
  assert.deepEqual(plan(candidates, present).starts, ['new', 'on']);
});

test('an app that runs is stopped, replaced, tried, and its old image is kept for the way back', () => {
  const planned = plan([fakeCandidate(fakeImage('a', '2.0'))], [there(fakeImage('a'))]);
  assert.deepEqual(app(planned, 'a').trial, { uptimeMs: defaultRules.trialUptimeMs, health: false, confirm: false });
  assert.deepEqual(app(planned, 'a').from, { version: '1.0', digest: fakeImage('a').digest });
  assert.deepEqual({ stops: planned.stops, starts: planned.starts, removes: planned.removes, deadlineMs: planned.deadlineMs }, { stops: ['a'], starts: ['a'], removes: [], deadlineMs: defaultRules.trialDeadlineMs });
});

test('what does not run proves nothing: an update of a stopped app is not tried', () => {
  const planned = plan([fakeCandidate(fakeImage('a', '2.0'))], [there(fakeImage('a'), { desired: 'stopped' })]);
  assert.equal(planned.deadlineMs, undefined);
  assert.equal(app(planned, 'a').trial, undefined);
});

test('a new app beside one that is replaced is tried with it', () => {
  const planned = plan([fakeCandidate(fakeImage('a', '2.0')), fakeCandidate(fakeImage('new'))], [there(fakeImage('a'))]);
  assert.notEqual(app(planned, 'new').trial, undefined);
});

test('what an image asks for in its trial counts before the device\'s default, and the longest deadline counts for all', () => {
  const slow = fakeCandidate(fakeImage('a', '2.0'), { 'trial.uptime': '30s', 'trial.deadline': '20m', 'trial.confirm': 'app', 'health.command': '["/bin/true"]' });
  const planned = plan([slow, fakeCandidate(fakeImage('b', '2.0'))], [there(fakeImage('a')), there(fakeImage('b'))]);
  assert.deepEqual(app(planned, 'a').trial, { uptimeMs: 30_000, health: true, confirm: true });
  assert.equal(planned.deadlineMs, 20 * 60_000);
});

test('the deadline leaves time for the uptime that is asked for', () => {
  const planned = plan([fakeCandidate(fakeImage('a', '2.0'), { 'trial.uptime': '1h' })], [there(fakeImage('a'))]);
  assert.equal(planned.deadlineMs! > 3_600_000, true);
});

test('apps stop against the order of start, and start in it', () => {
  const images = [fakeImage('c', '2.0', { depends: 'b' }), fakeImage('a', '2.0'), fakeImage('b', '2.0', { depends: 'a' })];
  const old = [fakeImage('a'), fakeImage('b', '1.0', { depends: 'a' }), fakeImage('c', '1.0', { depends: 'b' })];
  const planned = plan(images.map((image) => fakeCandidate(image)), old.map((image) => there(image)));
  assert.deepEqual(planned.apps.map((item) => item.app), ['a', 'b', 'c']);
  assert.deepEqual(planned.starts, ['a', 'b', 'c']);
  assert.deepEqual(planned.stops, ['c', 'b', 'a']);
});

test('an image that is on disk already takes no room', () => {
  const image = fakeImage('a', '2.0');
  const planned = plan([fakeCandidate(image)], [there(fakeImage('a'))], { images: new Set([image.digest]) });
  assert.deepEqual(planned.needs, { bytes: 0, inodes: 0 });
});

const data = new Map([['a', { bytes: 500, entries: 5 }]]);

test('data is copied for the way back, and takes room', () => {
  const planned = plan([fakeCandidate(fakeImage('a', '2.0'))], [there(fakeImage('a'))], { data });
  assert.equal(app(planned, 'a').snapshot, 'copy');
  assert.deepEqual(planned.needs, { bytes: 1500, inodes: 15 });
});

test('without a snapshot it is left as it is, and the plan says so', () => {
  const planned = plan([fakeCandidate(fakeImage('a', '2.0'))], [there(fakeImage('a'))], { data, snapshot: false });
  assert.equal(app(planned, 'a').snapshot, 'skipped');
  assert.deepEqual(planned.needs, { bytes: 1000, inodes: 10 });
});

test('data of an app that is not tried is not copied, but before a migration it is', () => {
  const stopped = [there(fakeImage('a'), { desired: 'stopped' })];
  assert.equal(app(plan([fakeCandidate(fakeImage('a', '2.0'))], stopped, { data }), 'a').snapshot, 'none');
  const migrating = app(plan([fakeCandidate(fakeImage('a', '2.0'), { 'migrate.command': '["/bin/m"]' })], stopped, { data }), 'a');
  assert.deepEqual([migrating.snapshot, migrating.migrate], ['copy', ['/bin/m']]);
});

test('a new app has nothing to migrate', () => {
  assert.equal(app(plan([fakeCandidate(fakeImage('a'), { 'migrate.command': '["/bin/m"]' })]), 'a').migrate, undefined);
});

test('a new app migrates the data that it had left when it was removed, on a copy', () => {
  const planned = app(plan([fakeCandidate(fakeImage('a', '2.0'), { 'migrate.command': '["/bin/m"]' })], [], { data }), 'a');
  assert.deepEqual([planned.migrate, planned.snapshot, planned.trial], [['/bin/m'], 'copy', undefined]);
});

test('a person who goes back to an image that ran here has nothing tried, migrated or copied', () => {
  const planned = plan([fakeCandidate(fakeImage('a'), { 'migrate.command': '["/bin/m"]' })], [there(fakeImage('a', '2.0'))], { data, wayBack: true });
  assert.equal(planned.deadlineMs, undefined);
  const { trial, migrate, snapshot, stop, start } = app(planned, 'a');
  assert.deepEqual({ trial, migrate, snapshot, stop, start }, { trial: undefined, migrate: undefined, snapshot: 'none', stop: true, start: true });
});

for (const [retain, removed] of [[0, ['1.2', '1.1', '1.0']], [1, ['1.1', '1.0']], [2, ['1.0']], [3, []]] as const) {
  test(`with ${retain} kept, of 1.2, 1.1 and 1.0 ${removed.length === 0 ? 'nothing' : removed.join(' and ')} goes`, () => {
    const present = there(fakeImage('a', '1.2'), {}, [fakeImage('a', '1.1'), fakeImage('a', '1.0')]);
    const { removes } = plan([fakeCandidate(fakeImage('a', '2.0'))], [present], { rules: { ...defaultRules, retain } });
    assert.deepEqual(removes.map(({ version }) => version), removed);
  });
}

test('an image that comes back is not among those that go', () => {
  const present = there(fakeImage('a', '1.1'), {}, [fakeImage('a', '1.0')]);
  assert.deepEqual(plan([fakeCandidate(fakeImage('a', '1.0'))], [present], { rules: { ...defaultRules, retain: 0 } }).removes.map(({ version }) => version), ['1.1']);
});

test('more data than may be copied is refused with the words to update without a copy', () => {
  const planned = plan([fakeCandidate(fakeImage('a', '2.0'))], [there(fakeImage('a'))], { data });
  requireCopiesWithin(planned, { snapshotBytes: 500 });
  assert.throws(() => { requireCopiesWithin(planned, { snapshotBytes: 499 }); }, (error: BerthError) => error.code === 'too_large' && /data of a is 500 B.*--no-snapshot/.test(error.message));
  requireCopiesWithin(plan([fakeCandidate(fakeImage('a', '2.0'))], [there(fakeImage('a'))], { data, snapshot: false }), { snapshotBytes: 0 });
});
