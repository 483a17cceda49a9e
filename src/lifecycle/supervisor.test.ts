import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerthError, type ErrorCode } from '../lib/errors.ts';
import { settle } from '../lib/handclock.ts';
import { keptEvents } from './events.ts';
import { type FakeApp, type Stage, stage } from './fakes.ts';
import { killTimeoutMs } from './kill.ts';

/** One app `web` that runs. */
async function running(app: FakeApp = {}): Promise<Stage> {
  const set = stage({ web: app });
  await set.supervisor.boot();
  assert.equal(set.supervisor.show('web').state, 'running');
  return set;
}

function fails(code: ErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof BerthError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

/** Makes the runtime wait at something until it is let go. */
function hold(set: Stage, what: string): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  set.runtime.before = (now) => (now === what ? promise : undefined);
  return () => {
    set.runtime.before = () => undefined;
    resolve();
  };
}

test('an unknown app is named, and where to look is said', async () => {
  const { supervisor } = await running();
  for (const command of ['start', 'stop', 'kill', 'suspend', 'resume', 'restart'] as const) {
    await assert.rejects(supervisor[command]('nope'), fails('not_found', /"nope".*berth ps/));
  }
  assert.throws(() => supervisor.show('nope'), fails('not_found', /nope/));
  assert.throws(() => supervisor.figures('nope'), fails('not_found', /nope/));
  assert.throws(() => supervisor.logs('nope', {}), fails('not_found', /nope/));
  await assert.rejects(supervisor.exec('nope', { command: ['x'] }), fails('not_found', /nope/));
});

test('start makes running durable first and writes the instance once', async () => {
  const set = stage({ web: { row: { desired: 'stopped', restarts: 4, failed: true } } });
  await set.supervisor.boot();
  assert.equal(set.supervisor.show('web').state, 'stopped');
  const release = hold(set, 'start web');
  const started = set.supervisor.start('web');
  await settle();
  assert.deepEqual(set.store.writes, [{ name: 'web', change: { desired: 'running', restarts: 0, failed: false } }]);
  release();
  assert.equal((await started).state, 'running');
  assert.equal(set.store.writes.length, 2);
});

test('a start while it starts joins it, and a start of what runs is done at once', async () => {
  const set = stage({ web: { row: { desired: 'stopped' } } });
  await set.supervisor.boot();
  const [one, two] = await Promise.all([set.supervisor.start('web'), set.supervisor.start('web')]);
  assert.deepEqual(one, two);
  await set.supervisor.start('web');
  assert.equal(set.runtime.log.filter((line) => line === 'start web').length, 1);
});

test('a stop cancels a start that is under way', async () => {
  const set = stage({ web: { row: { desired: 'stopped' } } });
  await set.supervisor.boot();
  const release = hold(set, 'start web');
  const started = assert.rejects(set.supervisor.start('web'), fails('cancelled', /stopping/));
  await settle();
  const stopped = set.supervisor.stop('web');
  await started;
  release();
  assert.equal((await stopped).state, 'stopped');
  assert.deepEqual(set.runtime.log.slice(1), ['start web', 'signal web SIGTERM', 'remove']);
  assert.equal(set.store.app('web')!.desired, 'stopped');
  assert.equal(set.runtime.running.size, 0);
});

test('a stop before anything was made makes nothing', async () => {
  const set = await running();
  const release = hold(set, 'remove');
  set.runtime.exit('web', { exitCode: 1 });
  await settle();
  assert.equal(set.supervisor.show('web').state, 'starting');
  const stopped = set.supervisor.stop('web');
  await settle();
  release();
  assert.equal((await stopped).state, 'stopped');
  assert.deepEqual(set.runtime.log.slice(2), ['remove']);
});

test('stop and start in a row, many at a time: consistent answers, and never two instances', async () => {
  const set = await running();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, async (_, index) => (index % 3 === 0 ? set.supervisor.stop('web') : index % 3 === 1 ? set.supervisor.start('web') : set.supervisor.restart('web'))),
  );
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal((outcome.reason as BerthError).code, 'cancelled');
  await settle();
  assert.equal(set.runtime.mostOfOneApp, 1);
  assert.equal(set.supervisor.show('web').state, 'running');
  assert.equal(set.store.app('web')!.desired, 'running');
});

