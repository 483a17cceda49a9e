/** Many installs and removals leave nothing. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { ApiClient } from './support/api.ts';
import { startBerthd, whyNoContainers, type TestDaemon } from './support/berthd.ts';
import { makePackage } from './support/packages.ts';

const skip = whyNoContainers();
const rounds = 200;

test(`${rounds} installs and removals leave no file, mount, cgroup, process or row behind`, skip === undefined ? { timeout: 300_000 } : { skip }, async (t) => {
  const daemon = await startBerthd(t);
  const api = new ApiClient(daemon.socket);
  const files = [
    await makePackage(daemon.directory, { name: 'plain', annotations: { 'stop-timeout': '0s' } }),
    await makePackage(daemon.directory, { name: 'keeper', annotations: { 'data': '/data', 'exports': 'web', 'stop-timeout': '0s' }, script: 'echo hello; echo x > /data/x; sleep 1000' }),
  ];
  let before: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    // The first of each makes the directories that all apps share.
    if (round === files.length) before = everything(daemon);
    const name = round % 2 === 0 ? 'plain' : 'keeper';
    const { status } = await api.install(files[round % 2]!, { start: round % 4 < 2 });
    assert.equal(status.state, round % 4 < 2 ? 'running' : 'stopped');
    await api.must('DELETE', `/apps/${name}?purge=true`);
  }
  assert.deepEqual(everything(daemon), before);
  assert.deepEqual(daemon.processes(), []);
  await daemon.end();
  const database = new DatabaseSync(join(daemon.root, 'berth.db'));
  for (const table of ['apps', 'images', 'kept_data']) {
    assert.deepEqual(database.prepare(`SELECT count(*) AS rows FROM ${table}`).get(), Object.assign(Object.create(null), { rows: 0 }), table);
  }
  database.close();
});

/** Files of store and run directory, mounts, cgroups and processes. The database's own files grow and shrink. */
function everything(daemon: TestDaemon): string[] {
  const files = [daemon.root, daemon.runDir].flatMap((directory) => readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((path) => join(directory, path)));
  return [...files.filter((path) => !path.includes('berth.db')), ...daemon.traces()].toSorted();
}
