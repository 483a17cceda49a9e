/** The life of an app under its supervisor, with the built programs and real signals. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { parseSettings } from '../src/image/index.ts';
import { systemClock } from '../src/lib/clock.ts';
import { isAlive, run } from '../src/lib/process.ts';
import { FakeLender } from '../src/lifecycle/fake-lender.ts';
import { FakeStore, fakeRow } from '../src/lifecycle/fakes.ts';
import { openSupervisor, type AppStatus, type BerthEvent, type RunOnceOptions, type RunOnceResult, type Supervisor } from '../src/lifecycle/index.ts';
import type { LogLine, OciConfig } from '../src/runtime/index.ts';
import { berthBundle, berthdBundle, until, whyNoContainers, type TestDaemon } from './support/berthd.ts';
import { startDevice } from './support/device.ts';
import { RuntimeBench } from './support/runtime-bench.ts';
import { safeConfig } from './support/runtime-config.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

/** A `berth --json` command that goes on until it is disposed of, and what it has printed so far, a document a line. */
function follow<T>(daemon: TestDaemon, parse: (line: string) => T, ...args: string[]): { readonly seen: readonly T[] } & Disposable {
  const child = spawn(process.execPath, [berthBundle, '--host', `unix://${daemon.socket}`, '--json', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const seen: T[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => seen.push(parse(line)));
  return { seen, [Symbol.dispose]: () => child.kill('SIGKILL') };
}

/** The conmon of an app: the parent of its first process (proc_pid_stat(5)). */
function monitorOf({ instance }: AppStatus): number {
  const stat = readFileSync(`/proc/${instance!.pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

test('an app that becomes unhealthy is restarted, and the reason is told', options, async (t) => {
  const { daemon, install, inside, settled } = await startDevice(t);
  const health = { 'health.command': '["/bin/test","-f","/tmp/fine"]', 'health.interval': '100ms', 'health.retries': '2' };
  await install({ name: 'ailing', script: 'touch /tmp/fine; exec sleep 1000', annotations: health });
  const healthy = await settled('ailing', (status) => status.health === 'healthy');
  await inside('ailing', 'rm /tmp/fine');
  const again = await settled('ailing', ({ restarts, health: now }) => restarts === 1 && now === 'healthy');
  assert.notEqual(again.instance!.id, healthy.instance!.id);
  assert.equal(again.lastExit!.reason.code, 'unhealthy');
  assert.match((await daemon.berth('show', 'ailing')).stdout, /health check/);
});

test('each restart in a row waits twice as long as the one before, until the limit', options, async (t) => {
  const { daemon, install, settled } = await startDevice(t);
  using events = follow(daemon, (line) => JSON.parse(line) as BerthEvent, 'events', '-f');
  const annotations = { 'restart-delay': '100ms', 'restart-limit': '4' };
  const waits = new Map<number, number>();
  await install({ name: 'crashy', script: 'exit 3', annotations });
  const { restarts, reason, lastExit } = await settled('crashy', (status) => {
    if (status.nextStartAt !== undefined) waits.set(status.restarts, status.nextStartAt - status.lastExit!.at);
    return status.state === 'failed';
  });
  assert.deepEqual({ restarts, reason: reason!.code, exit: lastExit!.exitCode, why: lastExit!.reason.code }, { restarts: 4, reason: 'restart-limit', exit: 3, why: 'exited' });
  // The first restart is at once; before the fourth it waits four times as long as before the second.
  const seen = [...waits].toSorted(([one], [other]) => one - other);
  assert.equal(seen.length > 0, true);
  for (const [already, wait] of seen) assert.equal(wait >= 100 * 2 ** (already - 1), true, `${wait} ms after ${already} restarts`);
  await until(() => events.seen.filter(({ type, app }) => type === 'app.exit' && app === 'crashy').length === 5);
  await until(() => events.seen.some(({ type, detail }) => type === 'app.state' && (detail as { to?: string }).to === 'failed'));
});

test('a suspended app does nothing, and goes on where it was', options, async (t) => {
  const { daemon, install, logged } = await startDevice(t);
  await install({ name: 'counter', script: 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done' });
  await until(async () => (await logged('counter')).length > 3);
  await daemon.json('suspend', 'counter');
  // What it wrote before may still be on its way.
  let lines = await logged('counter');
  for (let same = 0; same < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = await logged('counter');
    same = now.length === lines.length ? same + 1 : 0;
    lines = now;
    if (lines.length > 1000) assert.fail('it goes on while it is suspended');
  }
  assert.equal((await daemon.berth('exec', 'counter', 'true')).code, 1);
  await daemon.json('resume', 'counter');
  const after = await until(async () => {
    const now = await logged('counter');
    return now.length > lines.length + 3 && now;
  });
  assert.deepEqual(after.map(({ text }) => text), after.map((_, index) => String(index + 1)));
});

test('what a person killed stays dead and says so', options, async (t) => {
  const { daemon, api, install } = await startDevice(t);
  await install({ name: 'demo', annotations: { restart: 'always', 'stop-timeout': '60s' } });
  await daemon.json('kill', 'demo');
  const { state, desired, lastExit } = await api.app('demo');
  assert.deepEqual({ state, desired, signal: lastExit!.signal, code: lastExit!.reason.code }, { state: 'stopped', desired: 'stopped', signal: 'SIGKILL', code: 'killed' });
  assert.deepEqual(daemon.processes(), []);
});

test('exec passes on input, output and exit status', options, async (t) => {
  const { daemon, install } = await startDevice(t);
  await install({ name: 'demo' });
  const exec = (input: string, ...args: string[]): ReturnType<typeof run> =>
    run(process.execPath, [berthBundle, '--host', `unix://${daemon.socket}`, 'exec', ...args], { input, maxOutputBytes: 64 * 1024 * 1024 });
  assert.deepEqual(await exec('', 'demo', 'sh', '-c', 'echo out; echo err >&2; exit 42'), { code: 42, signal: null, stdout: 'out\n', stderr: 'err\n' });
  assert.equal((await exec('', 'demo', 'sh', '-c', 'kill -9 $$')).code, 137);
  const missing = await exec('', 'demo', 'nosuch');
  assert.notEqual(missing.code, 0);
  assert.match(missing.stderr, /nosuch/);
  // Without -i the command reads an empty input, with it all of ours.
  assert.equal((await exec('not for it', 'demo', 'wc', '-c')).stdout.trim(), '0');
  const large = 'a line of text for a pipe\n'.repeat(100_000);
  const copied = await exec(large, '-i', 'demo', 'cat');
  assert.deepEqual({ code: copied.code, same: copied.stdout === large }, { code: 0, same: true });
  // A command that stops reading early ends with its own status.
  assert.deepEqual(await exec(large, '-i', 'demo', 'head', '-n', '1'), { code: 0, signal: null, stdout: 'a line of text for a pipe\n', stderr: '' });
});

test('logs are followed over a restart, and the streams are told apart', options, async (t) => {
  const { daemon, install } = await startDevice(t);
  await install({ name: 'demo', script: 'echo started; echo trouble >&2; exec sleep 1000' });
  using lines = follow(daemon, (line) => JSON.parse(line) as LogLine, 'logs', '-f', 'demo');
  using events = follow(daemon, (line) => JSON.parse(line) as BerthEvent, 'events', '-f');
  await until(() => lines.seen.length === 2 && events.seen.length > 0);
  await daemon.json('restart', 'demo');
  await until(() => lines.seen.length === 4);
  assert.deepEqual(lines.seen.map(({ stream, text }) => `${stream} ${text}`).toSorted(), ['stderr trouble', 'stderr trouble', 'stdout started', 'stdout started']);
  await until(() => events.seen.filter(({ type, app, detail }) => type === 'app.state' && app === 'demo' && (detail as { to: string }).to === 'running').length === 2);
  assert.deepEqual(events.seen.map(({ seq }) => seq), events.seen.map((_, index) => index + 1));
});

for (const [victims, reasons] of [
  [['init'], ['signalled']],
  [['monitor'], ['monitor-lost']],
  [['monitor', 'init'], ['lost', 'monitor-lost']],
  [['init', 'monitor'], ['lost', 'monitor-lost', 'signalled']],
] as const) {
  test(`an app is restarted after SIGKILL of its ${victims.join(' and its ')}, and nothing is left of the old instance`, options, async (t) => {
    const { daemon, api, install, settled } = await startDevice(t);
    const { status } = await install({ name: 'demo', annotations: { restart: 'always' }, script: 'sleep 1000 & exec sleep 2000' });
    const before = await settled('demo', ({ state }) => state === 'running');
    const pids = { init: before.instance!.pid, monitor: monitorOf(before) };
    for (const victim of victims) process.kill(pids[victim], 'SIGKILL');
    const after = await settled('demo', ({ state, restarts }) => state === 'running' && restarts === 1);
    assert.notEqual(after.instance!.id, status.instance!.id);
    assert.equal((reasons as readonly string[]).includes(after.lastExit!.reason.code), true, after.lastExit!.reason.code);
    assert.deepEqual(readdirSync(join(daemon.runDir, 'bundles')), [after.instance!.id]);
    await until(() => daemon.processes().length === 3);
    await api.must('POST', '/apps/demo/kill');
    assert.deepEqual(daemon.processes(), []);
    for (const directory of ['bundles', 'exits', 'syncs', 'oci', 'attach']) assert.deepEqual(readdirSync(join(daemon.runDir, directory)), [], directory);
  });
}

for (const [shared, message] of [
  ['root', /another berthd runs on this store/],
  ['run', /another berthd/],
] as const) {
  test(`a second daemon on the same --${shared} ends at once and disturbs nothing`, options, async (t) => {
    const { daemon, api, install } = await startDevice(t);
    await install({ name: 'demo', script: 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done' });
    const before = await api.app('demo');
    const other = `${daemon.directory}/2`;
    t.after(() => { rmSync(other, { recursive: true, force: true }); });
    const places = { root: daemon.root, run: daemon.runDir, [shared === 'root' ? 'run' : 'root']: other };
    const config = join(daemon.directory, 'berthd.yaml');
    const second = await run(process.execPath, [berthdBundle, '--root', places.root, '--run', places.run, '--config', config], { timeoutMs: 60_000 });
    assert.equal(second.code, 1);
    assert.match(second.stderr, message);
    const after = await api.app('demo');
    assert.deepEqual({ instance: after.instance, restarts: after.restarts }, { instance: before.instance, restarts: 0 });
    await api.must('POST', '/apps/demo/kill');
  });
}

/** A supervisor of one app `demo` on real containers, its database in memory; `again` is the next daemon's. */
function supervise(bench: RuntimeBench, script: string, store = new FakeStore([fakeRow('demo')])): { readonly supervisor: Supervisor; readonly again: () => Promise<Supervisor> } {
  const config = (): OciConfig => safeConfig({ rootfs: join(bench.directory, 'rootfs'), cgroupPath: bench.runtime.cgroupPath('demo'), args: ['/bin/sh', '-c', script] });
  const supervisor = openSupervisor({
    store,
    runtime: bench.runtime,
    clock: systemClock,
    journal: () => undefined,
    devices: new FakeLender(),
    prepare: ({ name }) => ({ settings: parseSettings({}), degraded: [], dependsOn: [], devices: [], spec: async (id) => Promise.resolve({ id, app: name, config: config() }) }),
  });
  const again = async (): Promise<Supervisor> => {
    await supervisor.detach();
    await bench.reopen();
    return supervise(bench, script, store).supervisor;
  };
  return { supervisor, again };
}

test('an app that an update halts and releases runs again, and what is desired stays', options, async () => {
  await using bench = await RuntimeBench.open();
  const { supervisor } = supervise(bench, 'trap exit TERM; echo up; while :; do sleep 0.05; done');
  await supervisor.boot();
  await bench.output('demo', (texts) => texts.includes('up'));
  const before = supervisor.show('demo').instance!.id;
  supervisor.hold(['demo']);
  await supervisor.halt(['demo']);
  assert.deepEqual(bench.leftovers(), []);
  const halted = supervisor.show('demo');
  assert.deepEqual([halted.state, halted.desired, halted.reason?.code], ['stopped', 'running', 'updating']);
  await supervisor.release(['demo']);
  const { state, desired, restarts, instance } = supervisor.show('demo');
  assert.deepEqual({ state, desired, restarts, another: instance!.id !== before }, { state: 'running', desired: 'running', restarts: 0, another: true });
  await bench.output('demo', (texts) => texts.length === 2);
  await supervisor.stop('demo');
});

test('a command in place of an app tells how it ended, writes to the app\'s log, and leaves nothing', options, async () => {
  await using bench = await RuntimeBench.open();
  const { supervisor } = supervise(bench, 'exec sleep 1000');
  const sh = async (script: string, given: Partial<RunOnceOptions> = {}): Promise<RunOnceResult> => supervisor.runOnce(fakeRow('demo'), ['/bin/sh', '-c', script], { timeoutMs: 60_000, ...given });
  supervisor.hold(['demo']);
  await supervisor.boot();
  assert.deepEqual(await sh('echo migrated; exit 3'), { exitCode: 3, timedOut: false });
  assert.deepEqual(bench.leftovers(), []);
  assert.deepEqual((await bench.lines('demo')).map(({ text }) => text), ['migrated']);
  assert.deepEqual(await sh('trap "" TERM; sleep 1000', { timeoutMs: 1 }), { signal: 'SIGKILL', timedOut: true });
  assert.deepEqual(bench.leftovers(), []);
  const controller = new AbortController();
  const broken = assert.rejects(sh('echo begun; sleep 1000', { signal: controller.signal }), { code: 'cancelled' });
  await bench.output('demo', (texts) => texts.includes('begun'));
  controller.abort();
  await broken;
  await assert.rejects(supervisor.runOnce(fakeRow('demo'), ['/bin/nosuch'], { timeoutMs: 60_000 }), { code: 'runtime', message: /nosuch/ });
  assert.deepEqual(bench.leftovers(), []);
});

test('a command in place of an app that a dead daemon left behind is swept away by the next one', options, async () => {
  await using bench = await RuntimeBench.open();
  const { supervisor, again } = supervise(bench, 'exec sleep 1000');
  supervisor.hold(['demo']);
  await supervisor.boot();
  // As a daemon leaves it that was killed: nobody takes it away.
  const left = await bench.start('echo begun; exec sleep 1000', { app: 'demo' });
  await bench.output('demo', (texts) => texts.includes('begun'));
  const next = await again();
  next.hold(['demo']);
  await next.boot();
  assert.equal(isAlive(left.init), false);
  assert.deepEqual(bench.leftovers(), []);
});
