/** The update bus of an app, with the clients that apps really use: on the host, in containers, in user namespaces. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { run, type RunResult } from '../src/lib/process.ts';
import { until, whyNoContainers } from './support/berthd.ts';
import { startDevice, type Device } from './support/device.ts';
import { ociConfig } from './support/packages.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

const inContainer = 'unix:path=/run/berth/bus';
const dbusSend = '/usr/bin/dbus-send';
const programs = [dbusSend, '/usr/bin/gdbus', '/usr/bin/busctl'];
const object = '/org/berth/App1';

/** What each client is given to say; `member` of `org.berth.App1` with at most one text as argument. */
const clients: Readonly<Record<string, (address: string, member: string, argument?: string) => readonly string[]>> = {
  'dbus-send': (address, member, argument) => [dbusSend, `--bus=${address}`, '--print-reply', '--dest=org.berth.App1', object, `org.berth.App1.${member}`, ...(argument === undefined ? [] : [`string:${argument}`])],
  gdbus: (address, member, argument) => ['/usr/bin/gdbus', 'call', '--address', address, '--dest', 'org.berth.App1', '--object-path', object, '--method', `org.berth.App1.${member}`, ...(argument === undefined ? [] : [argument])],
  busctl: (address, member, argument) => ['/usr/bin/busctl', `--address=${address}`, 'call', 'org.berth.App1', object, 'org.berth.App1', member, ...(argument === undefined ? [] : ['s', argument])],
  python: (address, member, argument) => ['/usr/bin/python3', '-c', python, address, member, ...(argument === undefined ? [] : [argument])],
};

/** Uses an object as python3-dbus does: introspects it, calls the method, then reads all properties. */
const python = `
import sys, dbus, dbus.bus
bus = dbus.bus.BusConnection(sys.argv[1])
app = bus.get_object('org.berth.App1', '${object}')
getattr(dbus.Interface(app, 'org.berth.App1'), sys.argv[2])(*sys.argv[3:])
print(dict(app.GetAll('org.berth.App1', dbus_interface='org.freedesktop.DBus.Properties')))
`;

function socketOf({ daemon }: Device, app: string): string {
  return join(daemon.runDir, 'apps', app, 'bus');
}

function addressOf(device: Device, app: string): string {
  return `unix:path=${socketOf(device, app)}`;
}

async function shell(words: readonly string[]): Promise<RunResult> {
  const [program, ...args] = words;
  return run(program!, args);
}

/** Words as one command of a shell. */
function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
}

for (const [name, command] of Object.entries(clients)) {
  test(`${name} calls an app's bus, with and without a user namespace`, options, async (t) => {
    const device = await startDevice(t);
    await device.install({ name: 'web', version: '1.2', annotations: { watchdog: '1h' } });
    const address = addressOf(device, 'web');
    for (const prefix of [[], ['unshare', '--user', '--map-root-user']]) {
      const fed = await shell([...prefix, ...command(address, 'Watchdog')]);
      assert.equal(fed.code, 0, fed.stderr);
      const refused = await shell([...prefix, ...command(address, 'Fail', 'no reason')]);
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, /web.*tri/);
    }
  });
}

test('every client calls the bus from inside a container, as root and as a user of its own', options, async (t) => {
  const device = await startDevice(t);
  const app = { annotations: { watchdog: '1h' }, programs: [...programs, '/usr/bin/python3'], pythonModules: ['dbus.bus', 'xml.parsers.expat'] };
  await device.install({ ...app, name: 'rooted' });
  const { process } = ociConfig({}) as { process: object };
  await device.install({ ...app, name: 'user', oci: { process: { ...process, user: { uid: 1234, gid: 1234 } } } });
  for (const name of ['rooted', 'user']) {
    for (const command of Object.values(clients)) {
      const fed = await device.inside(name, quoted(command(inContainer, 'Watchdog')));
      assert.equal(fed.code, 0, fed.stderr);
    }
    assert.equal((await device.inside(name, 'echo $BERTH_BUS_ADDRESS; ls /run/berth')).stdout, `${inContainer}\nbus\n`);
    assert.notEqual((await device.inside(name, 'rm /run/berth/bus || touch /run/berth/x')).code, 0);
  }
});

