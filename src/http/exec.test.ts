import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { encodeFrames, FrameDecoder, frameStreams } from '../lib/frames.ts';
import { serveFakes, type Harness } from './harness.ts';

const http = process.getBuiltinModule('node:http');
const limit = { timeout: 20_000 };

async function exec(berth: Harness, command: readonly string[]): Promise<Duplex> {
  const headers = { Connection: 'Upgrade', Upgrade: 'berth-exec', 'Content-Type': 'application/json' };
  const request = http.request({ socketPath: berth.path, method: 'POST', path: '/berth/v1/apps/web/exec', headers });
  request.end(JSON.stringify({ command }));
  const [, socket, head] = (await once(request, 'upgrade')) as [unknown, Duplex, Buffer];
  socket.on('error', () => undefined);
  if (head.length > 0) socket.unshift(head);
  return socket;
}

/** Everything that came, by stream. */
async function outcome(socket: Duplex): Promise<{ stdout: string; stderr: string; exit: number | undefined; error: string }> {
  const frames = new FrameDecoder().push(await buffer(socket));
  const of = (stream: number): Buffer => Buffer.concat(frames.filter((frame) => frame.stream === stream).map((frame) => frame.data));
  const exit = of(frameStreams.exit);
  return { stdout: of(frameStreams.stdout).toString(), stderr: of(frameStreams.stderr).toString(), exit: exit.length === 4 ? exit.readUInt32BE() : undefined, error: of(frameStreams.error).toString() };
}

test('a command gets its input and gives its output and exit code', limit, async () => {
  await using berth = await serveFakes();
  const cat = await exec(berth, ['cat']);
  cat.write(encodeFrames(frameStreams.stdin, Buffer.from('hello ')));
  cat.write(encodeFrames(frameStreams.stdin, Buffer.alloc(200_000, 'x')));
  cat.write(encodeFrames(frameStreams.stdinEnd, Buffer.alloc(0)));
  assert.deepEqual(await outcome(cat), { stdout: `hello ${'x'.repeat(200_000)}`, stderr: '', exit: 0, error: '' });
  assert.deepEqual(await outcome(await exec(berth, ['exit', '137'])), { stdout: '', stderr: 'leaving\n', exit: 137, error: '' });
});

test('much output arrives whole before the exit code', limit, async () => {
  await using berth = await serveFakes();
  const { stdout, exit } = await outcome(await exec(berth, ['flood']));
  assert.deepEqual([stdout.length, exit], [4 << 20, 0]);
});

async function killed(t: TestContext, berth: Harness): Promise<void> {
  while (berth.fakes.lifecycle.sessions.at(-1)?.killed !== true) {
    t.signal.throwIfAborted();
    await turn();
  }
}

test('a command is killed when its client goes, wholly or half', limit, async (t) => {
  await using berth = await serveFakes();
  const gone = await exec(berth, ['sleep']);
  gone.destroy();
  await killed(t, berth);
  const half = await exec(berth, ['sleep']);
  half.end();
  await killed(t, berth);
  half.destroy();
});

test('a client that breaks the framing is cut off and its command killed', limit, async (t) => {
  await using berth = await serveFakes();
  for (const bytes of [Buffer.from([frameStreams.stdin, 0xff, 0xff, 0xff, 0xff]), Buffer.from([9, 0, 0, 0, 0])]) {
    const socket = await exec(berth, ['sleep']);
    socket.write(bytes);
    await buffer(socket);
    await killed(t, berth);
  }
});

test('a client that goes while its command does not read is noticed', limit, async (t) => {
  await using berth = await serveFakes();
  const socket = await exec(berth, ['deaf']);
  socket.write(encodeFrames(frameStreams.stdin, Buffer.alloc(4 << 20)));
  socket.resume();
  // The first probe shows that the daemon has stopped reading.
  await once(socket, 'data');
  socket.destroy();
  await killed(t, berth);
});

test('what comes after the command ended is of no harm', limit, async () => {
  await using berth = await serveFakes();
  const socket = await exec(berth, ['exit', '0']);
  socket.write(encodeFrames(frameStreams.stdin, Buffer.alloc(1 << 20)));
  assert.equal((await outcome(socket)).exit, 0);
});
