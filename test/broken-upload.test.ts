/** Clients that go away while they send a package. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { until, whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';
import { makePackage } from './support/packages.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

/** A client that sends the beginning of a package, and will not send the rest. */
function begin(socketPath: string, bytes: Buffer): ClientRequest {
  const headers = { 'Content-Type': 'application/vnd.berth.package', 'Content-Length': bytes.length * 2 };
  const client = request({ socketPath, method: 'POST', path: '/berth/v1/install', headers });
  client.on('error', () => undefined);
  client.write(bytes);
  return client;
}

async function goAway(client: ClientRequest): Promise<void> {
  // Not `once`, which rejects with the error that going away is.
  const gone = new Promise((resolve) => client.once('close', resolve));
  client.destroy();
  await gone;
}

test('clients that go away while they send, wait for their turn or were refused disturb nobody', options, async (t) => {
  const { daemon, api } = await startDevice(t);
  const beginning = readFileSync(await makePackage(daemon.directory, { name: 'demo' })).subarray(0, 100_000);
  const staged = (): string[] => readdirSync(join(daemon.root, 'staging'));

  const sending = begin(daemon.socket, beginning);
  await until(() => staged().length === 1);
  const waiting = begin(daemon.socket, beginning);
  await goAway(waiting);
  assert.deepEqual(await api.apps(), []);
  await goAway(sending);
  await until(() => staged().length === 0);

  const refused = begin(daemon.socket, Buffer.alloc(1_000_000, 'no package'));
  const [response] = (await once(refused, 'response')) as [IncomingMessage];
  let answer = '';
  response.setEncoding('utf8').on('data', (text: string) => { answer += text; });
  await until(() => answer.includes('bad_package'));
  await goAway(refused);
  // A daemon that ended now would not take the next package.

  const { status } = await api.install(join(daemon.directory, 'demo_1.0.ipk'), { start: true });
  assert.equal(status.state, 'running');
  assert.deepEqual(staged(), []);
  await api.must('POST', '/apps/demo/kill');
});
