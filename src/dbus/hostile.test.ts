/** What an app may send to its bus in error or malice. Whatever it is, the daemon and the other apps go on. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { settle } from '../lib/handclock.ts';
import { appName, appPath } from './contract.ts';
import { serve, type Client, type Served } from './harness.ts';
import { authenticationMs, maxConnections, maxMessageBytes, quietMs, restMs, work } from './limits.ts';
import { decodeBody } from './message.ts';
import { Variant } from './value.ts';

/** Fails if the app `other` does not get an answer. */
async function requireService(served: Served): Promise<void> {
  const client = await served.connect('other');
  assert.deepEqual(await client.property('Version'), new Variant('s', '1.0'));
  client.socket.destroy();
  await client.closed;
}

/** Waits as long as the test may take. */
async function until(t: TestContext, check: () => boolean): Promise<void> {
  while (!check()) {
    t.signal.throwIfAborted();
    await settle();
  }
}

for (const [what, bytes] of [
  ['a request of HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['a line that never ends', `\0${'A'.repeat(100_000)}`],
  ['authentication again and again', `\0${'AUTH\r\n'.repeat(1000)}`],
  ['BEGIN at once', '\0BEGIN\r\n'],
  ['garbage after authentication', '\0AUTH EXTERNAL 30\r\nBEGIN\r\nGET / HTTP/1.1\r\n'],
  ['the head of a message of 4 GiB', '\0AUTH EXTERNAL 30\r\nBEGIN\r\nl\x01\0\x01\xff\xff\xff\xff\x01\0\0\0\0\0\0\0'],
] as const) {
  test(`${what} ends the connection`, async (t) => {
    const served = await serve(t);
    const client = await served.connect('web', { authenticate: false });
    client.socket.write(bytes, 'latin1');
    await client.closed;
    await requireService(served);
  });
}

test('a client that does not authenticate in time is cut off; one that has is not', async (t) => {
  const served = await serve(t);
  const [silent, slow, good] = [await served.connect('web', { authenticate: false }), await served.connect('web', { authenticate: false }), await served.connect()];
  slow.socket.write('\0AUTH EXT');
  await good.app('Watchdog');
  await served.clock.advance(authenticationMs);
  await Promise.all([silent.closed, slow.closed]);
  assert.deepEqual(await good.app('Watchdog'), []);
  assert.equal(served.clock.pending, 0, 'no timer is left');
});

test('a client may take its time over a message, and leave in the middle of it', async (t) => {
  const served = await serve(t);
  const client = await served.connect();
  const bytes = client.message({ fields: { member: 'Watchdog' } });
  for (const byte of bytes) {
    client.socket.write(Buffer.of(byte));
    await settle();
  }
  assert.equal((await client.next()).fields.replySerial, 1);
  client.socket.end(client.message({ fields: { member: 'Watchdog' } }).subarray(0, 30));
  await client.closed;
  assert.deepEqual(served.lifecycle.fed, ['web']);
});

test('a body that is not what its signature says ends the connection before anything is called', async (t) => {
  const served = await serve(t);
  served.updates.states.set('web', { trial: true, leftMs: 1, pending: '' });
  const client = await served.connect();
  const bytes = client.message({ fields: { member: 'Fail' }, signature: 's', body: ['abc'] });
  bytes.writeUInt32LE(0xffff, bytes.length - 8);
  client.socket.write(bytes);
  await client.closed;
  assert.deepEqual(served.updates.told, []);
});

test('answers and signals of a client are nothing to the bus', async (t) => {
  const served = await serve(t);
  const client = await served.connect();
  client.send({ type: 'signal', fields: { path: appPath, interface: appName, member: 'Confirm' } });
  client.send({ type: 'return', fields: { replySerial: 1 } });
  client.send({ type: 'error', fields: { replySerial: 1, errorName: 'a.b' } });
  assert.deepEqual(await client.app('Watchdog'), []);
  assert.deepEqual(served.updates.told, []);
});

test('the largest message that is taken is answered', async (t) => {
  const served = await serve(t);
  served.updates.states.set('web', { trial: true, leftMs: 1, pending: '' });
  const client = await served.connect();
  assert.deepEqual(await client.app('Fail', 's', ['x'.repeat(maxMessageBytes - 200)]), []);
  client.send({ fields: { member: 'Fail' }, signature: 's', body: ['x'.repeat(maxMessageBytes)] });
  await client.closed;
});

test('an app has so many connections; when one goes there is room again', async (t) => {
  const served = await serve(t);
  const clients: Client[] = [];
  for (let index = 0; index < maxConnections; index += 1) clients.push(await served.connect());
  const more = await served.connect('web', { authenticate: false });
  await more.closed;
  await requireService(served);
  clients[0]!.socket.destroy();
  await clients[0]!.closed;
  await settle();
  assert.deepEqual(await (await served.connect()).app('Watchdog'), []);
});

test('an app that floods its bus is not listened to for a while, then goes on where it was; others do not notice', async (t) => {
  const served = await serve(t);
  const { lifecycle, clock, journal, directory } = served;
  const client = await served.connect();
  const count = 2 * work.burst;
  client.socket.write(Buffer.concat(Array.from({ length: count }, () => client.message({ fields: { member: 'Watchdog' } }))));
  const socket = join(directory, 'web/bus');
  await until(t, () => !existsSync(socket));
  const before = lifecycle.fed.length;
  assert.equal(before > work.burst / 2 && before <= work.burst, true, `${before} calls`);
  for (let turn = 0; turn < 10; turn += 1) await settle();
  assert.equal(lifecycle.fed.length, before, 'nothing is done meanwhile');
  await requireService(served);
  assert.match(journal.join('\n'), /^warning: web: floods its update bus/m);

  while (lifecycle.fed.length < count) await clock.advance(restMs);
  for (let answers = 0; answers < count; answers += 1) await client.next();
  await clock.advance(2 * restMs);
  await until(t, () => existsSync(socket));
  assert.deepEqual(await (await served.connect()).app('Watchdog'), []);
  assert.equal(journal.filter((line) => line.includes('floods')).length, 1, 'it is told once');
  assert.equal(clock.pending, 0, 'no timer is left');
});

test('while one client of an app uses up all there is, nothing is read from the others and kept', async (t) => {
  const { clock, connect, directory } = await serve(t);
  const [calling, writing] = [await connect(), await connect()];
  calling.socket.write(Buffer.concat(Array.from({ length: 10 * work.burst }, () => calling.message({ fields: { member: 'Watchdog' } }))));
  await until(t, () => !existsSync(join(directory, 'web/bus')));
  const large = writing.message({ fields: { member: 'Fail' }, signature: 's', body: ['x'.repeat(60_000)] });
  writing.socket.write(Buffer.concat(Array.from({ length: 100 }, () => large)));
  for (let round = 0; round < 5; round += 1) {
    await clock.advance(restMs);
    for (let turn = 0; turn < 200; turn += 1) await settle();
  }
  assert.equal(writing.socket.writableLength > 50 * large.length, true, `${writing.socket.writableLength} bytes wait`);
});

test('a flood after a quiet time is told again', async (t) => {
  const { clock, journal, connect, directory } = await serve(t);
  for (const told of [1, 2]) {
    const client = await connect();
    client.socket.write(Buffer.concat(Array.from({ length: work.burst }, () => client.message({ fields: { member: 'Watchdog' } }))));
    await until(t, () => !existsSync(join(directory, 'web/bus')));
    assert.equal(journal.filter((line) => line.includes('floods')).length, told);
    client.socket.destroy();
    await clock.advance(quietMs);
    await until(t, () => existsSync(join(directory, 'web/bus')));
  }
});

test('bytes that come one by one count as much as messages', async (t) => {
  const served = await serve(t);
  const client = await served.connect();
  const message = client.message({ fields: { member: 'Fail' }, signature: 's', body: ['x'.repeat(2 * work.burst)] });
  for (let at = 0; at < message.length && existsSync(join(served.directory, 'web/bus')); at += 1) {
    client.socket.write(message.subarray(at, at + 1));
    await settle();
  }
  assert.equal(existsSync(join(served.directory, 'web/bus')), false);
  await requireService(served);
});

test('thousands of connects wear out the app that does them, and nobody else; nothing is left of them', async (t) => {
  const served = await serve(t);
  const path = join(served.directory, 'web/bus');
  const before = readdirSync('/proc/self/fd').length;
  let refused = 0;
  for (let round = 0; round < 30; round += 1) {
    const ends = await Promise.all(Array.from({ length: 100 }, () => attempt(path)));
    refused += ends.filter((end) => end === 'refused').length;
  }
  // The kernel holds 512 for the daemon to take; these are dropped when the bus begins to rest.
  assert.equal(refused > 2000, true, `${refused} refused`);
  await until(t, () => served.journal.some((line) => line.includes('floods')) && !existsSync(path));
  await requireService(served);
  let answer: readonly unknown[] | undefined;
  while (answer === undefined) {
    await served.clock.advance(restMs);
    // Those that were taken last hold their places until the bus has seen that they are gone.
    answer = await served.connect().then((client) => client.app('Watchdog')).catch(() => undefined);
  }
  assert.deepEqual(answer, []);
  await served.buses.close();
  await until(t, () => readdirSync('/proc/self/fd').length <= before);
});

/** Connects, says nothing and leaves. */
async function attempt(path: string): Promise<'taken' | 'refused'> {
  const socket = connect(path);
  return new Promise((resolve) => {
    let taken = false;
    socket.once('connect', () => {
      taken = true;
      socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      resolve(taken ? 'taken' : 'refused');
    });
  });
}

test('a client that never reads is cut off when too much waits for it', async (t) => {
  const served = await serve(t);
  const client = await served.connect();
  client.socket.pause();
  const introspect = { fields: { interface: 'org.freedesktop.DBus.Introspectable', member: 'Introspect' } };
  for (let round = 0; round < 200 && !client.socket.destroyed; round += 1) {
    client.socket.write(Buffer.concat(Array.from({ length: 100 }, () => client.message(introspect))));
    await served.clock.advance(restMs);
  }
  assert.equal(client.socket.destroyed, true);
  assert.match(served.journal.join('\n'), /cut off: it does not read/);
  await requireService(served);
});

test('whatever bytes a client sends, the daemon goes on and nothing is called that was not meant', async (t) => {
  const served = await serve(t);
  served.updates.states.set('web', { trial: true, leftMs: 1, pending: '' });
  const change = fc.record({ at: fc.nat(400), to: fc.nat(255) });
  const spoil = (bytes: Buffer, changes: readonly { readonly at: number; readonly to: number }[]): Buffer => {
    const spoilt = Buffer.from(bytes);
    for (const { at, to } of changes) spoilt[at % spoilt.length] = to;
    return spoilt;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 5 }), fc.uint8Array({ maxLength: 100 }), async (changes, tail) => {
      // The budget is not what is tested here.
      await served.clock.advance(10 * restMs);
      await until(t, () => existsSync(join(served.directory, 'web/bus')));
      const client = await served.connect();
      const set = client.message({ fields: { interface: 'org.freedesktop.DBus.Properties', member: 'Set' }, signature: 'ssv', body: [appName, 'Version', new Variant('s', 'x')] });
      client.socket.end(Buffer.concat([spoil(set, changes), tail]));
      await client.closed;
    }),
    { numRuns: 200 },
  );
  assert.deepEqual(served.updates.told, []);
  assert.equal(served.journal.some((line) => line.startsWith('error')), false, served.journal.join('\n'));
  const client = await served.connect();
  assert.deepEqual(await client.app('Watchdog'), []);
  assert.deepEqual(decodeBody(await (client.send({ fields: { member: 'Defer' }, signature: 'u', body: [1] }), client.next())), [1]);
});
