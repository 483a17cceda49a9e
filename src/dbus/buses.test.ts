import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { serveAppBuses } from './buses.ts';
import { appContract, appName, appPath } from './contract.ts';
import { serve } from './harness.ts';
import { printNode } from './introspect.ts';
import { decodeBody, encodeMessage, noReplyExpected } from './message.ts';
import { Variant, type Value } from './value.ts';

const trial = { trial: true, leftMs: 60_000, pending: '' };
const properties = 'org.freedesktop.DBus.Properties';
const bus = { path: '/org/freedesktop/DBus', interface: 'org.freedesktop.DBus', destination: 'org.freedesktop.DBus' };

test('an app confirms its trial, and says why it fails', async (t) => {
  const { updates, connect } = await serve(t);
  updates.states.set('web', trial);
  const client = await connect();
  assert.deepEqual(await client.app('Confirm'), []);
  assert.deepEqual(await client.app('Fail', 's', ['no sensors']), []);
  assert.deepEqual(updates.told, [['confirm', 'web', 'app'], ['fail', 'web', 'no sensors']]);
});

test('a confirmation without a trial is an error, by the name in the table of errors', async (t) => {
  const { connect } = await serve(t);
  assert.deepEqual(await (await connect()).app('Confirm'), ['org.berth.Error.Conflict', 'web is not tried']);
});

test('an app feeds its watchdog, if it declares one', async (t) => {
  const { lifecycle, connect } = await serve(t);
  assert.deepEqual(await (await connect('web')).app('Watchdog'), []);
  assert.deepEqual(await (await connect('other')).app('Watchdog'), ['org.berth.Error.Conflict', 'other declares no watchdog']);
  assert.deepEqual(lifecycle.fed, ['web']);
});

test('an app puts an update off and is told how long', async (t) => {
  const { updates, connect } = await serve(t);
  assert.deepEqual(await (await connect()).app('Defer', 'u', [10_000]), [3600]);
  assert.deepEqual(updates.told, [['defer', 'web', 10_000]]);
});

test('a long reason is cut, in the middle of no character', async (t) => {
  const { updates, connect } = await serve(t);
  updates.states.set('web', trial);
  await (await connect()).app('Fail', 's', [`${'a'.repeat(999)}\u{1f600}`]);
  assert.deepEqual(updates.told, [['fail', 'web', `${'a'.repeat(999)}\ufffd`]]);
});

test('the socket says who calls: nobody speaks for another app', async (t) => {
  const { updates, connect } = await serve(t);
  updates.states.set('web', trial);
  updates.states.set('other', trial);
  await (await connect('other')).app('Confirm');
  assert.deepEqual(updates.told, [['confirm', 'other', 'app']]);
});

test('properties tell of the update, and cannot be set', async (t) => {
  const { updates, connect } = await serve(t);
  updates.states.set('web', { trial: true, leftMs: 1234.5, pending: '2.0' });
  const client = await connect();
  const expected = [
    ['Version', new Variant('s', '1.0')],
    ['Trial', new Variant('b', true)],
    ['Deadline', new Variant('t', 1235n)],
    ['Pending', new Variant('s', '2.0')],
    ['WatchdogInterval', new Variant('t', 5000n)],
  ] as const;
  for (const [name, value] of expected) assert.deepEqual(await client.property(name), value);
  assert.deepEqual(await client.call({ fields: { interface: properties, member: 'GetAll' }, signature: 's', body: [appName] }), [expected]);
  const set = (name: string): Promise<readonly Value[]> => client.call({ fields: { interface: properties, member: 'Set' }, signature: 'ssv', body: [appName, name, new Variant('s', 'x')] });
  assert.deepEqual((await set('Version'))[0], 'org.freedesktop.DBus.Error.PropertyReadOnly');
  assert.deepEqual((await set('Nothing'))[0], 'org.freedesktop.DBus.Error.UnknownProperty');
  assert.deepEqual((await set('constructor'))[0], 'org.freedesktop.DBus.Error.UnknownProperty');
});

