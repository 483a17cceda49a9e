import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serveFakes, type Reply } from './harness.ts';
import { maxBodyBytes } from './request.ts';

function fault(reply: Reply): { code: string; message: string; detail?: { path: string } } {
  return (JSON.parse(reply.text) as { error: { code: string; message: string; detail?: { path: string } } }).error;
}

test('an unknown path is 404 with the path', async () => {
  await using berth = await serveFakes();
  for (const path of ['/nothing', '/apps/', '/apps/web/', '/apps//logs', '/apps/%zz', '/apps/web/logs/more', '/../version']) {
    const reply = await berth.request('GET', path);
    assert.equal(reply.status, 404, path);
    assert.equal(fault(reply).code, 'not_found');
    assert.ok(fault(reply).message.includes(path), path);
  }
});

test('a known path with another method is 405 and says which are allowed', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('PUT', '/apps/web');
  assert.equal(reply.status, 405);
  assert.equal(reply.headers.allow, 'GET, DELETE');
  assert.equal((await berth.request('GET', '/apps/web/start')).status, 405);
});

test('HEAD answers like GET without a body, and does not follow', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('HEAD', '/version');
  assert.deepEqual([reply.status, reply.text], [200, '']);
  assert.equal((await berth.request('HEAD', '/apps/nobody')).status, 404);
  assert.equal((await berth.request('HEAD', '/events?follow=true')).status, 200);
  assert.equal(berth.fakes.lifecycle.followers, 0);
});

test('a name with escapes in its path reaches the app of that name', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('GET', '/apps/..%2F..%2Fetc%1b');
  assert.equal(reply.status, 404);
  assert.ok(fault(reply).message.includes('"../../etc\u001b"'));
});

test('a body that is wrong names its field', async () => {
  await using berth = await serveFakes();
  const upgrade = { Connection: 'Upgrade', Upgrade: 'berth-exec' };
  const cases: [unknown, string][] = [
    [{}, 'command'],
    [{ command: [] }, 'command'],
    [{ command: ['a', 1] }, 'command[1]'],
    [{ command: ['a'], cwd: 'relative' }, 'cwd'],
    [{ command: ['a'], user: { uid: -1, gid: 0 } }, 'user.uid'],
    [{ command: ['a'], env: ['A=b', 'nothing'] }, 'env[1]'],
    [{ command: ['a'], tty: true }, 'tty'],
    ['text', ''],
  ];
  for (const [body, path] of cases) {
    const reply = await berth.request('POST', '/apps/web/exec', { body, headers: upgrade });
    assert.equal(reply.status, 400, path);
    assert.equal(fault(reply).detail?.path, path);
  }
  const broken = await berth.request('POST', '/apps/web/exec', { raw: '{"command":', headers: { ...upgrade, 'Content-Type': 'application/json' } });
  assert.equal(broken.status, 400);
  assert.match(fault(broken).message, /not JSON/);
});

test('a body that is too large is 413, said beforehand or not', async () => {
  await using berth = await serveFakes();
  const headers = { Connection: 'Upgrade', Upgrade: 'berth-exec', 'Content-Type': 'application/json' };
  const raw = Buffer.alloc(maxBodyBytes + 1, ' ');
  assert.equal((await berth.request('POST', '/apps/web/exec', { raw, headers })).status, 413);
  const chunked = await berth.request('POST', '/apps/web/exec', { raw, headers: { ...headers, 'Transfer-Encoding': 'chunked' } });
  assert.equal(chunked.status, 413);
});

test('a body of another type is 415', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('POST', '/install', { raw: 'x', headers: { 'Content-Type': 'application/zip' } });
  assert.equal(reply.status, 415);
  assert.match(fault(reply).message, /application\/zip.*application\/vnd\.berth\.package/);
});

test('exec without an upgrade says what it needs', async () => {
  await using berth = await serveFakes();
  const reply = await berth.request('POST', '/apps/web/exec', { body: { command: ['cat'] } });
  assert.deepEqual([reply.status, reply.headers.upgrade], [426, 'berth-exec']);
});

test('a fault of the daemon itself is told to the journal and answered in one sentence', async () => {
  await using berth = await serveFakes();
  berth.fakes.lifecycle.list = () => {
    throw new TypeError('not a function');
  };
  const reply = await berth.request('GET', '/apps');
  assert.equal(reply.status, 500);
  assert.deepEqual(fault(reply), { code: 'internal', message: 'not a function' });
  assert.match(berth.journal.join('\n'), /error: GET \/berth\/v1\/apps: TypeError[^]*errors\.test\.ts/);
});
