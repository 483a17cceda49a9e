/** What an app cannot do, tried from inside one that asked for all it may have. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { until, whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

const asked = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SYS_ADMIN', 'CAP_MKNOD'];
const capabilities = { bounding: asked, permitted: asked, effective: asked };

function processOf(script: string, uid = 0): Readonly<Record<string, unknown>> {
  return { user: { uid, gid: uid }, args: ['/bin/sh', '-c', script], env: ['PATH=/bin'], cwd: '/', capabilities };
}

/** What must fail, and how. Each is tried as root of the container, and would be harmless if it were possible. */
const attempts: readonly (readonly [what: string, script: string, complaint: RegExp])[] = [
  ['write to the root file system', 'echo x > /etc/x', /Read-only file system/],
  ['make the root file system writable', 'busybox mount -o remount,rw /', /not permitted|permission denied/],
  ['write a kernel setting', 'value=$(cat /proc/sys/kernel/panic); echo $value > /proc/sys/kernel/panic', /Read-only file system/],
  ['make the kernel settings writable', 'busybox mount -o remount,rw /proc/sys', /not permitted|permission denied/],
  ['uncover what is masked', 'busybox umount /proc/interrupts', /not permitted|denied/],
  ['command the kernel', 'echo h > /proc/sysrq-trigger', /Read-only file system|nonexistent/],
  ['write to /sys', 'echo 1 > /sys/kernel/uevent_seqnum', /Read-only file system/],
  ['mount', 'busybox mount -t tmpfs x /tmp', /not permitted|permission denied/],
  ['make a device', 'busybox mknod /tmp/disk b 8 0', /not permitted/],
  ['set the clock', 'date -s @$(date +%s)', /not permitted/],
  ['set the name of the host', 'busybox hostname elsewhere', /not permitted/],
  ['restart the machine', 'busybox reboot -f', /not permitted/],
  ['change the network', 'busybox ifconfig lo 10.1.1.1', /not permitted/],
  ['enter the namespaces of the first process', 'busybox nsenter -t 1 -m -n true', /not permitted/],
  ['load a module', 'busybox insmod /bin/busybox', /not permitted|not implemented|does not support/],
];

test('an app can neither change the host nor leave its berth', options, async (t) => {
  const { install, inside } = await startDevice(t);
  const { degraded } = await install({ name: 'inmate', oci: { process: processOf('exec sleep 1000') } });
  assert.deepEqual(degraded.map(({ path }) => path), ['bounding', 'permitted', 'effective'].flatMap((set) => [`process.capabilities.${set}[7]`, `process.capabilities.${set}[8]`]));
  // The way the attempts are made works: what is allowed succeeds.
  assert.equal((await inside('inmate', 'echo x > /tmp/x && busybox chown 5 /tmp/x')).code, 0);
  for (const [what, script, complaint] of attempts) {
    // Not the exit status: BusyBox's date complains and ends with 0.
    assert.match((await inside('inmate', script)).stderr, complaint, what);
  }
  assert.equal((await inside('inmate', 'cat /proc/kcore /proc/interrupts | wc -c; ls /sys/firmware | wc -l')).stdout, '0\n0\n');
  const { stdout: devices } = await inside('inmate', 'busybox find /dev -type c -o -type b');
  assert.deepEqual(devices.trim().split('\n').toSorted(), ['full', 'null', 'pts/ptmx', 'random', 'tty', 'urandom', 'zero'].map((name) => `/dev/${name}`));
});

