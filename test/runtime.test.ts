import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { isAlive } from '../src/lib/process.ts';
import type { ExecSession } from '../src/runtime/index.ts';
import { RuntimeBench } from './support/runtime-bench.ts';

const forever = 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done';

describe('an instance', () => {
  it('runs, and its exit code is told once', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start('echo out; echo err >&2; exit 7');
    const exit = await bench.exit(record);
    assert.deepEqual({ ...exit, at: 0 }, { id: record.id, app: 'demo', at: 0, exitCode: 7, oom: false, cause: 'ended' });
    const lines = await bench.lines('demo');
    assert.deepEqual(lines.map(({ stream, text }) => `${stream} ${text}`).toSorted(), ['stderr err', 'stdout out']);
    assert.match(lines[0]!.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00$/);
    await bench.runtime.remove(record.id);
    assert.deepEqual(bench.leftovers(), []);
    assert.equal(bench.exitCount(record), 1);
  });

  it('gets signals, and may answer them', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    await bench.output('demo', (texts) => texts.includes('ready'));
    await bench.runtime.signal(record.id, 'SIGTERM');
    assert.equal((await bench.exit(record)).exitCode, 3);
    await bench.runtime.signal(record.id, 'SIGTERM'); // ended already
    await assert.rejects(bench.runtime.signal(record.id, 'SIGNONSENSE'), /no such signal: SIGNONSENSE/);
  });

  it('that is killed tells the signal, whoever killed it', async () => {
    await using bench = await RuntimeBench.open();
    const ours = await bench.start(forever, { app: 'ours' });
    const theirs = await bench.start(forever, { app: 'theirs' });
    await bench.runtime.signal(ours.id, 'SIGKILL');
    process.kill(theirs.init.pid, 'SIGKILL');
    for (const record of [ours, theirs]) {
      const { signal, exitCode, cause } = await bench.exit(record);
      assert.deepEqual({ signal, exitCode, cause }, { signal: 'SIGKILL', exitCode: undefined, cause: 'ended' });
    }
  });

  it('that takes too much memory is told to have done so, also if only a child of it was killed', async () => {
    await using bench = await RuntimeBench.open();
    const grow = 'x=0123456789abcdef; while :; do x=$x$x; done';
    const whole = await bench.start(grow, { app: 'whole', memoryBytes: 16 * 1024 * 1024 });
    const child = await bench.start(`sh -c '${grow}'; exit 5`, { app: 'child', memoryBytes: 16 * 1024 * 1024 });
    const exits = [await bench.exit(whole), await bench.exit(child)];
    assert.deepEqual(exits.map(({ signal, exitCode, oom }) => ({ signal, exitCode, oom })), [
      { signal: 'SIGKILL', exitCode: undefined, oom: true },
      { signal: undefined, exitCode: 5, oom: true },
    ]);
  });

  it('stands still while it is paused, and can be killed then', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start('i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done');
    await bench.output('demo', (texts) => texts.length > 3);
    await bench.runtime.pause(record.id);
    const ticks = (await bench.lines('demo')).length;
    await new Promise((resolve) => { setTimeout(resolve, 100); });
    assert.equal((await bench.lines('demo')).length, ticks);
    await bench.runtime.resume(record.id);
    await bench.output('demo', (texts) => texts.length > ticks + 3);
    await bench.runtime.pause(record.id);
    await assert.rejects(bench.runtime.exec(record.id, { command: ['true'] }), /demo is suspended/);
    await bench.runtime.signal(record.id, 'SIGKILL');
    assert.equal((await bench.exit(record)).signal, 'SIGKILL');
    await assert.rejects(bench.runtime.pause(record.id), /is not running/);
  });

  it('can be removed while it is paused', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    await bench.runtime.pause(record.id);
    await bench.runtime.remove(record.id);
    assert.equal(isAlive(record.init), false);
    assert.deepEqual(bench.leftovers(), []);
  });

  it('has figures while it runs', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start('x=$(head -c 4000000 /dev/zero | wc -c); sleep 100 & sleep 100 & echo up; wait', { memoryBytes: 64 * 1024 * 1024 });
    await bench.output('demo', (texts) => texts.includes('up'));
    const figures = bench.runtime.figures(record.id)!;
    assert.equal(figures.processes, 3);
    assert.equal(figures.memoryLimitBytes, 64 * 1024 * 1024);
    assert.ok(figures.cpuNs > 0 && figures.memoryBytes > 0 && figures.memoryBytes < 64 * 1024 * 1024);
    await bench.runtime.signal(record.id, 'SIGKILL');
    await bench.exit(record);
    assert.equal(bench.runtime.figures(record.id), undefined);
  });

  it('is watched by a conmon in a group of its own, which the freezer does not hold', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    const groups = readFileSync(`/proc/${record.monitor.pid}/cgroup`, 'utf8');
    assert.match(groups, new RegExp(`(memory[^:]*|^0:):${bench.cgroupParent}/demo[.]app/monitor\n`));
    assert.doesNotMatch(groups, new RegExp(`freezer[^:]*:${bench.cgroupParent}`));
  });
});