test('what changes is signalled to all clients of the app, and to no others', async (t) => {
  const { lifecycle, updates, clock, connect } = await serve(t);
  const [first, second, other] = [await connect(), await connect(), await connect('other')];
  for (const client of [first, second, other]) await client.app('Confirm');
  const changed = async (client: typeof first): Promise<Value> => {
    const signal = await client.next();
    assert.equal(signal.type, 'signal');
    assert.deepEqual([signal.fields.path, signal.fields.interface, signal.fields.member, signal.fields.sender], [appPath, properties, 'PropertiesChanged', ':1.0']);
    const [name, values, invalidated] = decodeBody(signal);
    assert.deepEqual([name, invalidated], [appName, []]);
    return values!;
  };
  updates.become('web', trial);
  for (const client of [first, second]) assert.deepEqual(await changed(client), [['Trial', new Variant('b', true)], ['Deadline', new Variant('t', 60_000n)]]);
  // The deadline has only come nearer.
  await clock.advance(10_000);
  updates.become('web', { ...trial, leftMs: 50_000 });
  updates.become('web', { ...trial, leftMs: 50_000, pending: '3.0' });
  assert.deepEqual(await changed(first), [['Pending', new Variant('s', '3.0')]]);
  updates.become('web', { ...trial, leftMs: 20_000, pending: '3.0' });
  assert.deepEqual(await changed(first), [['Deadline', new Variant('t', 20_000n)]]);
  lifecycle.apps.set('web', { version: '2.0' });
  lifecycle.emit({ app: 'web' });
  assert.deepEqual(await changed(first), [['Version', new Variant('s', '2.0')]]);
  assert.deepEqual(await other.app('Watchdog'), ['org.berth.Error.Conflict', 'other declares no watchdog']);
});

test('a call that wants no answer gets none, whatever comes of it', async (t) => {
  const { updates, connect } = await serve(t);
  updates.states.set('web', trial);
  const client = await connect();
  client.send({ flags: noReplyExpected, fields: { member: 'Confirm' } });
  client.send({ flags: noReplyExpected, fields: { member: 'Nothing' } });
  client.send({ fields: { member: 'Nothing' } });
  assert.equal((await client.next()).fields.replySerial, 3);
  assert.deepEqual(updates.told, [['confirm', 'web', 'app']]);
});

test('a client that leaves right after its call is heard', async (t) => {
  const { updates, connect } = await serve(t);
  updates.states.set('web', trial);
  const client = await connect();
  client.socket.end(client.message({ fields: { member: 'Confirm' } }));
  await client.closed;
  assert.deepEqual(updates.told, [['confirm', 'web', 'app']]);
});

test('answers name what they answer, who sends them and whom to', async (t) => {
  const { connect } = await serve(t);
  const client = await connect();
  client.send({ fields: { ...bus, member: 'Hello' } });
  const hello = await client.next();
  assert.deepEqual(decodeBody(hello), [':1.1']);
  assert.deepEqual(hello.fields, { replySerial: 1, sender: 'org.freedesktop.DBus', destination: ':1.1', signature: 's' });
  client.send({ serial: 77, fields: { member: 'Confirm' } });
  const refused = await client.next();
  assert.deepEqual(refused.fields, { replySerial: 77, sender: ':1.0', destination: ':1.1', errorName: 'org.berth.Error.Conflict', signature: 's' });
  assert.notEqual(refused.serial, hello.serial);
});

for (const [member, signature, args, answer] of [
  ['AddMatch', 's', ["type='signal'"], []],
  ['RemoveMatch', 's', ["type='signal'"], []],
  ['ListNames', '', [], [['org.freedesktop.DBus', 'org.berth.App1', ':1.0', ':1.1']]],
  ['ListActivatableNames', '', [], [[]]],
  ['NameHasOwner', 's', ['org.berth.App1'], [true]],
  ['NameHasOwner', 's', ['org.example'], [false]],
  ['GetNameOwner', 's', ['org.berth.App1'], [':1.0']],
  ['GetNameOwner', 's', [':1.0'], [':1.0']],
  ['GetNameOwner', 's', ['org.freedesktop.DBus'], ['org.freedesktop.DBus']],
  ['GetNameOwner', 's', ['org.example'], 'org.freedesktop.DBus.Error.NameHasNoOwner'],
  ['ListQueuedOwners', 's', [':1.1'], [[':1.1']]],
  ['StartServiceByName', 'su', ['org.berth.App1', 0], [2]],
  ['StartServiceByName', 'su', ['org.example', 0], 'org.freedesktop.DBus.Error.ServiceUnknown'],
  ['RequestName', 'su', ['org.example', 0], 'org.freedesktop.DBus.Error.AccessDenied'],
  ['ReleaseName', 's', ['org.example'], 'org.freedesktop.DBus.Error.AccessDenied'],
  ['GetConnectionUnixUser', 's', [':1.0'], 'org.freedesktop.DBus.Error.Failed'],
  ['GetConnectionUnixProcessID', 's', [':1.0'], 'org.freedesktop.DBus.Error.UnixProcessIdUnknown'],
  ['GetConnectionCredentials', 's', [':1.0'], [[]]],
  ['GetConnectionCredentials', 's', [':9.9'], 'org.freedesktop.DBus.Error.NameHasNoOwner'],
] as const) {
  test(`the bus answers ${member}(${args.join(', ')})`, async (t) => {
    const values = await (await (await serve(t)).connect()).call({ fields: { ...bus, member }, signature, body: args });
    if (typeof answer === 'string') assert.equal(values[0], answer);
    else assert.deepEqual(values, answer);
  });
}

