import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../lib/process.ts';
import { listen, maxSocketPathBytes } from './socket.ts';

async function scratch(): Promise<AsyncDisposable & { readonly directory: string; readonly path: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-socket-'));
  return { directory, path: join(directory, 's'), [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}

/** A process that listens and is killed: the file stays. */
async function leaveStale(path: string): Promise<void> {
  const result = await run(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`]);
  assert.equal(result.signal, 'SIGKILL');
}

test('the socket is for owner and group only, unless said otherwise', async () => {
  await using place = await scratch();
  await using server = createServer();
  await listen(server, place.path);
  assert.equal((await stat(place.path)).mode & 0o777, 0o660);
  await using open = createServer();
  await listen(open, `${place.path}2`, { mode: 0o600, group: String(process.getgid!()) });
  assert.equal((await stat(`${place.path}2`)).mode & 0o777, 0o600);
});

test('the file of a dead daemon is replaced', async () => {
  await using place = await scratch();
  await leaveStale(place.path);
  await using server = createServer();
  await listen(server, place.path);
});

test('the socket of a living daemon is not', async () => {
  await using place = await scratch();
  await using first = createServer();
  await listen(first, place.path);
  await using second = createServer();
  await assert.rejects(listen(second, place.path), { code: 'conflict', message: /another berthd is running/ });
  assert.deepEqual(await readdir(place.directory), ['s']);
});

test('a file that is no socket is left alone', async () => {
  await using place = await scratch();
  await writeFile(place.path, 'precious');
  await using server = createServer();
  await assert.rejects(listen(server, place.path), { code: 'conflict', message: /not a socket/ });
});

test('a path that is too long, a missing directory and an unknown group are told', async () => {
  await using place = await scratch();
  await using server = createServer();
  await assert.rejects(listen(server, `/${'x'.repeat(maxSocketPathBytes)}`), { code: 'usage', message: /longer than 107 bytes/ });
  await assert.rejects(listen(server, join(place.directory, 'no', 's')), { code: 'io', message: /directory does not exist/ });
  await assert.rejects(listen(server, place.path, { group: 'no-such-group' }), { code: 'usage', message: /no group "no-such-group"/ });
});
