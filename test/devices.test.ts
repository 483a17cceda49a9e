/** Real devices in real containers: what an app is lent it can open, and nothing else; devices come and go while apps run. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { DeviceStatus } from '../src/devices/index.ts';
import { run } from '../src/lib/process.ts';
import { until, whyNoContainers } from './support/berthd.ts';
import { startDevice, type Device } from './support/device.ts';
import type { PackageOptions } from './support/packages.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

/** A daemon whose declared devices are nodes in a directory of the test's own. */
interface Machine extends Device {
  /** Where the nodes are. */
  readonly nodes: string;
  /** Puts a node there, under another name first, as udev does. */
  plug(name: string, type: 'c' | 'b', number: string): Promise<void>;
  unplug(name: string): void;
  devices(): Promise<Readonly<Record<string, DeviceStatus>>>;
}

/** @param declarations entries of `devices:`; `NODES` stands for the directory of nodes */
async function machine(t: TestContext, declarations: readonly string[], plugged: Readonly<Record<string, readonly ['c' | 'b', string]>> = {}): Promise<Machine> {
  const directory = `/run/berth-test-${randomBytes(4).toString('hex')}`;
  const nodes = join(directory, 'nodes');
  for (const path of [nodes, join(directory, 'devices.d')]) mkdirSync(path, { recursive: true });
  await must('mount', '-t', 'tmpfs', '-o', 'mode=755', 'test', nodes);
  const plug = async (name: string, type: 'c' | 'b', number: string): Promise<void> => {
    const [major = '', minor = ''] = number.split(':');
    const path = join(nodes, name);
    await must('mknod', '-m', '600', `${path}.new`, type, major, minor);
    await must('mv', `${path}.new`, path);
  };
  for (const [name, [type, number]] of Object.entries(plugged)) await plug(name, type, number);
  writeFileSync(join(directory, 'devices.d/test.yaml'), `devices:\n${declarations.map((entry) => `  - ${entry.replaceAll('NODES', nodes)}\n`).join('')}`);
  // Not `other`: it is in nobody's rights.
  const policy = { 'test.yaml': 'apps: ["*"]\nrights:\n  devices: [mine, alias, own, disk, spare, tun, machine]\n' };
  const device = await startDevice(t, { directory, policy });
  return {
    ...device,
    nodes,
    plug,
    unplug: (name) => { unlinkSync(join(nodes, name)); },
    devices: async () => {
      const { devices } = await device.daemon.json<{ devices: DeviceStatus[] }>('devices');
      return Object.fromEntries(devices.map((status) => [status.name, status]));
    },
  };
}

async function must(program: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

/** A loop device that holds a text, gone when the test ends; gives its number. */
async function loopWith(t: TestContext, text: string): Promise<string> {
  const file = join('/run', `berth-test-${randomBytes(4).toString('hex')}.img`);
  writeFileSync(file, text.padEnd(64 * 1024, '.'));
  const path = await must('losetup', '--find', '--show', file);
  t.after(async () => {
    await must('losetup', '--detach', path);
    unlinkSync(file);
  });
  const { major, minor } = JSON.parse(await must('stat', '--format', '{"major":%Hr,"minor":%Lr}', path)) as { major: number; minor: number };
  return `${major}:${minor}`;
}

/** An app that does nothing, with what it says of devices in its config. */
function app(name: string, paths: readonly string[], { rules = [], numbers = {}, uid = 0 }: { readonly rules?: readonly object[]; readonly numbers?: object; readonly uid?: number } = {}): PackageOptions {
  // All capabilities that an app gets for the asking: those over files are for files of its own only.
  const capabilities = { bounding: ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_SETUID'] };
  const process = { user: { uid, gid: uid }, args: ['/bin/sh', '-c', 'exec sleep 100000'], env: ['PATH=/bin'], cwd: '/', capabilities };
  const namespaces = ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type }));
  return { name, oci: { process, linux: { namespaces, devices: paths.map((path) => ({ path, ...numbers })), resources: { devices: rules } } } };
}

const head = (path: string): string => `head -c 5 ${path}`;

test('an app opens the device that it was lent, as far as it was granted, and its /dev is whole', options, async (t) => {
  const number = await loopWith(t, 'first');
  const { install, inside, daemon, api } = await machine(t, ['{ name: disk, path: NODES/disk, type: block }'], { disk: ['b', number] });
  const numbers = { type: 'b', major: Number(number.split(':')[0]), minor: Number(number.split(':')[1]) };
  await install(app('reader', ['/dev/disk'], { numbers, rules: [{ allow: true, ...numbers, access: 'r' }] }));
  assert.deepEqual((await api.app('reader')).devices, [{ app: 'reader', device: 'disk', path: '/dev/disk', access: 'r', present: true }]);
  assert.equal((await inside('reader', head('/dev/disk'))).stdout, 'first');
  assert.match((await inside('reader', 'echo x > /dev/disk')).stderr, /denied|not permitted/);
  // The second line: no other device could be opened, were its node there.
  const [list] = daemon.cgroups().map((path) => join(path, 'devices.list')).filter((path) => path.endsWith('reader.app/app/devices.list') && existsSync(path));
  if (list !== undefined) assert.deepEqual(readFileSync(list, 'utf8').split('\n').filter((line) => line.startsWith('b')), ['b *:* m', 'b 7:* r']);
  const { stdout } = await inside('reader', 'echo x > /dev/null && head -c 3 /dev/zero | wc -c && echo shm > /dev/shm/x && cat /dev/shm/x && echo y | cat /dev/stdin && ls /dev/pts/ptmx && head -c 1 /dev/urandom | wc -c');
  assert.equal(stdout, '3\nshm\ny\n/dev/pts/ptmx\n1\n');
  assert.match((await daemon.berth('show', 'reader')).stdout, /Device +disk at \/dev\/disk \(r\)/);
  assert.match((await daemon.berth('devices')).stdout, /disk .*exclusive +disk +reader/);
});