test('stop sends the stop signal of the image, and SIGKILL only at the stop timeout', async () => {
  const set = await running({ annotations: { 'stop-signal': 'SIGINT', 'stop-timeout': '3s' } });
  set.runtime.deaf.add('web');
  const stopped = set.supervisor.stop('web');
  await set.clock.advance(2999);
  assert.deepEqual(set.runtime.log.slice(2), ['signal web SIGINT']);
  await set.clock.advance(1);
  const { state, lastExit } = await stopped;
  assert.equal(state, 'stopped');
  assert.equal(lastExit?.reason.code, 'stop-timeout');
  assert.equal(lastExit?.reason.message, 'did not end within 3s of SIGINT and was killed');
  assert.equal(set.clock.pending, 0);
});

test('an app that ends in time never sees SIGKILL, and the reason says so', async () => {
  const set = await running();
  const { lastExit } = await set.supervisor.stop('web', { timeoutMs: 1 });
  assert.equal(lastExit?.reason.code, 'stopped');
  await set.clock.advance(60_000);
  assert.deepEqual(set.runtime.log.slice(2), ['signal web SIGTERM', 'remove']);
});

test('kill while it is stopping does not wait for the stop timeout', async () => {
  const set = await running();
  set.runtime.deaf.add('web');
  const stopped = set.supervisor.stop('web');
  await settle();
  const { lastExit } = await set.supervisor.kill('web');
  assert.equal((await stopped).state, 'stopped');
  assert.equal(lastExit?.reason.code, 'killed');
});

test('whoever stops an app that outlives even SIGKILL is told so, and the app stays in stopping', async () => {
  const set = await running();
  set.runtime.undying.add('web');
  const killed = assert.rejects(set.supervisor.kill('web'), fails('timeout', /SIGKILL/));
  await set.clock.advance(killTimeoutMs);
  await killed;
  assert.equal(set.supervisor.show('web').state, 'stopping');
  await assert.rejects(set.supervisor.start('web'), fails('timeout', /SIGKILL/));
  set.runtime.exit('web', { signal: 'SIGKILL' });
  await settle();
  assert.equal(set.supervisor.show('web').state, 'running', 'the start was noted');
  set.runtime.undying.clear();
  assert.equal((await set.supervisor.stop('web')).state, 'stopped');
});

test('stop of what is stopped is no error, and makes it stay stopped', async () => {
  const set = await running();
  set.runtime.exit('web');
  assert.equal(set.supervisor.show('web').state, 'stopped');
  assert.equal((await set.supervisor.stop('web')).desired, 'stopped');
  const writes = set.store.writes.length;
  await set.supervisor.stop('web');
  assert.equal(set.store.writes.length, writes, 'nothing new, nothing written');
});

test('suspend and resume; twice is no error', async () => {
  const set = await running();
  assert.equal((await set.supervisor.suspend('web')).state, 'suspended');
  await set.supervisor.suspend('web');
  await assert.rejects(set.supervisor.exec('web', { command: ['x'] }), fails('conflict', /suspended/));
  assert.equal((await set.supervisor.resume('web')).state, 'running');
  await set.supervisor.resume('web');
  assert.deepEqual(set.runtime.log.slice(2), ['pause web', 'resume web']);
  assert.equal(set.store.app('web')!.desired, 'running');
});

test('suspend of what does not run is a conflict that says its state', async () => {
  const set = await running();
  await set.supervisor.stop('web');
  await assert.rejects(set.supervisor.suspend('web'), fails('conflict', /web is stopped/));
  await assert.rejects(set.supervisor.resume('web'), fails('conflict', /web is stopped/));
});

test('an app that cannot be suspended runs on, and whoever asked is told', async () => {
  const set = await running();
  set.runtime.before = (what) => {
    if (what === 'pause web') throw new BerthError('runtime', 'freezer is stuck');
  };
  await assert.rejects(set.supervisor.suspend('web'), fails('runtime', /web.*freezer is stuck/));
  assert.equal(set.supervisor.show('web').state, 'running');
});

test('an app that cannot be resumed stays suspended, and whoever asked is told', async () => {
  const set = await running();
  await set.supervisor.suspend('web');
  set.runtime.before = (what) => {
    if (what === 'resume web') throw new BerthError('runtime', 'freezer is stuck');
  };
  await assert.rejects(set.supervisor.resume('web'), fails('runtime', /freezer is stuck/));
  assert.equal(set.supervisor.show('web').state, 'suspended');
});

test('stop of a suspended app: the signal, then the thaw, so that the app sees it', async () => {
  const set = await running();
  await set.supervisor.suspend('web');
  const { lastExit } = await set.supervisor.stop('web');
  assert.deepEqual(set.runtime.log.slice(3), ['signal web SIGTERM', 'resume web', 'remove']);
  assert.equal(lastExit?.reason.code, 'stopped');
});

