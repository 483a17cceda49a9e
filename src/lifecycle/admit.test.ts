import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../lib/handclock.ts';
import { booted, fakeRow, isOver, otherImage, replaceImage, type Stage } from './fakes.ts';
import type { AppStateName } from './types.ts';

function state(set: Stage, app = 'web'): AppStateName {
  return set.supervisor.show(app).state;
}

async function crash(set: Stage, app = 'web'): Promise<void> {
  set.runtime.exit(app, { exitCode: 1 });
  await settle();
}

test('an app that is admitted is supervised; one that runs is not replaced under its feet', async () => {
  const set = await booted();
  set.store.rows.set('new', fakeRow('new', { desired: 'stopped' }));
  set.supervisor.admit('new');
  assert.equal((await set.supervisor.start('new')).state, 'running');
  assert.throws(() => { set.supervisor.admit('new'); }, { code: 'conflict', message: /new is running.*berth stop new/ });
  assert.throws(() => set.supervisor.withdraw('new'), { code: 'conflict', message: /new is running/ });
  await set.supervisor.stop('new');
  set.supervisor.withdraw('new');
  assert.throws(() => set.supervisor.show('new'), { code: 'not_found', message: /new/ });
});

test('a new version that is admitted starts only after what is left of the old one is gone', async () => {
  const set = await booted({ web: { annotations: { restart: 'never' } } });
  const { promise, resolve } = Promise.withResolvers<void>();
  set.runtime.before = (what) => (what === 'remove' ? promise : undefined);
  set.runtime.exit('web', { exitCode: 1 });
  set.supervisor.admit('web');
  const started = set.supervisor.start('web');
  await settle();
  assert.equal(set.runtime.log.at(-1), 'remove');
  resolve();
  await started;
  assert.deepEqual(set.runtime.log.slice(-2), ['remove', 'start web']);
});

test('an app that is new in the update is held by its name, and started by the release', async () => {
  const set = await booted();
  set.supervisor.hold(['web', 'new', 'never']);
  await set.supervisor.halt(['web', 'new', 'never']);
  set.store.rows.set('new', fakeRow('new'));
  set.supervisor.admit('new');
  const started = set.supervisor.start('new');
  assert.equal(await isOver(started), false);
  await set.supervisor.release(['web', 'new', 'never']);
  await started;
  assert.deepEqual([state(set), state(set, 'new')], ['running', 'running']);
  set.store.rows.set('never', fakeRow('never'));
  set.supervisor.admit('never');
  assert.equal((await set.supervisor.start('never')).state, 'running', 'also a name without an app was released');
});

test('an app that is withdrawn while it is held takes its waiting start with it', async () => {
  const set = await booted();
  set.supervisor.hold(['web']);
  await set.supervisor.halt(['web']);
  const started = assert.rejects(set.supervisor.start('web'), { code: 'not_found' });
  await settle();
  set.supervisor.withdraw('web');
  await set.supervisor.release(['web']);
  await started;
});

test('a halted app that is admitted with another image starts only when nothing of the old one is left', async () => {
  const set = await booted();
  set.supervisor.hold(['web']);
  const { promise, resolve } = Promise.withResolvers<void>();
  set.runtime.before = (what) => (what === 'remove' ? promise : undefined);
  const halted = set.supervisor.halt(['web']);
  await settle();
  replaceImage(set, 'web');
  const released = set.supervisor.release(['web']);
  await settle();
  assert.equal(set.runtime.log.at(-1), 'remove');
  resolve();
  await Promise.all([halted, released]);
  assert.deepEqual(set.runtime.log, ['signal web SIGTERM', 'remove', 'start web']);
});

test('a daemon that dies between the switch and the start starts the other image at boot', async () => {
  const set = await booted({ web: { annotations: { 'restart-limit': '1' } } });
  await crash(set);
  await crash(set);
  assert.equal(state(set), 'failed');
  set.store.rows.set('web', { ...set.store.app('web')!, image: otherImage });
  const { supervisor, store } = set.again();
  await supervisor.boot();
  assert.equal(supervisor.show('web').state, 'running');
  assert.equal(store.app('web')!.failed, false);
});
