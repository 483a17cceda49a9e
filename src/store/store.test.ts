import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestHex, digestOf, type Digest } from '../lib/digest.ts';
import { openStore, type WritableStore } from './store.ts';
import { historyRows } from './update-book.ts';
import type { ImageRow } from './types.ts';

interface Opened {
  readonly store: WritableStore;
  readonly root: string;
  readonly told: string[];
  /** Closes the store, lets `between` happen to its directory, opens it again. */
  reopen(between?: () => void): WritableStore;
}

function open(t: TestContext): Opened {
  const root = mkdtempSync(join(tmpdir(), 'berth-store-'));
  const told: string[] = [];
  const openHere = (): WritableStore => openStore(root, { journal: (level, message) => told.push(`${level}: ${message}`), now: 1 });
  let store = openHere();
  t.after(() => {
    store.close();
    rmSync(root, { recursive: true });
  });
  return {
    get store() {
      return store;
    },
    root,
    told,
    reopen: (between) => {
      store.close();
      between?.();
      store = openHere();
      return store;
    },
  };
}

function image(name: string, version: string): ImageRow {
  return {
    digest: digestOf(`${name} ${version}`), package: name, version, architecture: 'all', depends: 'broker (>= 1)',
    description: 'for the test', bytes: 10, entries: 2, signed: false, signers: [], addedAt: 5,
  };
}

const end = { outcome: 'committed', endedAt: 8, details: '{}' };

/** An image on disk, named by an update that has not switched. */
async function name(store: WritableStore, row: ImageRow, generation?: number): Promise<number> {
  await using staging = await store.stage();
  const directory = join(staging.path, '0');
  mkdirSync(join(directory, 'bundle'), { recursive: true });
  await store.publishImages([{ directory, digest: row.digest }]);
  const id = store.book.begin({ source: 'command-line', origin: null, startedAt: 6, details: '{}' });
  const before = store.app(row.package);
  const kept = store.keptData(row.package);
  store.book.nameMembers(id, [row], [{
    app: row.package,
    image: row.digest,
    generation: generation ?? before?.dataGeneration ?? kept ?? 1,
    desired: 'running',
    oldImage: before?.image ?? null,
    oldGeneration: before?.dataGeneration ?? kept ?? null,
    oldInstalledAt: before?.installedAt ?? null,
    floor: row.version,
    owner: row.authority ?? null,
    trial: null,
  }], {});
  return id;
}

async function install(store: WritableStore, row: ImageRow, { keep = 0 }: { readonly keep?: number } = {}): Promise<void> {
  const id = await name(store, row);
  store.book.switchOver(id, 7, { end, keep });
}

function directories(root: string, digest: Digest): boolean {
  return existsSync(join(root, 'images', digestHex(digest), 'bundle'));
}

test('what was committed is there after the store is opened again', async (t) => {
  const opened = open(t);
  await install(opened.store, image('app', '1'));
  opened.store.updateApp('app', { desired: 'stopped', restarts: 3, failed: true, instance: '{"id":"x"}', lastExit: null });
  const store = opened.reopen();
  assert.deepEqual(store.app('app'), {
    name: 'app', image: image('app', '1').digest, desired: 'stopped', dataGeneration: 1, installedAt: 7,
    restarts: 3, failed: true, instance: '{"id":"x"}', lastExit: null,
  });
  assert.deepEqual(store.images(), [image('app', '1')]);
  assert.equal(directories(opened.root, image('app', '1').digest), true);
  assert.deepEqual(opened.told, []);
});

test('a replaced image is no longer named and its directory is collected', async (t) => {
  const { store, root } = open(t);
  await install(store, image('app', '1'));
  await install(store, image('app', '2'));
  assert.equal(store.image(image('app', '1').digest), undefined);
  assert.equal(directories(root, image('app', '1').digest), true);
  await store.collect();
  assert.equal(directories(root, image('app', '1').digest), false);
  assert.equal(directories(root, image('app', '2').digest), true);
});

test('an image directory that the database does not name is replaced, not believed', async (t) => {
  const { store, root } = open(t);
  const row = image('app', '1');
  const directory = join(root, 'images', digestHex(row.digest));
  mkdirSync(directory);
  writeFileSync(join(directory, 'half'), 'half');
  await install(store, row);
  assert.deepEqual(readdirSync(directory), ['bundle']);
});

