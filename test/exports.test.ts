/** What apps offer each other: small directories for sockets, written by the one and seen by the other. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findProgram } from '../src/runtime/program.ts';
import { until, whyNoContainers } from './support/berthd.ts';
import { startDevice, type Device } from './support/device.ts';
import type { PackageOptions } from './support/packages.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

/** Without setfacl, apps see to it themselves. */
const whyNoAcls = (await findProgram('setfacl')) === undefined ? 'there is no setfacl' : undefined;
if (whyNoAcls !== undefined && process.env['CI'] !== undefined) throw new Error(`${whyNoAcls}, and in CI it must be tested`);

/** BusyBox's syslogd and logger speak over the unix socket behind /dev/log. */
const server: PackageOptions = {
  name: 'server',
  annotations: { exports: 'log', restart: 'never' },
  script: 'ln -s /run/exports/log/socket /dev/log; echo ready > /run/exports/log/greeting; exec busybox syslogd -n -O -',
};
const client: PackageOptions = {
  name: 'client',
  control: { Depends: 'server' },
  annotations: { imports: 'server/log' },
  script: 'ln -s /run/imports/server/log/socket /dev/log; exec sleep 1000',
};

async function startServer({ daemon, install }: Device, changes: Partial<PackageOptions> = {}): Promise<void> {
  await install({ ...server, ...changes });
  await until(() => existsSync(join(daemon.runDir, 'exchange/server/log/socket')));
}

/** Waits until the server has logged what the client says. */
async function talk({ inside, logged }: Device, words: string): Promise<void> {
  assert.deepEqual(await inside('client', `busybox logger ${words}`), { code: 0, signal: null, stdout: '', stderr: '' });
  await until(async () => (await logged('server')).some(({ text }) => text.endsWith(words)));
}

test('an app serves a unix socket that only those who import it see', options, async (t) => {
  const device = await startDevice(t);
  const { install, inside } = device;
  await startServer(device);
  await install(client);
  await install({ name: 'stranger', control: { Depends: 'server' } });
  await talk(device, 'hello-over-there');
  assert.equal((await inside('client', 'cat /run/imports/server/log/greeting')).stdout, 'ready\n');
  assert.equal((await inside('stranger', 'ls /run')).stdout, 'berth\n');
  assert.equal((await inside('stranger', 'busybox find / -name greeting -o -name socket 2>/dev/null')).stdout, '');
});

test('what is exported is open to those who import it, whatever the umask of who made it', { ...options, ...(whyNoAcls === undefined ? {} : { skip: whyNoAcls }) }, async (t) => {
  const device = await startDevice(t);
  await startServer(device, { script: `umask 077; ${server.script}` });
  const process = { user: { uid: 1000, gid: 1000 }, args: ['/bin/sleep', '1000'], env: ['PATH=/bin'], cwd: '/' };
  await device.install({ ...client, oci: { process } });
  assert.equal((await device.inside('client', 'cat /run/imports/server/log/greeting; busybox stat -c %a /run/imports/server/log/greeting')).stdout, 'ready\n666\n');
});

test('who imports cannot change what is exported', options, async (t) => {
  const device = await startDevice(t);
  const { install, inside } = device;
  await startServer(device);
  await install({ ...client, oci: everyRight });
  const attempts = ['echo x > new', 'echo x > greeting', 'rm greeting', 'busybox mv greeting other', 'chmod 777 .', 'mkdir d', 'busybox ln -s / l', 'busybox mount -o remount,rw .'];
  for (const attempt of attempts) {
    const { code, stderr } = await inside('client', `cd /run/imports/server/log && ${attempt}`);
    assert.notEqual(code, 0, attempt);
    assert.match(stderr, /Read-only file system|permission denied|not permitted/, attempt);
  }
  assert.equal((await inside('server', 'ls /run/exports/log; cat /run/exports/log/greeting')).stdout, 'greeting\nsocket\nready\n');
});

/** All that an app may ask for. */
const everyRight = {
  process: {
    user: { uid: 0, gid: 0 },
    args: ['/bin/sh', '-c', client.script!],
    env: ['PATH=/bin'],
    cwd: '/',
    capabilities: { bounding: ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_SETGID', 'CAP_SETUID'] },
  },
};

test('an export holds 1 MiB and 64 inodes, whoever fills it', options, async (t) => {
  const device = await startDevice(t);
  const { inside } = device;
  await startServer(device);
  const bytes = await inside('server', 'head -c 4000000 /dev/zero > /run/exports/log/big; wc -c < /run/exports/log/big; rm /run/exports/log/big');
  assert.match(bytes.stderr, /I\/O error/);
  assert.equal(Number(bytes.stdout) <= 1024 * 1024, true, bytes.stdout);
  const inodes = await inside('server', 'cd /run/exports/log; i=0; while touch f$i; do i=$((i+1)); done; ls | wc -l');
  assert.match(inodes.stderr, /No space left/);
  assert.equal(Number(inodes.stdout) < 64, true, inodes.stdout);
});

test('an app that runs as a user of its own can write what it exports', options, async (t) => {
  const { daemon, install, inside } = await startDevice(t);
  const script = 'echo hello > /run/exports/web/greeting; exec sleep 1000';
  await install({
    name: 'web',
    annotations: { exports: 'web' },
    oci: { process: { user: { uid: 1234, gid: 1234 }, args: ['/bin/sh', '-c', script], env: ['PATH=/bin'], cwd: '/' } },
  });
  await install({ name: 'client', control: { Depends: 'web' }, annotations: { imports: 'web/web' } });
  await until(async () => (await inside('client', 'cat /run/imports/web/web/greeting')).stdout === 'hello\n');
  // On the host, other users do not get there.
  assert.equal(statSync(join(daemon.runDir, 'exchange')).mode & 0o777, 0o700);
});

test('exports outlive a restart of the app and of the daemon, and go when the app is removed', options, async (t) => {
  const device = await startDevice(t);
  const { daemon, api, install } = device;
  const mounts = (): string[] => readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(`${daemon.runDir}/exchange`));
  await startServer(device, { script: `rm -f /run/exports/log/socket; ${server.script}` });
  await install(client);
  await talk(device, 'first');
  const { instance } = await api.app('client');

  const before = (await api.app('server')).instance!;
  await api.must('POST', '/apps/server/restart');
  assert.notEqual((await api.app('server')).instance!.id, before.id);
  await until(() => existsSync(join(daemon.runDir, 'exchange/server/log/socket')));
  await talk(device, 'second');

  await daemon.end('SIGKILL');
  await daemon.start();
  await talk(device, 'third');
  assert.deepEqual((await api.app('client')).instance, instance);
  assert.equal(mounts().length, 1);

  assert.equal((await api.call('DELETE', '/apps/server')).status, 424);
  await api.must('DELETE', '/apps/client');
  await api.must('DELETE', '/apps/server');
  assert.deepEqual(mounts(), []);
  assert.deepEqual(readdirSync(join(daemon.runDir, 'exchange')), []);
  assert.deepEqual(daemon.processes(), []);
});

test('an orderly shutdown and the end of the daemon leave no mount', options, async (t) => {
  const device = await startDevice(t);
  const { daemon, api, install } = device;
  await startServer(device);
  await install(client);
  await api.must('POST', '/shutdown');
  await daemon.end();
  assert.deepEqual(daemon.traces().filter((trace) => trace.startsWith('mount')), []);
});