for (const [what, call, error] of [
  ['an object that is not there', { fields: { path: '/org/berth/App2', member: 'Confirm' } }, 'UnknownObject'],
  ['an interface that is not there', { fields: { interface: 'org.berth.App2', member: 'Confirm' } }, 'UnknownInterface'],
  ['an interface of another object', { fields: { path: '/org/berth', member: 'Confirm' } }, 'UnknownInterface'],
  ['a method that is not there', { fields: { member: 'Nothing' } }, 'UnknownMethod'],
  ['a method with a name of JavaScript', { fields: { member: 'constructor' } }, 'UnknownMethod'],
  ['arguments that are too many', { fields: { member: 'Confirm' }, signature: 's', body: ['x'] }, 'InvalidArgs'],
  ['arguments that are missing', { fields: { member: 'Fail' } }, 'InvalidArgs'],
  ['an argument of another type', { fields: { member: 'Defer' }, signature: 'i', body: [1] }, 'InvalidArgs'],
  ['a service that is not there', { fields: { destination: 'org.example', member: 'Confirm' } }, 'ServiceUnknown'],
  ['itself', { fields: { destination: ':1.1', member: 'Confirm' } }, 'ServiceUnknown'],
] as const) {
  test(`a call to ${what} gets the error of the specification`, async (t) => {
    const { updates, connect } = await serve(t);
    updates.states.set('web', trial);
    const client = await connect();
    assert.equal((await client.call(call))[0], `org.freedesktop.DBus.Error.${error}`);
    assert.deepEqual(await client.app('Confirm'), []);
    assert.deepEqual(updates.told, [['confirm', 'web', 'app']]);
  });
}

test('a call without an interface, without a destination or in big endian is as good', async (t) => {
  const { updates, connect } = await serve(t);
  updates.states.set('web', trial);
  const client = await connect();
  for (const fields of [{ interface: undefined }, { destination: undefined }, { destination: ':1.0' }]) {
    assert.deepEqual(await client.call({ fields: { member: 'Fail', ...fields }, signature: 's', body: ['x'] }), []);
  }
  client.socket.write(encodeMessage({ type: 'call', serial: 9, fields: { path: appPath, member: 'Fail' }, signature: 's', body: ['big'] }, false));
  assert.equal((await client.next()).fields.replySerial, 9);
  assert.deepEqual(updates.told.at(-1), ['fail', 'web', 'big']);
});

test('a fault of the daemon is told in its journal and not to the app', async (t) => {
  const { updates, journal, connect } = await serve(t);
  updates.fault = new Error('secret path /x');
  const client = await connect();
  assert.deepEqual(await client.app('Confirm'), ['org.freedesktop.DBus.Error.Failed', 'berthd could not do this; its journal says why']);
  assert.match(journal.join('\n'), /^error: web: Confirm on its update bus failed: secret path \/x$/m);
  updates.fault = new BerthError('busy', 'not now');
  assert.deepEqual(await client.app('Confirm'), ['org.berth.Error.Busy', 'not now']);
});

test('Peer answers on every object; the id is of this daemon alone', async (t) => {
  const client = await (await serve(t)).connect();
  const peer = { interface: 'org.freedesktop.DBus.Peer' };
  assert.deepEqual(await client.call({ fields: { ...peer, path: '/', member: 'Ping' } }), []);
  const [id] = await client.call({ fields: { ...peer, member: 'GetMachineId' } });
  assert.match(id as string, /^[0-9a-f]{32}$/);
  assert.deepEqual(await client.call({ fields: { ...bus, member: 'GetId' } }), [id]);
});

test('introspection is the contract in dbus/, and leads from the root to the object', async (t) => {
  const client = await (await serve(t)).connect();
  const introspect = async (path: string): Promise<string> => (await client.call({ fields: { path, interface: 'org.freedesktop.DBus.Introspectable', member: 'Introspect' } }))[0] as string;
  const file = readFileSync(join(import.meta.dirname, '../../dbus/org.berth.App1.xml'), 'utf8');
  assert.equal(file, printNode([appContract]), 'run: node scripts/dbus.ts');
  const [, contract] = /<node>\n([^]*)<\/node>/.exec(file)!;
  const told = await introspect(appPath);
  assert.equal(told.includes(contract!), true, told);
  for (const standard of ['Peer', 'Introspectable', 'Properties']) assert.match(told, new RegExp(`<interface name="org.freedesktop.DBus.${standard}">`));
  const children = async (path: string): Promise<string[]> => [...(await introspect(path)).matchAll(/<node name="(\w+)"\/>/g)].map(([, name]) => name!);
  assert.deepEqual(await children('/'), ['org']);
  assert.deepEqual(await children('/org'), ['berth', 'freedesktop']);
  assert.deepEqual(await children('/org/berth'), ['App1']);
  assert.deepEqual(await children(appPath), []);
});