test('data of a removed app is kept for its next install, unless it is purged', async (t) => {
  const { store, root } = open(t);
  await install(store, image('app', '1'));
  const data = store.dataPath('app', 1);
  mkdirSync(data, { recursive: true });
  store.commitRemove('app', { purge: false });
  await store.collect();
  assert.equal(existsSync(data), true);
  await install(store, image('app', '2'));
  assert.equal(store.app('app')!.dataGeneration, 1);
  store.commitRemove('app', { purge: true });
  await store.collect();
  assert.equal(existsSync(data), false);
  assert.deepEqual(readdirSync(join(root, 'images')), []);
});

test('generations of data that the database does not name are collected', async (t) => {
  const { store } = open(t);
  await install(store, image('app', '1'));
  for (const generation of [1, 2]) mkdirSync(store.dataPath('app', generation), { recursive: true });
  await store.collect();
  assert.equal(existsSync(store.dataPath('app', 1)), true);
  assert.equal(existsSync(store.dataPath('app', 2)), false);
});

test('staging is empty after its owner is done, and after the store was opened and cleared', async (t) => {
  const { store, root } = open(t);
  {
    await using staging = await store.stage();
    writeFileSync(join(staging.path, 'x'), 'x');
  }
  assert.deepEqual(readdirSync(join(root, 'staging')), []);
  mkdirSync(join(root, 'staging', 'left', 'over'), { recursive: true });
  await store.clearStaging();
  assert.deepEqual(readdirSync(join(root, 'staging')), []);
});

for (const [what, damage] of [
  ['lost', (root: string) => { for (const file of ['berth.db', 'berth.db-wal', 'berth.db-shm']) rmSync(join(root, file), { force: true }); }],
  ['corrupt', (root: string) => { writeFileSync(join(root, 'berth.db'), 'this is no database, it is noise of the same length as a page header would have, and more'); rmSync(join(root, 'berth.db-wal'), { force: true }); }],
  ['that of another store', (root: string) => { writeFileSync(join(root, 'store-id'), 'another\n'); }],
] as const) {
  test(`with a database that is ${what} nothing is deleted, and the journal says so`, async (t) => {
    const opened = open(t);
    const row = image('app', '1');
    await install(opened.store, row);
    mkdirSync(opened.store.dataPath('app', 1), { recursive: true });
    const store = opened.reopen(() => {
      damage(opened.root);
    });
    await store.collect();
    assert.equal(directories(opened.root, row.digest), true);
    assert.equal(existsSync(join(opened.root, 'data', 'app', '1')), true);
    assert.equal(opened.told.length, 1);
    assert.match(opened.told[0]!, /^error: .*no image or data directory that is there will be deleted$/);
  });
}

test('after its database was lost, a store still deletes what it has made since', async (t) => {
  const opened = open(t);
  await install(opened.store, image('app', '1'));
  mkdirSync(opened.store.dataPath('app', 1), { recursive: true });
  const lose = (): void => {
    rmSync(join(opened.root, 'berth.db'));
    rmSync(join(opened.root, 'berth.db-wal'), { force: true });
  };
  for (const between of [lose, () => undefined]) {
    const store = opened.reopen(between);
    for (const version of ['2', '3']) await install(store, image('app', version));
    mkdirSync(store.dataPath('app', 9), { recursive: true });
    await store.collect();
    const there = ['1', '2', '3'].filter((version) => directories(opened.root, image('app', version).digest));
    assert.deepEqual(there, ['1', '3']);
    assert.deepEqual(readdirSync(join(opened.root, 'data', 'app')), ['1']);
  }
});

test('new data of an app never takes the place of data that a lost database named', async (t) => {
  const opened = open(t);
  await install(opened.store, image('app', '1'));
  for (const generation of [1, 3]) mkdirSync(opened.store.dataPath('app', generation), { recursive: true });
  assert.deepEqual(['app', 'new'].map((app) => opened.store.newGeneration(app)), [2, 1], 'what is not named may be deleted');
  const store = opened.reopen(() => {
    rmSync(join(opened.root, 'berth.db'));
    rmSync(join(opened.root, 'berth.db-wal'), { force: true });
  });
  assert.deepEqual(['app', 'new'].map((app) => store.newGeneration(app)), [4, 1]);
});