test('an app with a device reaches no other one', options, async (t) => {
  const [mine, others] = [await loopWith(t, 'mine!'), await loopWith(t, 'other')];
  const { install, inside, refusal } = await machine(
    t,
    ['{ name: mine, path: NODES/mine, type: block }', '{ name: other, path: NODES/other, type: block }', '{ name: own, path: NODES/own, type: block, platform: true }', '{ name: alias, path: NODES/alias, type: block }'],
    { mine: ['b', mine], other: ['b', others], own: ['b', others], alias: ['b', others] },
  );
  await install(app('inmate', ['/dev/mine']));
  await install(app('neighbour', ['/dev/alias']));
  assert.equal((await inside('inmate', head('/dev/mine'))).stdout, 'mine!');
  const [major, minor] = others.split(':');
  for (const [what, script, complaint] of [
    ['make its node in /tmp', `busybox mknod /tmp/d b ${major} ${minor}`, /not permitted/],
    ['make its node in /dev', `busybox mknod /dev/d b ${major} ${minor}`, /not permitted|Read-only/],
    ['make its own node again', `busybox mknod /dev/shm/d b ${mine.replace(':', ' ')}`, /not permitted/],
    ['write to /dev', 'echo x > /dev/x', /Read-only/],
    ['change the mode of a node', 'busybox chmod 777 /dev/mine', /Read-only/],
    ['take a node away', 'rm /dev/mine', /Read-only/],
    ['make /dev writable', 'busybox mount -o remount,rw /dev', /not permitted|denied/],
    ['take its /dev away', 'busybox umount -l /dev', /not permitted|denied/],
    ['open the other by its name', head('/dev/other'), /No such file/],
    ['open the other by its name on the host', head('/dev/loop0'), /No such file/],
    ['open the device of the platform\'s', head('/dev/own'), /No such file/],
    ['open devices that nobody declared', 'cat /dev/kvm', /No such file/],
  ] as const) {
    assert.match((await inside('inmate', script)).stderr, complaint, what);
  }
  const found = await inside('inmate', 'busybox find / -xdev -type b 2>/dev/null; busybox find /dev -type b');
  assert.equal(found.stdout, '/dev/mine\n');
  // By its own name the device of the platform's is refused; another name leads nowhere.
  for (const [path, why] of [['/dev/own', /linux\.devices\[0\]: the device own is the platform's own/], ['/dev/other', /rights/], ['/dev/loop0', /not declared|declared as/], ['/dev/mem', /declared as/]] as const) {
    const { code, message } = await refusal(app('greedy', [path]));
    assert.deepEqual([code, why.test(message)], ['denied', true], message);
  }
  const [type, access] = ['b', 'rwm'];
  const { code, message } = await refusal(app('greedy', [], { rules: [{ allow: true, type, major: Number(major), minor: Number(minor), access }] }));
  assert.deepEqual([code, /linux\.resources\.devices\[0\]: devices are not granted by number/.test(message)], ['denied', true], message);
  assert.match((await inside('neighbour', head('/dev/alias'))).stderr, /No such file/);
});

test('a second app waits for an exclusive device until the first one stops, crashes or is restarted', options, async (t) => {
  const number = await loopWith(t, 'first');
  const { install, inside, daemon, api, settled, devices } = await machine(t, ['{ name: disk, path: NODES/disk, type: block }'], { disk: ['b', number] });
  await install(app('one', ['/dev/disk']));
  await install(app('two', ['/dev/disk']));
  const { code, stderr } = await daemon.berth('start', 'two');
  assert.deepEqual([code, /waits for the device disk, which one has/.test(stderr)], [1, true], stderr);
  assert.deepEqual([(await api.app('two')).state, (await api.app('two')).desired], ['starting', 'running']);
  assert.match((await daemon.berth('ps')).stdout, /two .*starting.*waits for the device disk, which one has/);
  const { disk } = await devices();
  assert.deepEqual([disk!.holders.map((holder) => holder.app), disk!.waiting], [['one'], ['two']]);
  let [holder, waiting] = ['one', 'two'];
  for (const end of [
    async () => { await daemon.berth('restart', holder); },
    async () => { process.kill((await api.app(holder)).instance!.pid, 'SIGKILL'); },
    async () => { await api.must('POST', `/apps/${holder}/stop`); },
  ]) {
    await end();
    await settled(waiting, ({ state }) => state === 'running');
    assert.equal((await inside(waiting, head('/dev/disk'))).stdout, 'first');
    assert.notEqual((await api.app(holder)).state, 'running');
    [holder, waiting] = [waiting, holder];
  }
  await api.must('POST', `/apps/${holder}/stop`);
  assert.deepEqual(mounts(daemon.directory).filter((path) => path.includes('/devices/')), []);
});

test('a second app that is not to wait fails, and a shared device is for all', options, async (t) => {
  const number = await loopWith(t, 'first');
  const { install, inside, settled } = await machine(
    t,
    ['{ name: disk, path: NODES/disk, type: block, busy: fail }', '{ name: machine, path: NODES/machine, sharing: shared }'],
    { disk: ['b', number], machine: ['c', '10:232'] },
  );
  await install(app('one', ['/dev/disk']));
  await install(app('two', ['/dev/disk']));
  const { state, reason } = await settled('two', (status) => status.state === 'failed');
  assert.deepEqual([state, /the device disk is lent to one/.test(reason!.message)], ['failed', true], reason!.message);
  for (const name of ['three', 'four']) {
    await install(app(name, ['/dev/machine']));
    assert.equal((await inside(name, 'exec 3<>/dev/machine && echo open')).stdout, 'open\n');
  }
});

test('a device that comes is given to the running app that has its lease, and taken when it goes', options, async (t) => {
  const [first, second] = [await loopWith(t, 'first'), await loopWith(t, 'again')];
  const { install, inside, plug, unplug, devices, daemon } = await machine(t, ['{ name: disk, path: NODES/disk, type: block }']);
  await install(app('patient', ['/dev/disk']));
  assert.match((await inside('patient', head('/dev/disk'))).stderr, /No such file/);
  assert.match((await daemon.berth('doctor')).stdout, /declared but not there: disk/);
  assert.deepEqual((await devices())['disk']!.holders.map((holder) => holder.app), ['patient']);
  await plug('disk', 'b', first);
  await until(async () => (await inside('patient', head('/dev/disk'))).stdout === 'first');
  unplug('disk');
  await until(async () => (await inside('patient', 'ls /dev/disk')).code !== 0);
  // In one go another device is in its place.
  await plug('disk', 'b', first);
  await until(async () => (await inside('patient', head('/dev/disk'))).stdout === 'first');
  await plug('disk', 'b', second);
  await until(async () => (await inside('patient', head('/dev/disk'))).stdout === 'again');
  const events = (await daemon.berth('events')).stdout;
  for (const event of ['has the device disk', 'is there', 'is gone']) assert.ok(events.includes(event), event);
});

test('a lease outlives berthd with its app; what came and went meanwhile is made up for', options, async (t) => {
  const [first, second] = [await loopWith(t, 'first'), await loopWith(t, 'again')];
  const { install, inside, plug, daemon, api, devices } = await machine(t, ['{ name: disk, path: NODES/disk, type: block }', '{ name: spare, path: NODES/spare, type: block }'], { disk: ['b', first], spare: ['b', second] });
  await install(app('keeper', ['/dev/disk']));
  await install(app('casual', ['/dev/spare']));
  await install(app('second', ['/dev/disk']));
  const { instance } = await api.app('keeper');
  await daemon.end('SIGKILL');
  assert.equal(mounts(daemon.directory).filter((path) => path.includes('/devices/')).length, 2);
  await plug('disk', 'b', second);
  const [casual] = daemon.processes().filter((pid) => readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes('casual.app/app'));
  process.kill(casual!, 'SIGKILL');
  await daemon.start();
  assert.deepEqual((await api.app('keeper')).instance, instance);
  await until(async () => (await inside('keeper', head('/dev/disk'))).stdout !== 'first');
  // Both declarations lead to one device now: it is that of the first one.
  assert.equal((await inside('keeper', head('/dev/disk'))).stdout, 'again');
  const now = await devices();
  assert.deepEqual(now['disk']!.holders.map((holder) => holder.app), ['keeper']);
  assert.deepEqual(now['disk']!.waiting, ['second']);
  assert.match(now['spare']!.fault!, /same device as disk/);
});

test('character devices are lent to an app that runs as another user', options, async (t) => {
  const { install, inside, nodes } = await machine(t, ['{ name: tun, path: NODES/tun }', '{ name: machine, path: NODES/machine }'], { tun: ['c', '10:200'], machine: ['c', '10:232'] });
  assert.equal(statSync(join(nodes, 'tun')).isCharacterDevice(), true);
  await install(app('user', ['/dev/tun', '/dev/machine'], { uid: 1000 }));
  // By whichever user of the app.
  assert.equal((await inside('user', 'id -u; exec 3<>/dev/tun && exec 4<>/dev/machine && echo open')).stdout, '1000\nopen\n');
});

function mounts(directory: string): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[4] ?? '').filter((path) => path.startsWith(directory));
}
