/** `berth --host ssh://…` through a real sshd; `berthd` itself is on no network. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { run, type RunResult } from '../src/lib/process.ts';
import { berthBundle, until, whyNoContainers } from './support/berthd.ts';
import { startDevice, type Device } from './support/device.ts';
import { makePackage } from './support/packages.ts';

const sshd = '/usr/sbin/sshd';

function whyNotHere(): string | undefined {
  if (existsSync(sshd)) return whyNoContainers();
  if (process.env['CI'] !== undefined) throw new Error('there is no sshd (Debian package openssh-server), and in CI this must run');
  return 'there is no sshd here (Debian package openssh-server)';
}

const skip = whyNotHere();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

/** A device that can be reached over ssh, and how to run `berth` against it from elsewhere. */
interface Remote extends Device {
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  /** Takes `berth` off the device's PATH. */
  hideBerth(): void;
  berth(args: readonly string[], input?: string): Promise<RunResult>;
}

async function startRemote(t: TestContext): Promise<Remote> {
  const device = await startDevice(t);
  const directory = join(device.daemon.directory, 'ssh');
  const bin = join(directory, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const key of ['host', 'user']) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, key)]);
  writeFileSync(join(directory, 'authorized_keys'), readFileSync(join(directory, 'user.pub')));
  // On the device `berth` is in the PATH and finds its daemon; the test's one is in another place than usual.
  const berth = join(bin, 'berth');
  writeFileSync(berth, `#!/bin/sh\nBERTH_HOST=unix://${device.daemon.socket} exec ${process.execPath} ${berthBundle} "$@"\n`);
  chmodSync(berth, 0o755);
  const port = await freePort();
  writeFileSync(
    join(directory, 'sshd_config'),
    [
      `ListenAddress 127.0.0.1:${port}`, `HostKey ${directory}/host`, `PidFile ${directory}/pid`, `AuthorizedKeysFile ${directory}/authorized_keys`,
      'StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'PermitRootLogin prohibit-password', `SetEnv PATH=${bin}:/usr/bin:/bin`,
    ].join('\n'),
  );
  writeFileSync(
    join(directory, 'ssh_config'),
    [`IdentityFile ${directory}/user`, 'IdentitiesOnly yes', `UserKnownHostsFile ${directory}/known_hosts`, 'StrictHostKeyChecking accept-new', 'BatchMode yes', 'LogLevel ERROR'].join('\n'),
  );
  await startSshd(t, directory);
  const env = { ...process.env, BERTH_SSH_COMMAND: `ssh -F ${directory}/ssh_config` };
  return {
    ...device,
    port,
    env,
    hideBerth: () => { rmSync(berth); },
    berth: (args, input = '') => run(process.execPath, [berthBundle, '--host', `ssh://root@127.0.0.1:${port}`, ...args], { env, input, maxOutputBytes: 16 * 1024 * 1024 }),
  };
}

/** Runs sshd in the foreground until the test ends. */
async function startSshd(t: TestContext, directory: string): Promise<void> {
  // Where sshd confines itself (PRIVSEP_PATH); the package makes it when its service starts.
  const confinement = '/run/sshd';
  if (!existsSync(confinement)) {
    mkdirSync(confinement, { mode: 0o755 });
    t.after(() => { rmdirSync(confinement); });
  }
  const child = spawn(sshd, ['-D', '-e', '-f', join(directory, 'sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  let said = '';
  const listening = Promise.withResolvers<void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    said += `${line}\n`;
    if (line.includes('Server listening')) listening.resolve();
  });
  child.once('exit', (code) => { listening.reject(new Error(`sshd ended with ${code}: ${said}`)); });
  await listening.promise;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('a device is used through ssh as if one were on it', options, async (t) => {
  const { daemon, berth, env, port } = await startRemote(t);
  const path = await makePackage(daemon.directory, { name: 'demo', script: 'echo started; exec sleep 1000', annotations: { 'stop-timeout': '0s' } });
  const installed = await berth(['install', path]);
  assert.equal(installed.code, 0, installed.stderr);
  assert.match((await berth(['ps'])).stdout, /demo +1\.0 +running/);

  const command = [berthBundle, '--host', `ssh://root@127.0.0.1:${port}`, 'logs', '-f', 'demo'];
  const logs = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  logs.stdout.setEncoding('utf8').on('data', (text: string) => { printed += text; });
  await until(() => printed === 'started\n');
  assert.equal(await dialing(daemon.directory), 1);
  assert.equal((await berth(['restart', 'demo'])).code, 0);
  await until(() => printed === 'started\nstarted\n');
  const ended = once(logs, 'exit');
  logs.kill('SIGINT');
  await ended;

  assert.deepEqual(await berth(['exec', 'demo', 'sh', '-c', 'echo out; echo err >&2; exit 7']), { code: 7, signal: null, stdout: 'out\n', stderr: 'err\n' });
  const large = 'a line of text for a pipe\n'.repeat(50_000);
  const copied = await berth(['exec', '-i', 'demo', 'cat'], large);
  assert.deepEqual({ code: copied.code, same: copied.stdout === large }, { code: 0, same: true });

  // An error of the daemon comes through as it is.
  const unknown = await berth(['show', 'nosuch']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /nosuch/);
  const document = JSON.parse((await berth(['--json', 'show', 'nosuch'])).stdout) as { error: { code: string } };
  assert.equal(document.error.code, 'not_found');

  // The daemon has no socket of the network, and no connection of ours is left on the device.
  await until(async () => (await dialing(daemon.directory)) === 0);
  const { stdout } = await run('sh', ['-c', `ls -l /proc/${daemon.pid}/fd | grep -o 'socket:\\[[0-9]*\\]' | tr -dc '0-9\\n' | grep -wFf - /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6`]);
  assert.equal(stdout, '');
});

/** How many `berth dial-stdio` of this device run. */
async function dialing(directory: string): Promise<number> {
  const { stdout } = await run('sh', ['-c', `grep -lzF 'unix://${directory}/run/berth.sock' /proc/[0-9]*/environ 2>/dev/null | wc -l`]);
  return Number(stdout);
}

test('what keeps one from a device is told', options, async (t) => {
  const { daemon, berth, env, hideBerth } = await startRemote(t);
  const elsewhere = (host: string): Promise<RunResult> => run(process.execPath, [berthBundle, '--host', host, 'ps'], { env });

  const closed = await elsewhere(`ssh://root@127.0.0.1:${await freePort()}`);
  assert.equal(closed.code, 1);
  assert.match(closed.stderr, /cannot reach 127\.0\.0\.1 over ssh: .*Connection refused/);

  const stranger = await run(process.execPath, [berthBundle, '--host', `ssh://root@127.0.0.1:${await freePort()}`, 'ps'], { env: { ...env, BERTH_SSH_COMMAND: '/nosuch/ssh' } });
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /program not found: \/nosuch\/ssh/);

  for (const host of ['ssh://-oProxyCommand=touch${IFS}x', 'ssh://-l@device', 'ssh://root@-oProxyCommand=x', 'ssh://device:0', 'ssh://', 'tcp://device']) {
    const { code, stderr } = await elsewhere(host);
    assert.equal(code, 2, host);
    assert.match(stderr, /^berth: host "/, host);
  }

  await daemon.end();
  const stopped = await berth(['ps']);
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /127\.0\.0\.1: berthd is not running/);

  hideBerth();
  const bare = await berth(['ps']);
  assert.equal(bare.code, 1);
  assert.match(bare.stderr, /berth is not installed on 127\.0\.0\.1/);
});
