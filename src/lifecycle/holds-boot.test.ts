import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../lib/handclock.ts';
import { booted, isOver, type Stage, stage } from './fakes.ts';
import type { AppStateName } from './types.ts';

const health = { 'health.command': '["/bin/check"]' };

function state(set: Stage, app = 'web'): AppStateName {
  return set.supervisor.show(app).state;
}

test('boot passes a held app by and starts the others; a halt waits until all was taken over; the release starts it', async () => {
  const set = stage({ client: { dependsOn: ['web'] }, web: {} });
  set.supervisor.hold(['web']);
  const halted = set.supervisor.halt(['web']);
  assert.equal(await isOver(halted), false);
  await set.supervisor.boot();
  await halted;
  assert.deepEqual([state(set), state(set, 'client')], ['stopped', 'running']);
  assert.deepEqual(set.states('web'), []);
  await set.supervisor.release(['web']);
  assert.equal(state(set), 'running');
  assert.deepEqual(set.runtime.log, ['sweep', 'start client', 'start web']);
});

test('what ran when the daemon died can be held and halted by the next one', async () => {
  const before = await booted();
  const { supervisor, runtime } = before.again();
  supervisor.hold(['web']);
  const halted = supervisor.halt(['web']);
  await supervisor.boot();
  await halted;
  assert.deepEqual([supervisor.show('web').state, runtime.running.size], ['stopped', 0]);
  await supervisor.release(['web']);
  assert.equal(supervisor.show('web').state, 'running');
});

for (const way of ['detach', 'shutdown'] as const) {
  const end = async (set: Stage): Promise<void> => (way === 'detach' ? set.supervisor.detach() : set.supervisor.shutdown({ deadlineMs: 60_000 }));

  test(`after a ${way} a release does nothing, a halt is refused, and what waits to start is told`, async () => {
    const set = await booted();
    set.supervisor.hold(['web']);
    await set.supervisor.halt(['web']);
    const started = assert.rejects(set.supervisor.start('web'), { code: 'unavailable', message: /web/ });
    await settle();
    await end(set);
    await started;
    await set.supervisor.release(['web']);
    assert.equal(set.runtime.running.size, 0);
    await assert.rejects(set.supervisor.halt(['web']), { code: 'unavailable' });
    const { supervisor } = set.again();
    await supervisor.boot();
    assert.equal(supervisor.show('web').state, 'running', 'what is desired is as it was');
  });
}

test('a detach during a halt ends the halt, and halts nothing more', async () => {
  const set = await booted({ client: { dependsOn: ['broker'] }, broker: {} });
  set.runtime.deaf.add('client');
  const halted = assert.rejects(set.supervisor.halt(['client', 'broker']), { code: 'unavailable' });
  await settle();
  await set.supervisor.detach();
  await halted;
  await settle();
  assert.deepEqual(set.runtime.log, ['signal client SIGTERM']);
  assert.equal(set.clock.pending, 0);
});

test('a shutdown during a release starts nothing more', async () => {
  const set = await booted({ client: { dependsOn: ['broker'] }, broker: { annotations: health } });
  const names = ['client', 'broker'];
  set.supervisor.hold(names);
  await set.supervisor.halt(names);
  const released = set.supervisor.release(names);
  await settle();
  await set.supervisor.shutdown({ deadlineMs: 1000 });
  await released;
  assert.equal(set.runtime.running.size, 0);
  assert.ok(!set.runtime.log.includes('start client'));
});
