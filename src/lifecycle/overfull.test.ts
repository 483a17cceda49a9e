import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle } from '../lib/handclock.ts';
import { stage, type Stage } from './fakes.ts';

const MiB = 1024 ** 2;

/** An app `web` that runs and may keep 64 MiB; `disk` says what it keeps. */
async function running(annotations: Readonly<Record<string, string>> = {}): Promise<{ set: Stage; disk: { usedMiB: number } }> {
  const disk = { usedMiB: 1 };
  const data = {
    room: () => ({ totalBytes: 1000 * MiB, freeBytes: (1000 - disk.usedMiB) * MiB, totalInodes: Infinity, freeInodes: Infinity }),
    measure: async () => Promise.resolve({ bytes: disk.usedMiB * MiB, tooDeep: false }),
  };
  const set = stage({ web: { annotations: { data: '/data', restart: 'always', ...annotations }, dataBytes: 64 * MiB } }, { data });
  await set.supervisor.boot();
  await look(set);
  set.runtime.log.length = 0;
  return { set, disk };
}

async function look(set: Stage): Promise<void> {
  for (let count = 0; count < 3; count += 1) {
    await set.clock.advance(250);
    await settle();
  }
}

test('an app whose data goes beyond its limit is killed and stays down with the reason, whatever its restart policy', async () => {
  const { set, disk } = await running();
  assert.deepEqual(set.supervisor.show('web').data, { usedBytes: MiB, limitBytes: 64 * MiB });
  disk.usedMiB = 70;
  await look(set);
  const { state, reason, lastExit } = set.supervisor.show('web');
  assert.deepEqual([state, reason?.code, reason?.message], ['failed', 'data-full', 'its data takes 70.0 MiB of 64.0 MiB']);
  assert.equal(lastExit?.reason.code, 'data-full');
  assert.deepEqual(set.runtime.log, ['signal web SIGKILL', 'remove']);
  await set.clock.advance(3_600_000);
  assert.equal(set.supervisor.show('web').state, 'failed');
});

test('a person starts it again, and it goes on if it makes room in time', async () => {
  const { set, disk } = await running();
  disk.usedMiB = 70;
  await look(set);
  await set.supervisor.start('web');
  await look(set);
  assert.equal(set.supervisor.show('web').state, 'running');
  assert.match(set.events.at(-1)!.message, /web: its data takes 70\.0 MiB of 64\.0 MiB; it has 5m 0s to make room/);
  disk.usedMiB = 60;
  await set.clock.advance(6 * 60_000);
  await look(set);
  assert.equal(set.supervisor.show('web').state, 'running');
});

test('one that makes no room in time is ended again', async () => {
  const { set, disk } = await running();
  disk.usedMiB = 70;
  await look(set);
  await set.supervisor.start('web');
  for (let minute = 0; minute < 7; minute += 1) {
    await set.clock.advance(60_000);
    await look(set);
  }
  assert.deepEqual([set.supervisor.show('web').state, set.supervisor.show('web').reason?.code], ['failed', 'data-full']);
});

test('an app that is suspended, or on its way out, is left alone', async () => {
  const { set, disk } = await running();
  await set.supervisor.suspend('web');
  disk.usedMiB = 70;
  await look(set);
  assert.equal(set.supervisor.show('web').state, 'suspended');
  await set.supervisor.stop('web');
  await look(set);
  assert.deepEqual([set.supervisor.show('web').state, set.supervisor.show('web').reason?.code], ['stopped', 'stopped']);
});
