import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isAlive, type ProcessIdentity } from '../src/lib/process.ts';
import type { InstanceExit } from '../src/runtime/index.ts';
import { RuntimeBench } from './support/runtime-bench.ts';

const forever = 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done';

describe('a new daemon', () => {
  it('takes over what runs, and is told of its end', async () => {
    await using bench = await RuntimeBench.open();
    const running = await bench.start(forever, { app: 'running' });
    const paused = await bench.start(forever, { app: 'paused' });
    await bench.output('running', (texts) => texts.includes('ready'));
    await bench.runtime.pause(paused.id);
    await bench.reopen();
    assert.equal(await bench.runtime.adopt(running), 'running');
    assert.equal(await bench.runtime.adopt(paused), 'paused');
    assert.equal(bench.runtime.figures(running.id)?.processes, 2);
    await bench.runtime.signal(running.id, 'SIGTERM');
    assert.equal((await bench.exit(running)).exitCode, 3);
    await bench.runtime.resume(paused.id);
    await bench.runtime.signal(paused.id, 'SIGKILL');
    assert.equal((await bench.exit(paused)).signal, 'SIGKILL');
  });

  it('learns how an instance ended meanwhile', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start('read line < /dev/null; sleep 0.2; exit 6');
    await bench.runtime.close();
    await gone(record.monitor);
    await bench.reopen();
    const { at, ...exit } = (await bench.runtime.adopt(record)) as InstanceExit;
    assert.deepEqual(exit, { id: record.id, app: 'demo', exitCode: 6, oom: false, cause: 'ended' });
    assert.ok(at >= record.startedAt && at <= Date.now());
    await bench.runtime.remove(record.id);
    assert.deepEqual(bench.leftovers(), []);
    assert.equal(bench.exitCount(record), 0);
  });

  it('ends an instance whose conmon was lost meanwhile', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    await bench.runtime.close();
    process.kill(record.monitor.pid, 'SIGKILL');
    await gone(record.monitor);
    await bench.reopen();
    assert.equal(((await bench.runtime.adopt(record)) as InstanceExit).cause, 'monitor-lost');
    assert.equal(isAlive(record.init), false);
  });

  it('tells an instance as lost that nobody saw end, or that is of an earlier boot', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    await bench.runtime.close();
    for (const { pid } of [record.monitor, record.init]) process.kill(pid, 'SIGKILL');
    await Promise.all([gone(record.monitor), gone(record.init)]);
    await bench.reopen();
    assert.equal(((await bench.runtime.adopt(record)) as InstanceExit).cause, 'lost');
    assert.equal(((await bench.runtime.adopt({ ...record, bootId: 'another' })) as InstanceExit).cause, 'lost');
  });

  it('does not take another process of the same number for the instance', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start('exit 0');
    await bench.exit(record);
    await bench.runtime.remove(record.id);
    const itself = { pid: process.pid, startTime: 1 };
    assert.equal(((await bench.runtime.adopt({ ...record, init: itself, monitor: itself })) as InstanceExit).cause, 'lost');
  });

  it('sweeps what nobody knows, however far it came, and nothing else', async () => {
    await using bench = await RuntimeBench.open();
    const known = await bench.start(forever, { app: 'known' });
    const unknown = await bench.start(forever, { app: 'unknown' });
    const ended = await bench.start('true', { app: 'ended' });
    await bench.exit(ended);
    // A start that was cut off: conmon waits for its container, which was created and not started.
    const half = 'a'.repeat(64);
    await startCreatedOnly(bench, half);
    writeFileSync(join(bench.directory, 'r', 'exits', 'b'.repeat(64)), '0');
    await bench.reopen();
    assert.equal(await bench.runtime.adopt(known), 'running');
    const swept = await bench.runtime.sweep(new Set([known.id]));
    assert.deepEqual(swept.toSorted(), [half, 'b'.repeat(64), unknown.id, ended.id].toSorted());
    assert.equal(isAlive(known.init) && isAlive(known.monitor), true);
    assert.equal(isAlive(unknown.init) || isAlive(unknown.monitor), false);
    await bench.runtime.remove(known.id);
    assert.deepEqual(bench.leftovers(), []);
  });
});

describe('an instance loses', () => {
  it('conmon: it is ended and told as such', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start('sleep 1000 & sleep 1000 & wait');
    process.kill(record.monitor.pid, 'SIGKILL');
    const { cause, exitCode, signal } = await bench.exit(record);
    assert.deepEqual({ cause, exitCode, signal }, { cause: 'monitor-lost', exitCode: undefined, signal: undefined });
    assert.equal(isAlive(record.init), false);
    await bench.runtime.remove(record.id);
    assert.deepEqual(bench.leftovers(), []);
  });

  it('conmon and its first process at once: how it ended is not known', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    process.kill(record.monitor.pid, 'SIGSTOP');
    process.kill(record.init.pid, 'SIGKILL');
    await gone(record.init);
    process.kill(record.monitor.pid, 'SIGKILL');
    assert.equal((await bench.exit(record)).cause, 'lost');
    await bench.runtime.remove(record.id);
    assert.deepEqual(bench.leftovers(), []);
  });
});

/** What is there when a daemon dies between `create` and `start`. */
async function startCreatedOnly(bench: RuntimeBench, id: string): Promise<void> {
  const run = join(bench.directory, 'r');
  const stuck = join(bench.directory, 'stuck');
  // A runtime that never gets to `start`: the daemon's start waits, and its own end is what the sweep has to cope with.
  writeFileSync(stuck, '#!/bin/sh\ncase "$*" in *" start "*) exec sleep 1000;; *) exec runc "$@";; esac\n', { mode: 0o755 });
  const script = `
    import { openRuntime } from ${JSON.stringify(join(import.meta.dirname, '../src/runtime/index.ts'))};
    import { systemClock } from ${JSON.stringify(join(import.meta.dirname, '../src/lib/clock.ts'))};
    import { safeConfig } from ${JSON.stringify(join(import.meta.dirname, 'support/runtime-config.ts'))};
    const runtime = await openRuntime({ runDir: ${JSON.stringify(run)}, logDir: ${JSON.stringify(join(bench.directory, 'logs'))}, cgroupParent: ${JSON.stringify(bench.cgroupParent)}, oci: ${JSON.stringify(stuck)}, clock: systemClock, journal: () => undefined });
    await runtime.start({ id: ${JSON.stringify(id)}, app: 'half', config: safeConfig({ rootfs: ${JSON.stringify(join(bench.directory, 'rootfs'))}, cgroupPath: runtime.cgroupPath('half'), args: ['/bin/sleep', '1000'] }) });`;
  const daemon = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], { stdio: 'inherit', detached: true });
  const created = join(run, 'bundles', id, 'log-count');
  while (!existsSync(created)) await new Promise((resolve) => { setImmediate(resolve); });
  process.kill(-daemon.pid!, 'SIGKILL');
  await once(daemon, 'exit');
  const [container] = readdirSync(join(run, 'oci')).filter((name) => name === id);
  assert.equal(container, id);
  assert.match(readFileSync(join(run, 'syncs', id), 'utf8'), /"data"/);
}

async function gone(identity: ProcessIdentity): Promise<void> {
  while (isAlive(identity)) await new Promise((resolve) => { setImmediate(resolve); });
}