test('kill and start of a suspended app', async () => {
  const set = await running();
  await set.supervisor.suspend('web');
  assert.equal((await set.supervisor.start('web')).state, 'running');
  await set.supervisor.suspend('web');
  assert.equal((await set.supervisor.kill('web')).lastExit?.reason.code, 'killed');
});

test('restart is another instance, and of a stopped app a start', async () => {
  const set = await running();
  const first = set.supervisor.show('web').instance?.id;
  const second = await set.supervisor.restart('web');
  assert.equal(second.state, 'running');
  assert.notEqual(second.instance?.id, first);
  assert.equal(second.restarts, 0, 'not one of the supervisor');
  await set.supervisor.stop('web');
  assert.equal((await set.supervisor.restart('web')).state, 'running');
});

test('a crash is recorded with what is known of it, in one write', async () => {
  const set = await running({ annotations: { restart: 'never' } });
  const writes = set.store.writes.length;
  set.runtime.exit('web', { signal: 'SIGKILL', oom: true });
  assert.equal(set.store.writes.length, writes + 1);
  const { state, lastExit, reason, instance, desired } = set.supervisor.show('web');
  assert.deepEqual([state, desired, instance], ['stopped', 'running', undefined]);
  assert.equal(lastExit?.oom, true);
  assert.equal(lastExit?.signal, 'SIGKILL');
  assert.equal(reason?.code, 'out-of-memory');
  assert.deepEqual(set.events.find(({ type }) => type === 'app.exit')?.detail, lastExit);
  await settle();
  assert.ok(set.runtime.removed.has(lastExit?.id ?? ''), 'what is left of it was taken away');
});

test('a crash loop: at once, then ever longer waits, then failed, until a person starts it', async () => {
  const set = await running({ annotations: { 'restart-limit': '3' } });
  const crash = (): void => {
    set.runtime.exit('web', { exitCode: 1 });
  };
  crash();
  await settle();
  assert.equal(set.supervisor.show('web').state, 'running');
  for (const wait of [1000, 2000]) {
    crash();
    const { state, nextStartAt } = set.supervisor.show('web');
    assert.deepEqual([state, nextStartAt], ['backoff', set.clock.now() + wait]);
    await set.clock.advance(wait);
    assert.equal(set.supervisor.show('web').nextStartAt, undefined);
  }
  assert.equal(set.supervisor.show('web').restarts, 3);
  crash();
  const { state, reason, lastExit } = set.supervisor.show('web');
  assert.equal(state, 'failed');
  assert.equal(reason?.code, 'restart-limit');
  assert.match(reason?.message ?? '', /3 restarts within 10m 0s; the last time: exited with code 1/);
  assert.equal(lastExit?.reason.code, 'exited');
  assert.equal(set.store.app('web')!.failed, true);
  await set.clock.advance(1e9);
  assert.equal(set.supervisor.show('web').state, 'failed');

  const again = await set.supervisor.start('web');
  assert.deepEqual([again.state, again.restarts, set.store.app('web')!.failed], ['running', 0, false]);
  crash();
  await settle();
  assert.equal(set.supervisor.show('web').state, 'running', 'the first restart is at once again');
});

test('a start or restart in backoff does not wait, and a stop ends it', async () => {
  const set = await running();
  const backoff = async (): Promise<void> => {
    for (let turn = 0; turn < 2; turn += 1) {
      set.runtime.exit('web', { exitCode: 1 });
      await settle();
    }
    assert.equal(set.supervisor.show('web').state, 'backoff');
  };
  await backoff();
  assert.equal((await set.supervisor.restart('web')).state, 'running');
  await backoff();
  assert.equal((await set.supervisor.start('web')).state, 'running');
  await backoff();
  assert.equal((await set.supervisor.stop('web')).state, 'stopped');
  assert.equal(set.clock.pending, 0);
});

test('an app that runs well for the reset time is restarted at once again', async () => {
  const set = await running();
  set.runtime.exit('web', { exitCode: 1 });
  await set.clock.advance(60_000);
  set.runtime.exit('web', { exitCode: 1 });
  await settle();
  assert.equal(set.supervisor.show('web').state, 'running');
});

test('a start that fails is told to whoever asked, and is tried again later', async () => {
  const set = stage({ web: { row: { desired: 'stopped' } } });
  await set.supervisor.boot();
  set.runtime.before = (what) => {
    if (what === 'start web') throw new BerthError('runtime', 'exec: "/bin/web": no such file');
  };
  await assert.rejects(set.supervisor.start('web'), fails('runtime', /no such file/));
  const { state, lastExit } = set.supervisor.show('web');
  assert.deepEqual([state, lastExit?.reason.code], ['backoff', 'start-failed']);
  set.runtime.before = () => undefined;
  await set.clock.advance(1000);
  assert.equal(set.supervisor.show('web').state, 'running');
});

