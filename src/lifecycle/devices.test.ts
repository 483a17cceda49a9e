import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BerthError } from '../lib/errors.ts';
import { booted, isOver, stage } from './fakes.ts';

const two = { radio: { devices: ['gps'] }, survey: { devices: ['gps'], row: { desired: 'stopped' as const } } };

test('an app has its devices before it starts, and gives them back when nothing of it is left', async () => {
  const { supervisor, runtime, clock } = stage({ radio: { devices: ['gps'], row: { desired: 'stopped' } } });
  await supervisor.boot();
  runtime.log.length = 0;
  await supervisor.start('radio');
  assert.deepEqual(supervisor.show('radio').devices, [{ app: 'radio', device: 'gps', path: '/dev/gps', access: 'rw', present: true }]);
  await supervisor.stop('radio');
  await clock.advance(0);
  assert.deepEqual(runtime.log, ['lend radio', 'start radio', 'signal radio SIGTERM', 'remove', 'return radio']);
  assert.equal(supervisor.show('radio').devices, undefined);
});

test('an app that needs what another has waits, says for what, and starts when it is free', async () => {
  const { supervisor, clock, runtime, states } = await booted(two);
  await assert.rejects(supervisor.start('survey'), (error: BerthError) => error.code === 'busy' && /waits for the device gps, which radio has/.test(error.message));
  const waiting = supervisor.show('survey');
  assert.deepEqual([waiting.state, waiting.desired, waiting.reason?.code, waiting.instance], ['starting', 'running', 'device-busy', undefined]);
  assert.equal(runtime.of('survey').length, 0);
  await supervisor.stop('radio');
  await clock.advance(0);
  assert.equal(supervisor.show('survey').state, 'running');
  assert.deepEqual(states('survey'), ['stopped→starting', 'starting→running']);
  assert.equal(supervisor.show('survey').restarts, 0);
});

test('what crashes gives its device to the one that waits, and waits for it itself', async () => {
  const { supervisor, clock, runtime } = await booted(two);
  await assert.rejects(supervisor.start('survey'));
  runtime.exit('radio', { exitCode: 1 });
  await clock.advance(0);
  assert.deepEqual(['radio', 'survey'].map((app) => [supervisor.show(app).state, runtime.of(app).length]), [['starting', 0], ['running', 1]]);
  assert.match(supervisor.show('radio').reason!.message, /survey has/);
});

test('one that waits can be stopped and killed, and then no longer waits', async () => {
  for (const command of ['stop', 'kill'] as const) {
    const { supervisor, clock, devices } = await booted(two);
    await assert.rejects(supervisor.start('survey'));
    await supervisor[command]('survey');
    assert.deepEqual([supervisor.show('survey').state, supervisor.show('survey').desired, devices.queue.size], ['stopped', 'stopped', 0]);
    await supervisor.stop('radio');
    await clock.advance(0);
    assert.equal(supervisor.show('survey').state, 'stopped');
  }
});

test('neither the shutdown of the device nor the end of berthd waits for one that waits', async () => {
  const first = await booted(two);
  await assert.rejects(first.supervisor.start('survey'));
  await first.supervisor.shutdown({ deadlineMs: 1000 });
  assert.equal(first.supervisor.show('survey').state, 'stopped');
  const second = await booted(two);
  await assert.rejects(second.supervisor.start('survey'));
  assert.equal(await isOver(second.supervisor.detach()), true);
});

test('what is given back at a shutdown starts nobody', async () => {
  // It stops first, since it comes after the other.
  const { supervisor, runtime, clock } = await booted({ ...two, radio: { devices: ['gps'], dependsOn: ['survey'] } });
  await assert.rejects(supervisor.start('survey'));
  await supervisor.shutdown({ deadlineMs: 1000 });
  await clock.advance(0);
  assert.equal(runtime.log.includes('start survey'), false);
});

test('where an app is not to wait for a device, its start fails', async () => {
  const { supervisor, devices } = await booted(two);
  devices.failing.add('gps');
  await assert.rejects(supervisor.start('survey'), (error: BerthError) => error.code === 'busy' && /lent to radio/.test(error.message));
  assert.equal(supervisor.show('survey').state, 'failed');
});

test('an app that cannot be started gives its device back', async () => {
  const { supervisor, runtime, devices } = stage({ radio: { devices: ['gps'], annotations: { restart: 'never' }, row: { desired: 'stopped' } } });
  await supervisor.boot();
  runtime.before = (what) => {
    if (what === 'start radio') throw new Error('no');
  };
  await assert.rejects(supervisor.start('radio'));
  assert.equal(devices.held.size, 0);
});

test('apps that are taken over keep their devices, and those of others are taken away', async () => {
  const before = await booted(two);
  await before.supervisor.detach();
  const after = before.again();
  await after.supervisor.boot();
  assert.deepEqual([...after.devices.held.keys()], ['radio']);
  await assert.rejects(after.supervisor.start('survey'), /which radio has/);
  const rebooted = after.again({ bootId: 'boot-2' });
  await rebooted.supervisor.boot();
  assert.equal(rebooted.devices.held.has('survey') !== rebooted.devices.held.has('radio'), true);
});

test('an app that is updated has its devices again, whoever waits for them', async () => {
  const { supervisor, clock, runtime } = await booted(two);
  await assert.rejects(supervisor.start('survey'));
  supervisor.hold(['radio']);
  await supervisor.halt(['radio']);
  await clock.advance(0);
  assert.deepEqual([runtime.of('survey').length, runtime.log.includes('reserve radio')], [0, true]);
  const released = supervisor.release(['radio']);
  while (!(await isOver(released))) await clock.advance(1000);
  assert.deepEqual(['radio', 'survey'].map((app) => runtime.of(app).length), [1, 0]);
});

for (const [what, row] of [['does not start again', 'stopped'], ['is removed', 'running']] as const) {
  test(`what was reserved for an app in an update goes to the one that waits if the app ${what}`, async () => {
    const { supervisor, clock, runtime, store } = await booted(two);
    await assert.rejects(supervisor.start('survey'));
    supervisor.hold(['radio']);
    await supervisor.halt(['radio']);
    if (row === 'stopped') {
      await supervisor.stop('radio');
      const released = supervisor.release(['radio']);
      while (!(await isOver(released))) await clock.advance(1000);
    } else {
      store.rows.delete('radio');
      supervisor.withdraw('radio');
    }
    await clock.advance(0);
    assert.equal(runtime.of('survey').length, 1);
  });
}

test('an update that halts one that waits takes it out of the queue, and its release lets it ask again', async () => {
  const { supervisor, clock, devices } = await booted(two);
  await assert.rejects(supervisor.start('survey'));
  supervisor.hold(['survey']);
  await supervisor.halt(['survey']);
  assert.equal(devices.queue.size, 0);
  await supervisor.stop('radio');
  const released = supervisor.release(['survey']);
  while (!(await isOver(released))) await clock.advance(1000);
  assert.equal(supervisor.show('survey').state, 'running');
});