test('an app sees neither processes nor files of the host and of other apps', options, async (t) => {
  const { daemon, install, inside } = await startDevice(t);
  await install({ name: 'inmate', oci: { process: processOf('exec sleep 1000') } });
  await install({ name: 'neighbour', script: 'echo x > /tmp/secret-t; echo x > /data/secret-d; exec sleep 2000', files: { 'etc/secret-i': 'x' }, annotations: { data: '/data', exports: 'web' } });
  await until(async () => (await inside('neighbour', 'ls /data/secret-d')).code === 0);
  const found = await inside('inmate', "busybox find / -name 'secret-*' -o -name berth.sock -o -name berth.db -o -name 'conmon*' 2>/dev/null");
  assert.equal(found.stdout, '');
  const processes = await inside('inmate', "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
  assert.match(processes.stdout, /sleep 1000/);
  for (const other of ['sleep 2000', 'berthd', 'conmon', 'runc']) assert.equal(processes.stdout.includes(other), false, `${other} in ${processes.stdout}`);
  const mounts = await inside('inmate', 'cat /proc/mounts');
  for (const path of [daemon.directory, '/sys/fs/cgroup']) assert.equal(mounts.stdout.includes(path), false, `${path} in ${mounts.stdout}`);
});

test('an app reaches neither the network of the host nor that of another app', options, async (t) => {
  const { install, inside } = await startDevice(t);
  const server = createServer((socket) => socket.end('host\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => { server.close(); });
  const { port } = server.address() as AddressInfo;
  await install({ name: 'listener', script: `exec busybox nc -ll -p ${port} -e echo neighbour` });
  await until(async () => (await inside('listener', `busybox nc -w 5 127.0.0.1 ${port}`)).stdout === 'neighbour\n');
  await install({ name: 'inmate', oci: { process: processOf('exec sleep 1000') } });

  const { code, stdout, stderr } = await inside('inmate', `busybox nc -w 5 127.0.0.1 ${port}`);
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  assert.match(stderr, /Connection refused/);
  assert.match((await inside('inmate', 'busybox nc -w 5 192.0.2.1 80')).stderr, /Network is unreachable/);
  assert.equal((await inside('inmate', "tail -n +3 /proc/net/dev | awk '{print $1}'; tail -n +2 /proc/net/route; tail -n +2 /proc/net/unix")).stdout, 'lo:\n');
});

test('a setuid file of a package gives nobody privileges', options, async (t) => {
  const { install, inside } = await startDevice(t);
  const { warnings } = await install({
    name: 'inmate',
    files: { 'opt/id': '#!/bin/sh\nid -u\n' },
    modes: { 'bin/busybox': 0o6755, 'opt/id': 0o4755 },
    oci: { process: processOf('exec sleep 1000', 1000) },
  });
  assert.match(warnings.join('\n'), /bin\/busybox.*set/);
  const { stdout } = await inside('inmate', 'busybox stat -c %a /bin/busybox /opt/id; busybox id -u; busybox id -g; grep -E "NoNewPrivs|CapEff" /proc/self/status');
  assert.equal(stdout, '755\n755\n1000\n1000\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n');
});

test('an app that wants more memory than it may have is killed for it, and the neighbour runs on', options, async (t) => {
  const { daemon, install, settled } = await startDevice(t);
  const { status: neighbour } = await install({ name: 'neighbour' });
  const process = processOf('exec tail /dev/zero');
  await install({ name: 'eater', annotations: { restart: 'never' }, oci: { process, linux: { resources: { memory: { limit: 16 * 1024 * 1024 } } } } });
  const { lastExit } = await settled('eater', ({ state }) => state === 'stopped');
  assert.deepEqual({ oom: lastExit!.oom, signal: lastExit!.signal, code: lastExit!.reason.code }, { oom: true, signal: 'SIGKILL', code: 'out-of-memory' });
  const { stdout } = await daemon.berth('show', 'eater');
  assert.match(stdout, /want of memory/);
  assert.deepEqual((await settled('neighbour', () => true)).instance, neighbour.instance);
});

test('an app that makes processes without end is bounded, and the neighbour runs on', options, async (t) => {
  const { daemon, api, install, inside, logged } = await startDevice(t);
  const { status: neighbour } = await install({ name: 'neighbour' });
  const process = processOf("/bin/sh -c 'while :; do sleep 1000 & done'; echo bounded; exec sleep 1000");
  await install({ name: 'bomb', oci: { process, linux: { resources: { pids: { limit: 40 } } } } });
  await until(async () => (await logged('bomb')).some(({ text }) => text === 'bounded'));
  const { figures } = JSON.parse((await api.must('GET', '/stats?app=bomb')).body) as { figures: { processes: number }[] };
  assert.equal(figures[0]!.processes >= 30 && figures[0]!.processes <= 40, true, `${figures[0]!.processes} processes`);
  assert.equal((await inside('neighbour', 'echo hello')).stdout, 'hello\n');
  assert.deepEqual((await api.app('neighbour')).instance, neighbour.instance);
  await api.must('POST', '/apps/bomb/kill');
  await api.must('POST', '/apps/neighbour/kill');
  assert.deepEqual(daemon.processes(), []);
});
