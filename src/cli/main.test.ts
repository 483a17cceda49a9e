import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';

const root = join(import.meta.dirname, '../..');
const main = join(import.meta.dirname, 'main.ts');
const limit = { timeout: 30_000 };

let directory: string;
let socket: string;
let daemon: ChildProcess;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-cli-'));
  socket = join(directory, 's');
  daemon = spawn(process.execPath, [join(root, 'test/fake-berthd.ts'), socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(daemon.stdout!, 'data');
});

after(async () => {
  daemon.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, [main, ...args], { env: { PATH: process.env['PATH'], BERTH_HOST: `unix://${socket}`, ...env } });
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function finish(child: ChildProcess): Promise<Outcome> {
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close') as Promise<[number | null]>]);
  return { status, stdout, stderr };
}

async function berth(args: readonly string[], options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {}): Promise<Outcome> {
  const child = start(args, options.env);
  child.stdin!.on('error', () => undefined);
  child.stdin!.end(options.input ?? '');
  return finish(child);
}

test('exit status is 0 for done, 1 for failed, 2 for wrong usage', limit, async () => {
  for (const [args, status] of [
    [['ps'], 0], [['show', 'web'], 0], [['doctor'], 0], [['help'], 0], [['--version'], 0], [['suspend', 'web'], 0], [['resume', 'web'], 0],
    [['show', 'nobody'], 1], [['start', 'nobody'], 1], [['remove', 'nobody'], 1], [['install', '/no/such/file'], 1], [['install', directory], 1],
    [['start'], 2], [['nothing'], 2], [['ps', '--nothing'], 2], [['logs', '-n', 'x', 'web'], 2], [['--host', 'tcp://x', 'ps'], 2], [['completion', 'tcsh'], 2],
  ] as const) {
    const outcome = await berth(args);
    assert.equal(outcome.status, status, `${args.join(' ')}: ${outcome.stderr}`);
    assert.equal(outcome.stderr === '', status === 0, args.join(' '));
  }
});

test('a fault names what it is about and is on standard error only', limit, async () => {
  const outcome = await berth(['start', 'nobody']);
  assert.match(outcome.stderr, /^berth: there is no app "nobody"/);
  assert.equal(outcome.stdout, '');
});

test('several apps are commanded although one of them fails', limit, async () => {
  const outcome = await berth(['stop', 'idle', 'nobody', 'frozen']);
  assert.equal(outcome.stdout, 'idle is stopped\nfrozen is stopped\n');
  assert.match(outcome.stderr, /nobody/);
  assert.equal(outcome.status, 1);
  const { status, stdout } = await berth(['--json', 'start', 'idle', 'nobody']);
  const { error } = JSON.parse(stdout) as { error: { code: string; detail: { apps: { name: string }[] } } };
  assert.deepEqual([status, error.code, error.detail.apps.map((app) => app.name)], [1, 'not_found', ['idle']]);
});

test('with --json there is one document on standard output, whatever happens', limit, async () => {
  for (const args of [['ps'], ['show', 'web'], ['images'], ['doctor'], ['version'], ['stats', '--no-stream'], ['start', 'web'], ['exec', 'web', 'exit', '3']]) {
    const outcome = await berth(['--json', ...args]);
    assert.equal(outcome.status, 0, `${args.join(' ')}: ${outcome.stderr}`);
    assert.equal(typeof JSON.parse(outcome.stdout), 'object');
    assert.equal(outcome.stderr, '');
  }
  for (const [args, status, code] of [[['show', 'nobody'], 1, 'not_found'], [['logs'], 2, 'usage'], [['nothing'], 2, 'usage']] as const) {
    const outcome = await berth([...args, '--json']);
    assert.equal(outcome.status, status);
    assert.equal((JSON.parse(outcome.stdout) as { error: { code: string } }).error.code, code);
    assert.equal(outcome.stderr, '');
  }
});

test('logs and events with --json are a document a line', limit, async () => {
  for (const args of [['logs', 'web'], ['events']]) {
    const { stdout } = await berth([...args, '--json']);
    const lines = stdout.trimEnd().split('\n');
    assert.ok(lines.length > 0 && lines.every((line) => typeof JSON.parse(line) === 'object'));
  }
});

test('install tells its phases and what came of it', limit, async () => {
  const path = join(directory, 'p.ipk');
  await writeFile(path, 'package');
  const outcome = await berth(['install', path]);
  assert.equal(outcome.status, 0);
  assert.match(outcome.stdout, /^installed newcomer 1\.0-1: .*\nnote: postinst does not run\nnewcomer is running\nupdate \d+ is committed\n$/);
  assert.match(outcome.stderr, /p\.ipk: storing\n/);
  const refused = await berth(['install', '-', '--json'], { input: 'bad!' });
  assert.equal(refused.status, 1);
  assert.deepEqual(JSON.parse(refused.stdout), { error: { code: 'bad_package', message: 'not a package: wrong magic', detail: { offset: 0 } } });
  const late = await berth(['install', '-'], { input: 'late' });
  assert.deepEqual([late.status, late.stderr.trimEnd().split('\n').at(-1)], [1, 'berth: 3.0 MiB are missing on /var/lib/berth']);
});

test('with --json an install tells what was installed, and by which update', limit, async () => {
  const { status, stdout } = await berth(['--json', 'install', '-'], { input: 'package' });
  const { installed, update, outcome } = JSON.parse(stdout) as { installed: { app: string }[]; update: number; outcome: string };
  assert.deepEqual([status, installed.map(({ app }) => app), typeof update, outcome], [0, ['newcomer'], 'number', 'committed']);
});

test('several packages are sent as one payload, under all their names', limit, async () => {
  const paths = ['a.ipk', 'b.ipk'].map((name) => join(directory, name));
  for (const path of paths) await writeFile(path, 'x'.repeat(600));
  const { status, stdout, stderr } = await berth(['install', ...paths]);
  assert.deepEqual([status, stdout.match(/^installed/gm)?.length], [0, 1], stderr);
  assert.match(stderr, /^2 packages: receiving\n/);
  const { stdout: listed } = await berth(['updates', '--json']);
  const [last] = (JSON.parse(listed) as { updates: { origin: string; bytes: number }[] }).updates;
  // Two headers, two files padded to blocks, and the end of the archive.
  assert.deepEqual([last?.origin, last?.bytes], ['a.ipk, b.ipk', 2 * 512 + 2 * 1024 + 1024]);
  for (const [more, expected, message] of [['-', 2, /standard input/], [directory, 1, /is a directory/], ['/dev/null', 2, /not a regular file/], [join(directory, 's'), 2, /not a regular file/]] as const) {
    const refused = await berth(['install', paths[0]!, more]);
    assert.equal(refused.status, expected, more);
    assert.match(refused.stderr, message);
  }
});

test('a dry run shows the plan', limit, async () => {
  const { status, stdout } = await berth(['install', '--dry-run', '-'], { input: 'package' });
  assert.equal(status, 0);
  assert.match(stdout, /^web +1\.0-1 +2\.0-1 .*confirms itself$/m);
  const json = await berth(['install', '--dry-run', '--json', '-'], { input: 'package' });
  assert.deepEqual((JSON.parse(json.stdout) as { plan: { stops: string[] } }).plan.stops, ['web']);
});

test('without --wait an install says how to look at what goes on', limit, async () => {
  assert.match((await berth(['install', '--no-wait', '-'], { input: 'package' })).stdout, /^update (\d+) goes on; `berth updates \1` shows how far it is$/m);
});

test('an update that is rolled back is a failure with its reason', limit, async () => {
  const { status, stderr, stdout } = await berth(['install', '-'], { input: 'back' });
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /standard input: on trial, at most 2m 0s left\nstandard input: rolling back\nberth: web 2\.0-1 did not stay up/);
});