test('only root gets to the buses, but whoever is inside may connect', async (t) => {
  const { directory } = await serve(t);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.equal(statSync(join(directory, 'web')).mode & 0o777, 0o755);
  assert.equal(statSync(join(directory, 'web/bus')).mode & 0o777, 0o666);
});

test('the next daemon uses the same directory, and takes away those of apps that are gone', async (t) => {
  const served = await serve(t);
  const inode = statSync(join(served.directory, 'web')).ino;
  const client = await served.connect();
  mkdirSync(join(served.directory, 'gone'));
  writeFileSync(join(served.directory, 'gone/bus'), '');
  const { directory, connect } = await served.restart();
  await client.closed;
  assert.equal(statSync(join(directory, 'web')).ino, inode);
  assert.deepEqual(readdirSync(directory).toSorted(), ['other', 'web']);
  assert.deepEqual(await (await connect()).app('Watchdog'), []);
});

test('a socket that a killed daemon left is replaced', async (t) => {
  const served = await serve(t, []);
  mkdirSync(join(served.directory, 'web'));
  writeFileSync(join(served.directory, 'web/bus'), '');
  served.lifecycle.apps.set('web', { version: '1.0', watchdogMs: 1 });
  await served.buses.open('web');
  assert.deepEqual(await (await served.connect()).app('Watchdog'), []);
});

test('a bus is there before its app is started, and opening it again changes nothing', async (t) => {
  const { directory, lifecycle, buses, connect } = await serve(t);
  lifecycle.apps.set('new', { version: '1.0' });
  assert.deepEqual(await Promise.all([buses.open('new'), buses.open('new')]), [join(directory, 'new'), join(directory, 'new')]);
  const client = await connect('new');
  const inode = statSync(join(directory, 'new/bus')).ino;
  await buses.open('new');
  assert.equal(statSync(join(directory, 'new/bus')).ino, inode);
  assert.deepEqual(await client.property('Version'), new Variant('s', '1.0'));
});

test('an app that is removed loses its bus and its clients, and gets a new one when it is installed again', async (t) => {
  const { directory, lifecycle, buses, connect } = await serve(t);
  const client = await connect();
  const bystander = await connect('other');
  await buses.forget('web');
  await client.closed;
  assert.equal(existsSync(join(directory, 'web')), false);
  lifecycle.apps.set('web', { version: '9.0' });
  await buses.open('web');
  assert.deepEqual(await (await connect()).property('Version'), new Variant('s', '9.0'));
  assert.deepEqual(await bystander.property('Version'), new Variant('s', '1.0'));
  await buses.forget('never-there');
});

test('a name that is too long for the path of a socket is served all the same', async (t) => {
  const name = 'a'.repeat(128);
  const { directory } = await serve(t, [name]);
  assert.equal(statSync(join(directory, name, 'bus')).isSocket(), true);
});

test('closing leaves the directories, and neither sockets, listeners, timers nor descriptors', async (t) => {
  const before = readdirSync('/proc/self/fd').length;
  const { directory, lifecycle, clock, buses, connect } = await serve(t);
  const clients = [await connect(), await connect('other', { authenticate: false })];
  await buses.close();
  for (const client of clients) await client.closed;
  assert.deepEqual(readdirSync(directory).toSorted(), ['other', 'web']);
  assert.deepEqual(readdirSync(join(directory, 'web')), []);
  assert.equal(lifecycle.listeners, 0);
  assert.equal(clock.pending, 0);
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('one app whose socket cannot be made does not keep the others from theirs', async (t) => {
  const served = await serve(t, ['web']);
  await served.buses.close();
  writeFileSync(join(served.directory, 'blocked'), '');
  served.lifecycle.apps.set('blocked', { version: '1.0' });
  const { directory, lifecycle, updates, clock, journal } = served;
  const buses = await serveAppBuses({ lifecycle, updates, ownerOf: () => process.getuid!(), directory, clock, journal: (level, message) => journal.push(`${level}: ${message}`) });
  t.after(() => buses.close());
  assert.match(journal.join('\n'), /error: blocked: its update bus failed: .*EEXIST/);
  assert.deepEqual(await (await served.connect()).app('Watchdog'), []);
  await assert.rejects(buses.open('blocked'));
});