test('a start that fails again and again waits longer each time', async () => {
  const set = await running();
  await set.clock.advance(3_600_000);
  set.runtime.before = (what) => {
    if (what === 'start web') throw new BerthError('runtime', 'no such file');
  };
  set.runtime.exit('web', { exitCode: 1 });
  await settle();
  for (const wait of [1000, 2000, 4000]) {
    assert.equal(set.supervisor.show('web').nextStartAt, set.clock.now() + wait);
    await set.clock.advance(wait);
  }
});

test('an app whose image is broken is failed with the reason, listed like any other, and may be started when it is mended', async () => {
  const broken = { broken: new BerthError('bad_package', 'config.json is not JSON') };
  const set = stage({ web: broken, other: {} });
  await set.supervisor.boot();
  assert.deepEqual(set.supervisor.list().map(({ name, state }) => [name, state]), [['other', 'running'], ['web', 'failed']]);
  assert.match(set.supervisor.show('web').reason?.message ?? '', /config.json is not JSON/);
  assert.equal(set.store.app('web')!.failed, false, 'tried again at the next boot');
  assert.equal(set.clock.pending, 0);
  await assert.rejects(set.supervisor.start('web'), fails('bad_package', /not JSON/));
});

test('an end that comes before the runtime said that it runs is an end of what ran', async () => {
  const set = stage({ web: { row: { desired: 'stopped' }, annotations: { restart: 'never' } } });
  await set.supervisor.boot();
  const original = set.runtime.run.bind(set.runtime);
  set.runtime.run = (app, id, options) => {
    const record = original(app, id, options);
    set.runtime.exit(app, { exitCode: 7 });
    return record;
  };
  await set.supervisor.start('web');
  await settle();
  const { state, lastExit } = set.supervisor.show('web');
  assert.deepEqual([state, lastExit?.exitCode], ['stopped', 7]);
  assert.deepEqual(set.states('web').slice(-3), ['stopped→starting', 'starting→running', 'running→stopped']);
});

test('with a full disk nothing is started, but an app can still be stopped, and it is said that this is not recorded', async () => {
  const set = await running();
  set.store.fault = new BerthError('no_space', 'database or disk is full');
  await assert.rejects(set.supervisor.stop('web'), fails('no_space', /full/));
  assert.equal(set.supervisor.show('web').state, 'stopped');
  assert.equal(set.runtime.running.size, 0);
  await assert.rejects(set.supervisor.start('web'), fails('no_space', /full/));
  assert.equal(set.runtime.running.size, 0);
  set.store.fault = undefined;
  await set.supervisor.stop('web');
  const { desired, instance, lastExit } = set.store.app('web')!;
  assert.deepEqual([desired, instance], ['stopped', null]);
  assert.match(lastExit!, /"stopped"/);
});

test('what cannot be read in a row counts as empty and is told', () => {
  const set = stage({ web: { row: { instance: '{"id":', lastExit: '[]' } } });
  assert.equal(set.supervisor.eventsSince(0).filter(({ type }) => type === 'app.warning').length, 2);
  assert.equal(set.supervisor.show('web').lastExit, undefined);
});

test('figures are those of what runs', async () => {
  const set = stage({ web: {}, off: { row: { desired: 'stopped' } } });
  await set.supervisor.boot();
  assert.deepEqual(set.supervisor.figures(), [{ cpuNs: 1, memoryBytes: 2, processes: 3, name: 'web', restarts: 0, at: set.clock.now() }]);
  assert.deepEqual(set.supervisor.figures('off'), []);
});

test('events are numbered and kept up to a bound, and a follower that throws disturbs nobody', async () => {
  const set = await running();
  set.supervisor.onEvent(() => {
    throw new Error('no');
  });
  for (let index = 0; index < keptEvents + 50; index += 1) set.supervisor.announce({ type: 'app.warning', message: String(index) });
  const kept = set.supervisor.eventsSince(0);
  assert.equal(kept.length, keptEvents);
  assert.ok(kept.every((event, index) => index === 0 || event.seq === kept[index - 1]!.seq + 1));
  assert.deepEqual(set.supervisor.eventsSince(kept.at(-1)!.seq - 1), [kept.at(-1)]);
  assert.deepEqual(set.supervisor.eventsSince(1e9), []);
});