test('updates, storage, confirm and rollback answer for people and programs', limit, async () => {
  const list = await berth(['updates']);
  const id = /^ *(\d+) .* rolled-back .*did not stay up/m.exec(list.stdout)?.[1];
  assert.match((await berth(['updates', id!])).stdout, /^Reason +web 2\.0-1 did not stay up: exited with code 3$/m);
  assert.equal((JSON.parse((await berth(['updates', '--json', id!])).stdout) as { outcome: string }).outcome, 'rolled-back');
  assert.match((await berth(['storage'])).stdout, /^together /m);
  assert.ok(Array.isArray((JSON.parse((await berth(['storage', '--json'])).stdout) as { storage: unknown }).storage));
  for (const [args, status] of [[['updates', '9999'], 1], [['updates', 'x'], 2], [['confirm', 'web'], 1], [['rollback', 'web'], 1], [['rollback'], 2]] as const) {
    assert.equal((await berth(args)).status, status, args.join(' '));
  }
});

test('an error of a command that streams is one line of JSON, too', limit, async () => {
  for (const args of [['logs', '-f', 'nobody'], ['events', '-f', '--host', `unix://${directory}/none`]]) {
    const { stdout } = await berth([...args, '--json']);
    assert.match(stdout, /^\{"error":.*\}\n$/);
  }
});

test('exec passes on output, exit status and, if asked, input', limit, async () => {
  assert.deepEqual(await berth(['exec', 'web', 'exit', '42']), { status: 42, stdout: '', stderr: 'leaving\n' });
  assert.deepEqual(await berth(['exec', '-i', 'web', 'cat'], { input: 'to and fro' }), { status: 0, stdout: 'to and fro', stderr: '' });
  assert.deepEqual(await berth(['exec', 'web', 'cat'], { input: 'not read' }), { status: 0, stdout: '', stderr: '' });
  assert.equal((await berth(['exec', 'web', 'flood'])).stdout.length, 4 << 20);
  const missing = await berth(['exec', 'web', 'no-such-program']);
  assert.deepEqual([missing.status, missing.stderr], [1, 'berth: no such program: no-such-program\n']);
});