test('a second daemon cannot open the same store', async (t) => {
  const { root } = open(t);
  assert.throws(() => openStore(root, { journal: () => undefined, now: 1, waitMs: 0 }), /another berthd/);
});

test('an image that is published again replaces the one that is there, also when the database names it', async (t) => {
  const { store, root } = open(t);
  const row = image('web', '1');
  await install(store, row);
  const damaged = join(root, 'images', digestHex(row.digest), 'bundle', 'damage');
  writeFileSync(damaged, '');
  await install(store, row);
  assert.equal(existsSync(damaged), false);
  assert.equal(directories(root, row.digest), true);
});

test('database and data are for root alone, whatever the umask', (t) => {
  const before = process.umask(0o000);
  t.after(() => { process.umask(before); });
  const { root } = open(t);
  for (const name of ['berth.db', 'berth.db-wal', 'data']) assert.equal(statSync(join(root, name)).mode & 0o077, 0, name);
});

test('an update that has not switched names its images and its data, and nothing of it is left when it ends', async (t) => {
  const { store, root } = open(t);
  await install(store, image('app', '1'));
  const id = await name(store, image('app', '2'), 2);
  for (const generation of [1, 2]) mkdirSync(store.dataPath('app', generation), { recursive: true });
  await store.collect();
  assert.equal(directories(root, image('app', '2').digest), true);
  assert.equal(existsSync(store.dataPath('app', 2)), true);
  assert.equal(store.app('app')!.image, image('app', '1').digest);
  store.book.end(id, { ...end, outcome: 'failed', code: 'io', reason: 'because' });
  await store.collect();
  assert.equal(directories(root, image('app', '2').digest), false);
  assert.equal(existsSync(store.dataPath('app', 2)), false);
  assert.deepEqual(store.book.members(id), []);
  assert.deepEqual([store.book.get(id)!.outcome, store.book.get(id)!.reason], ['failed', 'because']);
});

test('the way back restores image and data of an app that was there, and takes away one that was not', async (t) => {
  const { store, root } = open(t);
  await install(store, image('app', '1'));
  const id = await name(store, image('app', '2'), 2);
  for (const generation of [1, 2]) mkdirSync(store.dataPath('app', generation), { recursive: true });
  store.book.switchOver(id, 9, { note: { state: 'trial', trial: '{}' } });
  assert.deepEqual([store.app('app')!.image, store.app('app')!.dataGeneration], [image('app', '2').digest, 2]);
  await store.collect();
  assert.equal(existsSync(store.dataPath('app', 1)), true);
  store.book.rollBack(id, { ...end, outcome: 'rolled-back' });
  assert.deepEqual([store.app('app')!.image, store.app('app')!.dataGeneration, store.app('app')!.installedAt], [image('app', '1').digest, 1, 7]);
  await store.collect();
  assert.deepEqual(readdirSync(join(root, 'data/app')), ['1']);
  assert.deepEqual(readdirSync(join(root, 'images')), [digestHex(image('app', '1').digest)]);

  const fresh = await name(store, image('other', '1'));
  store.book.switchOver(fresh, 9, { note: { state: 'trial' } });
  store.book.rollBack(fresh, { ...end, outcome: 'rolled-back' });
  assert.equal(store.app('other'), undefined);
});

test('the data that a removed app had left is known again after the way back', async (t) => {
  const { store } = open(t);
  await install(store, image('app', '1'));
  mkdirSync(store.dataPath('app', 1), { recursive: true });
  store.commitRemove('app', { purge: false });
  const id = await name(store, image('app', '2'), 2);
  store.book.switchOver(id, 9, { note: { state: 'trial' } });
  assert.equal(store.keptData('app'), undefined);
  store.book.rollBack(id, { ...end, outcome: 'rolled-back' });
  assert.equal(store.keptData('app'), 1);
});