test('all properties are told to python3-dbus, busctl and gdbus', options, async (t) => {
  const device = await startDevice(t);
  await device.install({ name: 'web', version: '1.2', annotations: { watchdog: '1h' } });
  const address = addressOf(device, 'web');
  const python = await shell(clients['python']!(address, 'Watchdog'));
  assert.match(python.stdout, /'Version'\): dbus.String\('1.2'.*'Trial'\): dbus.Boolean\(False.*'Deadline'\): dbus.UInt64\(0.*'Pending'\): dbus.String\(''.*'WatchdogInterval'\): dbus.UInt64\(3600000/);
  const busctl = await run('busctl', [`--address=${address}`, 'get-property', 'org.berth.App1', object, 'org.berth.App1', 'Version', 'Trial', 'Deadline', 'Pending', 'WatchdogInterval']);
  assert.equal(busctl.stdout, 's "1.2"\nb false\nt 0\ns ""\nt 3600000\n');
  const set = await run('busctl', [`--address=${address}`, 'set-property', 'org.berth.App1', object, 'org.berth.App1', 'Version', 's', '9']);
  assert.match(set.stderr, /cannot be set/);
  const gdbus = await run('gdbus', ['introspect', '--xml', '--address', address, '--dest', 'org.berth.App1', '--object-path', object]);
  const [, contract] = /<node>\n([^]*)<\/node>/.exec(readFileSync(join(import.meta.dirname, '../dbus/org.berth.App1.xml'), 'utf8'))!;
  assert.equal(gdbus.stdout.includes(contract!), true, gdbus.stdout);
});

test('a running container reaches the bus of the next daemon through the same directory', options, async (t) => {
  const device = await startDevice(t);
  const { daemon, api, install, inside } = device;
  await install({ name: 'web', annotations: { watchdog: '1h' }, programs: [dbusSend] });
  const { instance } = await api.app('web');
  const feed = quoted(clients['dbus-send']!(inContainer, 'Watchdog'));
  assert.equal((await inside('web', feed)).code, 0);
  const directory = join(daemon.runDir, 'apps/web');
  const inode = statSync(directory).ino;
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await daemon.end(signal);
    await daemon.start();
    assert.equal(statSync(directory).ino, inode);
    assert.equal((await inside('web', feed)).code, 0, signal);
    assert.deepEqual((await api.app('web')).instance, instance);
  }
});

test('an app that is removed loses its bus', options, async (t) => {
  const device = await startDevice(t);
  await device.install({ name: 'web' });
  assert.equal(existsSync(socketOf(device, 'web')), true);
  await device.api.must('DELETE', '/apps/web?purge=true');
  assert.deepEqual(readdirSync(join(device.daemon.runDir, 'apps')), []);
});

test('a new version confirms itself from inside its container; one that says it fails is taken back', options, async (t) => {
  const device = await startDevice(t);
  const { api, install, logged, settled } = device;
  const app = { name: 'web', programs: [dbusSend], annotations: { 'trial.confirm': 'app', 'trial.uptime': '0s' } };
  const says = (member: string, argument?: string): string => `${quoted(clients['dbus-send']!(inContainer, member, argument))}; exec sleep 1000`;
  await install({ ...app, version: '1' });
  await install({ ...app, version: '2', script: says('Confirm') });
  assert.equal((await api.app('web')).version, '2');
  assert.match((await logged('web')).map(({ text }) => text).join('\n'), /method return/);
  await assert.rejects(install({ ...app, version: '3', script: says('Fail', 'no sensors here') }), /no sensors here/);
  assert.equal((await settled('web', ({ state }) => state === 'running')).version, '2');
});

test('an app that stops feeding its watchdog is restarted', options, async (t) => {
  const { install, settled } = await startDevice(t);
  const feed = quoted(clients['dbus-send']!(inContainer, 'Watchdog'));
  await install({ name: 'web', programs: [dbusSend], annotations: { watchdog: '1s' }, script: `for i in 1 2 3; do ${feed}; sleep 0.5; done; exec sleep 1000` });
  const { lastExit } = await settled('web', ({ restarts }) => restarts > 0);
  assert.equal(lastExit?.reason.code, 'watchdog');
});

test('apps that flood their buses from many sides disturb neither the daemon nor another app', options, async (t) => {
  const device = await startDevice(t);
  const { daemon, api, install } = device;
  for (const name of ['flooding', 'web']) await install({ name, annotations: { watchdog: '1h' } });
  const before = await api.app('web');
  const stop = new AbortController();
  const floods = Array.from({ length: 16 }, (_, index) => flood(socketOf(device, 'flooding'), index % 2 === 0 ? hello : garbage, stop.signal));
  try {
    await until(() => daemon.log.includes('flooding: floods its update bus'));
    for (let round = 0; round < 20; round += 1) {
      const fed = await shell(clients['busctl']!(addressOf(device, 'web'), 'Watchdog'));
      assert.equal(fed.code, 0, fed.stderr);
    }
  } finally {
    stop.abort();
    await Promise.all(floods);
  }
  assert.deepEqual((await api.app('web')).instance, before.instance);
  await until(async () => (await shell(clients['busctl']!(addressOf(device, 'flooding'), 'Watchdog'))).code === 0);
});

/** Authentication and then the head of a message without end; and nothing like D-Bus. */
const hello = Buffer.concat([Buffer.from('\0AUTH EXTERNAL 30\r\nBEGIN\r\n'), Buffer.alloc(65_536, 'l')]);
const garbage = Buffer.alloc(65_536, 'x');

/** Connects and sends again and again, whatever becomes of it. */
async function flood(path: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const socket = connect(path);
    socket.on('error', () => undefined);
    socket.write(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
  }
}