test('a daemon that is not there is told with what to do', limit, async () => {
  const missing = await berth(['ps'], { env: { BERTH_HOST: `unix://${directory}/none` } });
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /berthd is not running \(no socket at .*none\); start it with `systemctl start berthd`, or name another with --host/);
  const { stdout } = await berth(['ps', '--json', '--host', `unix://${directory}/none`]);
  assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'unavailable');
});

test('Ctrl-C ends what follows with 130 and says nothing', limit, async () => {
  for (const args of [['logs', '-f', 'web'], ['events', '-f'], ['stats'], ['exec', 'web', 'talk']]) {
    const child = start(args);
    await once(child.stdout!, 'data');
    child.kill('SIGINT');
    const { status, stderr } = await finish(child);
    assert.deepEqual([status, stderr], [130, ''], args.join(' '));
  }
});

test('Ctrl-C cancels an install', limit, async () => {
  const child = start(['install', '-']);
  child.stdin!.write('half of it');
  await once(child.stderr!, 'data');
  child.kill('SIGINT');
  assert.equal((await finish(child)).status, 130);
});

/** Presses Ctrl-C once the install of this payload has told `mark`. */
async function interruptAt(input: string, mark: string): Promise<Pick<Outcome, 'status' | 'stderr'>> {
  const child = start(['install', '-']);
  child.stdin!.end(input);
  let stderr = '';
  let pressed = false;
  child.stderr!.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    if (pressed || !stderr.includes(mark)) return;
    pressed = true;
    child.kill('SIGINT');
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stderr };
}

test('Ctrl-C cancels an update that waits, and says so', limit, async () => {
  const { status, stderr } = await interruptAt('hold', 'waiting: the window of 02:00\n');
  assert.equal(status, 130);
  assert.match(stderr, /waiting: the window of 02:00\nupdate 8 is being cancelled; `berth updates 8` shows how it ended\n$/);
});

test('after the switch Ctrl-C leaves the update alone, and says how to look at it', limit, async () => {
  const { status, stderr } = await interruptAt('long', 'on trial');
  assert.equal(status, 130);
  assert.match(stderr, /on trial.*\nupdate (\d+) goes on; `berth updates \1` shows how far it is\n$/);
});

test('a reader that has had enough ends the command quietly', limit, async () => {
  const child = start(['exec', 'web', 'flood']);
  await once(child.stdout!, 'data');
  child.stdout!.destroy();
  const [stderr] = await Promise.all([text(child.stderr!), once(child, 'close')]);
  assert.equal(stderr, '');
});

test('a device is reached through ssh, and its faults are told', limit, async () => {
  const ssh = join(directory, 'ssh');
  const script = (body: string) => writeFile(ssh, `#!/bin/sh\n${body}\n`).then(() => chmod(ssh, 0o755));
  const env = { BERTH_SSH_COMMAND: ssh, BERTH_HOST: 'ssh://root@gateway:2222' };
  // In place of ssh: the program on the device, with the arguments checked.
  await script(`[ "$*" = "-T -p 2222 -- root@gateway berth dial-stdio" ] || exit 99\nBERTH_HOST=unix://${socket} exec ${process.execPath} ${main} dial-stdio`);
  assert.match((await berth(['ps'], { env })).stdout, /^web /m);
  assert.deepEqual(await berth(['exec', '-i', 'web', 'cat'], { env, input: 'far' }), { status: 0, stdout: 'far', stderr: '' });
  assert.equal((await berth(['install', '-'], { env, input: 'p'.repeat(1 << 20) })).status, 0);

  await script('echo "ssh: connect to host gateway port 22: No route to host" >&2; exit 255');
  assert.match((await berth(['ps'], { env })).stderr, /^berth: cannot reach gateway over ssh: ssh: connect to host gateway port 22: No route to host; try `ssh gateway`/);
  await script('echo "sh: berth: not found" >&2; exit 127');
  assert.match((await berth(['ps'], { env })).stderr, /^berth: berth is not installed on gateway/);
  await script(`BERTH_HOST=unix://${directory}/none exec ${process.execPath} ${main} dial-stdio`);
  assert.match((await berth(['ps'], { env })).stderr, /^berth: gateway: berthd is not running/);
  assert.match((await berth(['ps'], { env: { ...env, BERTH_SSH_COMMAND: '/no/such/ssh' } })).stderr, /program not found: \/no\/such\/ssh/);
});