describe('a start that fails', () => {
  it('says why in the words of the runtime, and leaves nothing', async () => {
    await using bench = await RuntimeBench.open();
    await assert.rejects(bench.start(['/bin/nope']), /demo cannot be started: .*\/bin\/nope.*no such file or directory/i);
    await assert.rejects(bench.start('true', { rootfs: '/nowhere' }), /demo cannot be started: .*(rootfs|nowhere).*/);
    const id = '0'.repeat(64);
    await assert.rejects(bench.runtime.start({ id, app: 'demo', config: { process: 1 } }), { code: 'runtime', message: /demo cannot be started/ });
    await assert.rejects(bench.runtime.start({ id: 'x', app: 'demo', config: {} }), /not the id of an instance/);
    assert.deepEqual(bench.leftovers(), []);
    assert.deepEqual(bench.journal, []);
  });

  it('does not touch an instance of the same id', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    await assert.rejects(bench.runtime.start({ id: record.id, app: 'demo', config: {} }), { code: 'conflict' });
    assert.equal(isAlive(record.init), true);
  });

  it('because conmon is killed in the middle of it leaves nothing', async () => {
    await using bench = await RuntimeBench.open();
    const starting = bench.start(forever);
    const bundles = join(bench.directory, 'r', 'bundles');
    await until(() => readdirSync(bundles).some((id) => existsSync(join(bundles, id, 'conmon.pid'))));
    const [id = ''] = readdirSync(bundles);
    process.kill(Number(readFileSync(join(bundles, id, 'conmon.pid'), 'utf8')), 'SIGKILL');
    // Killed before the container was there, it fails; after that, it starts, and conmon is missed right away.
    const outcome = await starting.then((record) => bench.exit(record), (error: unknown) => error);
    if (outcome instanceof Error) assert.match(outcome.message, /cannot be started/);
    else assert.equal((outcome as { cause: string }).cause, 'monitor-lost');
  });

  it('because the log cannot be written does not fail', async () => {
    await using bench = await RuntimeBench.open();
    mkdirSync(join(bench.directory, 'logs', 'demo', 'current'), { recursive: true });
    writeFileSync(join(bench.directory, 'logs', 'other'), 'not a directory');
    for (const app of ['demo', 'other']) {
      const record = await bench.start('echo lost; exit 4', { app });
      assert.equal((await bench.exit(record)).exitCode, 4);
      assert.match(bench.journal.join('\n'), new RegExp(`warning: the log of ${app} cannot be kept`));
      assert.deepEqual(await bench.lines(app), []);
    }
  });
});

describe('a command in an instance', () => {
  const collect = async (session: ExecSession): Promise<{ code: number; stdout: string; stderr: string }> => {
    const [stdout, stderr, code] = await Promise.all([text(session.stdout), text(session.stderr), session.done]);
    return { code, stdout, stderr };
  };

  it('runs as the app does, with its exit code', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever, { env: ['COLOUR=blue'], cwd: '/tmp', uid: 1234 });
    const session = await bench.runtime.exec(record.id, { command: ['sh', '-c', 'pwd; echo $COLOUR; id -u; grep CapEff /proc/self/status; cat; exit 9'] });
    session.stdin.end('from outside\n');
    const { code, stdout } = await collect(session);
    assert.equal(code, 9);
    assert.match(stdout, /^\/tmp\nblue\n1234\n(CapEff:\t0{16}\n)?from outside\n$/);
    const other = await bench.runtime.exec(record.id, { command: ['sh', '-c', 'pwd; echo "$COLOUR"; id -u'], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } });
    assert.equal((await collect(other)).stdout, '/\n\n0\n');
  });

  it('that cannot be run exits as in a shell', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    assert.equal((await collect(await bench.runtime.exec(record.id, { command: ['nope'] }))).code, 127);
    assert.equal((await collect(await bench.runtime.exec(record.id, { command: ['/bin/nope'] }))).code, 127);
    assert.equal((await collect(await bench.runtime.exec(record.id, { command: ['/tmp'] }))).code, 126);
    assert.deepEqual(await bench.runtime.exec('f'.repeat(64), { command: ['true'] }).catch((error: Error) => error.message), `instance ${'f'.repeat(64)} is not running`);
  });

  it('can print a lot, ignore its input, and be killed', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    const large = await bench.runtime.exec(record.id, { command: ['head', '-c', '20000000', '/dev/zero'] });
    large.stdin.write(Buffer.alloc(1_000_000));
    assert.equal((await collect(large)).stdout.length, 20_000_000);
    const endless = await bench.runtime.exec(record.id, { command: ['sleep', '1000'] });
    endless.kill();
    assert.equal((await collect(endless)).code, 137);
  });

  it('ends with the instance', async () => {
    await using bench = await RuntimeBench.open();
    const record = await bench.start(forever);
    const session = await bench.runtime.exec(record.id, { command: ['sh', '-c', 'echo up; sleep 1000'] });
    session.stdout.once('data', () => { void bench.runtime.signal(record.id, 'SIGKILL'); });
    assert.equal(await session.done, 137);
    assert.equal((await bench.exit(record)).signal, 'SIGKILL');
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => { setImmediate(resolve); });
}
