import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { serveFakes, type Harness } from './harness.ts';

/** Lets the event loop turn until the condition holds, or the test's time is over. */
async function until(t: TestContext, condition: () => boolean): Promise<void> {
  while (!condition()) {
    t.signal.throwIfAborted();
    await turn();
  }
}

async function send(berth: Harness, bytes: string | Buffer): Promise<Socket> {
  const socket = berth.connect();
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(bytes);
  return socket;
}

const limit = { timeout: 20_000 };

test('a client that never finishes its head is told so and cut off, and holds up nobody', limit, async () => {
  await using berth = await serveFakes({ headersMs: 100 });
  const slow = await send(berth, 'GET /berth/v1/version HTTP/1.1\r\nX-Slow: ');
  const silent = await send(berth, '');
  assert.equal((await berth.request('GET', '/version')).status, 200);
  assert.match(await text(slow), /^HTTP\/1\.1 408 [^]*"timeout"/);
  await text(silent);
});

test('what is not HTTP is answered with 400', limit, async () => {
  await using berth = await serveFakes();
  for (const garbage of ['\0\x01\x02\xff'.repeat(100), 'hello\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', '{"json":true}\n']) {
    assert.match(await text(await send(berth, garbage)), /^HTTP\/1\.1 400 [^]*"usage"/);
  }
});

test('a head without end is 431', limit, async () => {
  await using berth = await serveFakes();
  assert.match(await text(await send(berth, `GET /berth/v1/version HTTP/1.1\r\nX-Long: ${'x'.repeat(100_000)}`)), /^HTTP\/1\.1 431 /);
});

test('garbage after an answer that has begun closes the connection and adds nothing to the answer', limit, async (t) => {
  await using berth = await serveFakes();
  const socket = await send(berth, 'GET /berth/v1/events?follow=true HTTP/1.1\r\nHost: b\r\n\r\n');
  await once(socket, 'data');
  socket.write('garbage\r\n\r\n');
  assert.doesNotMatch(await text(socket), /400/);
  await until(t, () => berth.fakes.lifecycle.followers === 0);
});

test('a hundred clients at once are all answered', limit, async () => {
  await using berth = await serveFakes();
  const replies = await Promise.all(Array.from({ length: 100 }, () => berth.request('GET', '/apps')));
  assert.ok(replies.every((reply) => reply.status === 200));
});

test('a follower of logs that never reads does not make the daemon read on for it', limit, async (t) => {
  await using berth = await serveFakes({ stallMs: 200 });
  const { lifecycle } = berth.fakes;
  lifecycle.logLines = [{ time: '2026-01-02T03:04:05.000000000Z', stream: 'stdout', text: 'x'.repeat(1000), partial: false }];
  lifecycle.endless = true;
  const socket = berth.connect();
  socket.pause();
  socket.write('GET /berth/v1/apps/web/logs?follow=true HTTP/1.1\r\nHost: b\r\n\r\n');
  await until(t, () => lifecycle.followers === 1);
  // The source is endless: the loop can only turn for others if the daemon stops reading it.
  assert.equal((await berth.request('GET', '/version')).status, 200);
  await until(t, () => lifecycle.followers === 0);
  socket.destroy();
});

test('a follower of events that never reads is cut off after a bounded backlog', limit, async (t) => {
  await using berth = await serveFakes();
  const { lifecycle } = berth.fakes;
  const socket = berth.connect();
  socket.pause();
  socket.write('GET /berth/v1/events?follow=true HTTP/1.1\r\nHost: b\r\n\r\n');
  await until(t, () => lifecycle.followers === 1);
  let told = 0;
  while (lifecycle.followers === 1) {
    lifecycle.announce({ type: 'app.warning', app: 'web', message: 'y'.repeat(1000) });
    told += 1;
    await turn();
  }
  assert.ok(told > 4096 && told < 10_000, `cut off after ${told} events`);
  socket.destroy();
});

test('what a client started to follow ends when it goes', limit, async (t) => {
  await using berth = await serveFakes();
  for (const path of ['events?follow=true', 'apps/web/logs?follow=true']) {
    const socket = await send(berth, `GET /berth/v1/${path} HTTP/1.1\r\nHost: b\r\n\r\n`);
    await once(socket, 'data');
    assert.equal(berth.fakes.lifecycle.followers, 1);
    socket.destroy();
    await until(t, () => berth.fakes.lifecycle.followers === 0);
  }
});

const installHead = 'POST /berth/v1/install HTTP/1.1\r\nHost: b\r\nContent-Type: application/vnd.berth.package\r\nContent-Length: 1000000\r\n\r\n';

test('an install is cancelled when its client goes', limit, async (t) => {
  await using berth = await serveFakes();
  const socket = await send(berth, `${installHead}half`);
  await once(socket, 'data');
  socket.destroy();
  await until(t, () => berth.fakes.updates.abandoned === 1);
  assert.equal(berth.fakes.lifecycle.apps.has('newcomer'), false);
});

test('an update that waits is cancelled when its client goes, and tells before when what it waits for changes', limit, async (t) => {
  await using berth = await serveFakes();
  const { updates, lifecycle } = berth.fakes;
  const socket = await send(berth, 'POST /berth/v1/install HTTP/1.1\r\nHost: b\r\nContent-Type: application/vnd.berth.package\r\nContent-Length: 4\r\n\r\nhold');
  let told = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => (told += chunk));
  await until(t, () => told.includes('the window of 02:00'));
  updates.updates[0] = { ...updates.updates[0]!, waitingFor: 'web, for 10m' };
  lifecycle.announce({ type: 'update.waiting', message: 'update 1 waits: web, for 10m', detail: { update: 1 } });
  await until(t, () => told.includes('web, for 10m'));
  socket.destroy();
  await until(t, () => updates.cancelled === 1 && lifecycle.followers === 0);
});

test('an install whose bytes do not come is given up', limit, async (t) => {
  await using berth = await serveFakes({ bodyMs: 100 });
  const socket = await send(berth, `${installHead}half`);
  await text(socket);
  await until(t, () => berth.fakes.updates.abandoned === 1);
});

test('a client that goes on sending a refused package sees the answer and is cut off', limit, async () => {
  await using berth = await serveFakes();
  const socket = await send(berth, `${installHead}bad!`);
  assert.match(await text(socket), /^HTTP\/1\.1 422 [^]*bad_package/);
});

test('closing the server ends followers and takes the socket away', limit, async (t) => {
  const berth = await serveFakes();
  const socket = await send(berth, 'GET /berth/v1/events?follow=true HTTP/1.1\r\nHost: b\r\n\r\n');
  await once(socket, 'data');
  await berth[Symbol.asyncDispose]();
  await until(t, () => socket.destroyed && berth.fakes.lifecycle.followers === 0);
  const late = berth.connect();
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ENOENT');
});
