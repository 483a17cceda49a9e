/** Clients that go away while they send a package. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { until, whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';
import { makePackage } from './support/packages.ts';
import { beginUpload, goAway } from './support/upload.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

test('clients that go away while they send, wait for their turn or were refused disturb nobody', options, async (t) => {
  const { daemon, api } = await startDevice(t);
  const beginning = readFileSync(await makePackage(daemon.directory, { name: 'demo' })).subarray(0, 100_000);
  const staged = (): string[] => readdirSync(join(daemon.root, 'staging'));

  const sending = beginUpload(daemon.socket, beginning);
  await until(() => staged().length === 1);
  const waiting = beginUpload(daemon.socket, beginning);
  await goAway(waiting);
  assert.deepEqual(await api.apps(), []);
  await goAway(sending);
  await until(() => staged().length === 0);

  const refused = beginUpload(daemon.socket, Buffer.alloc(1_000_000, 'no package'));
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