test('as many previous images are kept as are to be, newest first, and the current one is none of them', async (t) => {
  const { store } = open(t);
  for (const version of ['1', '2', '3', '4']) await install(store, image('app', version), { keep: 2 });
  assert.deepEqual(store.book.previous('app'), [image('app', '3').digest, image('app', '2').digest]);
  await install(store, image('app', '3'), { keep: 2 });
  assert.deepEqual(store.book.previous('app'), [image('app', '4').digest, image('app', '2').digest]);
  assert.equal(store.images().length, 3);
  await install(store, image('app', '5'), { keep: 0 });
  assert.deepEqual(store.images().map((row) => row.version), ['5']);
});

test('a floor outlives the removal of its app but not the purge', async (t) => {
  const { store } = open(t);
  await install(store, image('app', '2'));
  store.commitRemove('app', { purge: false });
  assert.equal(store.book.floor('app'), '2');
  await install(store, image('app', '2'));
  store.commitRemove('app', { purge: true });
  assert.equal(store.book.floor('app'), undefined);
});

test('the history of updates is bounded, and numbers are not used again', async (t) => {
  const { store } = open(t);
  const begin = (): number => store.book.begin({ source: 'feed', origin: null, startedAt: 1, details: '{}' });
  let last = 0;
  for (let count = 0; count < historyRows + 5; count += 1) {
    last = begin();
    store.book.end(last, end);
  }
  assert.equal(store.book.list().length, historyRows);
  assert.equal(last, historyRows + 5);
});

test('what a removed app may have left outside the store is known until it is cleared, or the app is there again', async (t) => {
  const opened = open(t);
  await install(opened.store, image('app', '1'));
  await install(opened.store, image('other', '1'));
  for (const name of ['app', 'other']) opened.store.commitRemove(name, { purge: false });
  const store = opened.reopen();
  assert.deepEqual(store.leavings(), ['app', 'other']);
  store.commitCleared('app');
  await install(store, image('other', '1'));
  assert.deepEqual(store.leavings(), []);
});

test('an app belongs to an authority from its commit on, also when it is removed and purged', async (t) => {
  const { store, reopen } = open(t);
  const signed: ImageRow = { ...image('web', '1.0'), signed: true, authority: 'acme', signers: [{ authority: 'acme', subject: 'CN=Acme', fingerprint: 'ab', algorithm: 'ed25519', expiresAt: 9 }] };
  const id = await name(store, signed);
  assert.equal(store.trust.owner('web'), undefined);
  store.book.switchOver(id, 7, { end, keep: 0 });
  assert.deepEqual(store.image(signed.digest), signed);
  store.commitRemove('web', { purge: true });
  store.dropKeptData('web');
  const again = reopen();
  assert.deepEqual([...again.trust.owners()], [['web', 'acme']]);
  again.trust.handOver('web', 'globex');
  assert.equal(again.trust.owner('web'), 'globex');
  again.trust.handOver('web', undefined);
  assert.equal(again.trust.owner('web'), undefined);
});

test('that somebody vouches for an image which is there is noted, that nobody does is not', async (t) => {
  const { store } = open(t);
  const plain = image('web', '1.0');
  const signed: ImageRow = { ...plain, signed: true, authority: 'acme' };
  await install(store, plain);
  await install(store, signed);
  assert.equal(store.image(plain.digest)?.authority, 'acme');
  await install(store, plain);
  assert.equal(store.image(plain.digest)?.authority, 'acme');
});

test('a list of recalls takes the place of the one before, and the known time never runs backwards', (t) => {
  const { store, reopen } = open(t);
  store.trust.takeRecallList({ authority: 'acme', sequence: 1, recalls: [{ authority: 'acme', app: 'web', reason: 'leaks' }] });
  store.trust.takeRecallList({ authority: 'globex', sequence: 4, recalls: [{ authority: 'globex', app: 'other', reason: 'burns' }] });
  store.trust.takeRecallList({ authority: 'acme', sequence: 2, recalls: [] });
  store.trust.noteTime(2000);
  store.trust.noteTime(1000);
  const { trust } = reopen();
  assert.deepEqual(trust.recallLists().map(({ authority, sequence }) => [authority, sequence]), [['acme', 2], ['globex', 4]]);
  assert.deepEqual(trust.recalls().map(({ app }) => app), ['other']);
  assert.equal(trust.lastTime(), 2000);
});
