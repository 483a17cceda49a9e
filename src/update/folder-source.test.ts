import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { defaultLimits, parseSettings } from '../image/index.ts';
import { digestOf } from '../lib/digest.ts';
import { BerthError, type ErrorCode } from '../lib/errors.ts';
import { HandClock, settle } from '../lib/handclock.ts';
import { defaultRights } from '../policy/index.ts';
import { openStore, type ImageRow, type WritableStore } from '../store/index.ts';
import { FolderSource } from './folder-source.ts';
import type { Folder } from './folder-visit.ts';
import { TrustKeeper } from './trust-keeper.ts';
import { defaultTrustRules } from './trust-rules.ts';
import type { UpdatesOptions } from './tools.ts';
import type { InstallOptions, Updates, UpdateStatus } from './types.ts';

/** Stands for the child that unpacks: says what a file says of itself, which is `name version [depends]`. */
const answering = `
  const text = require('node:fs').readFileSync(0, 'utf8');
  const [name, version, depends] = text.split(' ');
  const control = 'Package: ' + name + '\\nVersion: ' + version + '\\nArchitecture: all\\n' + (depends ? 'Depends: ' + depends + '\\n' : '');
  const digest = 'sha256:' + require('node:crypto').createHash('sha256').update(text).digest('hex');
  const report = { digest, control, manifestGiven: true, packageBytes: 1, unpackedBytes: 1, entries: 1, files: 1, compression: 'gz', warnings: [], scripts: [], config: JSON.stringify({ ociVersion: '1.0.2', root: { path: 'rootfs' }, process: { args: ['/a'], cwd: '/', user: { uid: 0, gid: 0 } }, linux: { namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })) } }), hasRootfs: true };
  const fs = require('node:fs');
  const said = Buffer.from(JSON.stringify({ digest, name, version, vouched: { signers: [] } }));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(said.length);
  if (version) fs.writeSync(3, Buffer.concat([length, said]));
  const refusal = { error: { code: 'bad_package', message: 'it is no package' } };
  process.stdout.write(JSON.stringify(version ? { payload: { kind: 'package', bytes: 1, packages: [{ name: '', report }] } } : refusal));
`;

/** A device with a factory folder and a medium, on which updates are only noted. */
class Bench {
  readonly directory: string;
  readonly factory: Folder;
  readonly medium: Folder;
  readonly store: WritableStore;
  readonly clock = new HandClock();
  /** What was asked for, as `source origin`, and how it is to end. */
  readonly asked: string[] = [];
  readonly options: InstallOptions[] = [];
  readonly told: string[] = [];
  history: UpdateStatus[] = [];
  install: (payload: Readable) => Promise<void> = async (payload) => {
    await buffer(payload);
  };
  #closing = new AbortController();
  #source: FolderSource;

  constructor(t: TestContext) {
    this.directory = mkdtempSync(join(tmpdir(), 'berth-folder-'));
    [this.factory, this.medium] = [{ path: join(this.directory, 'factory.d'), source: 'factory' }, { path: join(this.directory, 'stick'), source: 'media' }];
    this.store = openStore(join(this.directory, 'root'), { journal: () => undefined, now: 0 });
    t.after(() => {
      this.store.close();
      rmSync(this.directory, { recursive: true });
    });
    for (const { path } of [this.factory, this.medium]) mkdirSync(path);
    this.#source = this.#open();
  }

  /** Puts a file that describes a package into a folder. */
  bring(text: string, folder = this.factory): void {
    const [name, version] = text.split(' ');
    writeFileSync(join(folder.path, `${name}_${version}.ipk`), text);
  }

  async look(folder = this.factory): Promise<void> {
    await this.#source.look(folder);
  }

  /** Looks at a medium, whose files have to stay as they are for a second. */
  async lookAtMedium(meanwhile: () => void = () => undefined): Promise<void> {
    const looked = this.#source.look(this.medium);
    while (this.clock.pending === 0) await settle();
    meanwhile();
    await this.clock.advance(1000);
    await looked;
  }

  /** What a new daemon begins with. */
  restart(): void {
    this.#source = this.#open();
  }

  close(): void {
    this.#closing.abort();
  }

  /** Puts an app on the device without further ado. */
  installed(app: string, version: string): void {
    const image: ImageRow = { digest: digestOf(`${app} ${version}`), package: app, version, architecture: 'all', depends: '', description: '', bytes: 0, entries: 0, signed: false, signers: [], addedAt: 0 };
    const { book } = this.store;
    const id = book.begin({ source: 'factory', origin: null, startedAt: 0, details: '{}' });
    const member = { app, image: image.digest, generation: 1, desired: 'running', oldImage: null, oldGeneration: null, oldInstalledAt: null, floor: null, owner: null, trial: null } as const;
    book.nameMembers(id, [image], [member], {});
    book.switchOver(id, 0, { end: { outcome: 'committed', endedAt: 0, details: '{}' }, keep: 0 });
  }

  #open(): FolderSource {
    const updates: Pick<Updates, 'install' | 'list'> = {
      list: () => this.history,
      install: async (payload, options) => {
        this.asked.push(`${options.source} ${options.origin}`);
        this.options.push(options);
        await this.install(payload);
        return { update: 1, outcome: 'committed', installed: [] };
      },
    };
    const options: Partial<UpdatesOptions> = {
      store: this.store,
      lifecycle: { announce: ({ message }: { readonly message: string }) => this.told.push(message) } as unknown as UpdatesOptions['lifecycle'],
      ready: Promise.resolve(),
      workers: { unpack: async () => Promise.resolve({ command: process.execPath, args: ['-e', answering] }), copy: async () => Promise.reject(new Error('nothing is copied')) },
      limits: defaultLimits,
      architectures: [],
      rule: () => ({ entitlement: { rights: defaultRights, degrade: false, origin: 'here' }, declared: [] }),
      platform: async () => Promise.resolve([]),
      settings: () => parseSettings({}),
      trust: new TrustKeeper({ store: this.store, rules: { ...defaultTrustRules, authorities: '/nowhere', allowUnsigned: true }, clock: new HandClock(), journal: () => undefined }),
      clock: this.clock,
    };
    return new FolderSource(updates, options as UpdatesOptions, this.#closing.signal);
  }
}

function failing(code: ErrorCode): () => Promise<void> {
  return async () => Promise.reject(new BerthError(code, `it is ${code}`));
}

test('all packages of a folder are one payload, and an unchanged folder is not read again', async (t) => {
  const bench = new Bench(t);
  bench.bring('web 1.0 broker');
  bench.bring('broker 1.0');
  bench.bring('broker 0.9');
  await bench.look();
  assert.deepEqual(bench.asked, ['factory broker_1.0.ipk, web_1.0.ipk']);
  assert.equal(bench.options[0]!.now, true, 'new apps wait for no window');
  await bench.look();
  bench.restart();
  await bench.look();
  assert.equal(bench.asked.length, 1);
  assert.deepEqual(bench.told, []);
});

test('an app that is there is updated as the operator says updates are', async (t) => {
  const bench = new Bench(t);
  bench.installed('web', '0.9');
  bench.bring('web 1.0');
  await bench.look();
  assert.equal(bench.options[0]!.now, false);
});

test('want of room is tried again at the next start, and not before', async (t) => {
  const bench = new Bench(t);
  bench.bring('web 1.0');
  bench.install = failing('no_space');
  await bench.look();
  await bench.look();
  assert.equal(bench.asked.length, 1);
  assert.match(bench.told.join('\n'), /web_1\.0\.ipk could not be applied, and is tried again later: it is no_space/);
  bench.restart();
  await bench.look();
  assert.equal(bench.asked.length, 2);
});

test('what was rolled back is not tried again, also in a folder that changed', async (t) => {
  const bench = new Bench(t);
  bench.bring('web 1.0');
  bench.install = failing('rolled_back');
  await bench.look();
  bench.restart();
  bench.bring('broker 1.0');
  await bench.look();
  assert.deepEqual(bench.asked, ['factory web_1.0.ipk', 'factory broker_1.0.ipk']);
});

test('what became of an update that outlived its daemon is taken from the history', async (t) => {
  const bench = new Bench(t);
  const update = { id: 1, source: 'factory', phase: 'trial', startedAt: 0, phases: [], bytes: 0, apps: [{ app: 'web', to: { version: '1.0', digest: digestOf('web 1.0') } }] } as const;
  bench.bring('web 1.0');
  bench.history = [update];
  await bench.look();
  assert.deepEqual(bench.asked, [], 'it goes on');
  bench.history = [{ ...update, outcome: 'rolled-back' }];
  bench.restart();
  await bench.look();
  bench.history = [];
  bench.bring('broker 1.0');
  await bench.look();
  assert.deepEqual(bench.asked, ['factory broker_1.0.ipk']);
});

test('an app that was removed stays away until a newer version of it comes', async (t) => {
  const bench = new Bench(t);
  bench.installed('web', '1.0');
  bench.bring('web 1.0');
  await bench.look();
  bench.store.commitRemove('web', { purge: true });
  bench.bring('broker 1.0');
  await bench.look();
  bench.bring('web 1.1');
  await bench.look();
  assert.deepEqual(bench.asked, ['factory broker_1.0.ipk', 'factory web_1.1.ipk']);
});

test('a version that came back from the past does not count as the newest that was there', async (t) => {
  const bench = new Bench(t);
  bench.bring('web 2.0');
  await bench.look();
  // A person went back to 1.0, and a folder with 1.0 as well; then 2.0 comes again.
  bench.installed('web', '1.0');
  bench.bring('web 1.0');
  rmSync(join(bench.factory.path, 'web_2.0.ipk'));
  await bench.look();
  bench.bring('web 2.0');
  await bench.look();
  assert.deepEqual(bench.asked, ['factory web_2.0.ipk']);
});

test('a file that is no package is told once, and one that lacks something at every start', async (t) => {
  const bench = new Bench(t);
  bench.bring('bad');
  renameSync(join(bench.factory.path, 'bad_undefined.ipk'), join(bench.factory.path, 'bad.ipk'));
  bench.bring('web 1.0');
  await bench.look();
  bench.restart();
  await bench.look();
  assert.deepEqual(bench.asked, ['factory web_1.0.ipk']);
  assert.equal(bench.told.length, 1);
  assert.match(bench.told[0]!, /factory\.d: bad\.ipk is not applied: it is no package/);
  bench.bring('map 1.0 gnss');
  await bench.look();
  bench.restart();
  await bench.look();
  assert.equal(bench.told.filter((line) => /map_1\.0\.ipk could not be applied, and is tried again later: map needs/.test(line)).length, 2);
});

test('a file on a medium is read when nobody writes it any more', async (t) => {
  const bench = new Bench(t);
  bench.bring('web 1', bench.medium);
  await bench.lookAtMedium(() => {
    writeFileSync(join(bench.medium.path, 'web_1.ipk'), 'web 1.0');
  });
  assert.deepEqual([bench.asked, bench.told], [[], []]);
  await bench.lookAtMedium();
  assert.deepEqual(bench.asked, [`media ${bench.medium.path}: web_1.ipk`]);
});

test('a medium that is taken away while it is read is told, and tried when it comes again', async (t) => {
  const bench = new Bench(t);
  bench.bring('web 1.0', bench.medium);
  const away = join(bench.directory, 'away');
  bench.install = async (payload) => {
    renameSync(bench.medium.path, away);
    await buffer(payload);
  };
  await bench.lookAtMedium();
  assert.deepEqual(bench.told, [`medium ${bench.medium.path}: web_1.0.ipk could not be applied, and is tried again later: the medium was taken away while it was read`]);
  mkdirSync(bench.medium.path);
  await bench.look(bench.medium);
  renameSync(away, bench.medium.path);
  bench.install = async () => Promise.resolve();
  await bench.lookAtMedium();
  assert.equal(bench.asked.length, 2);
});

test('a daemon that ends begins nothing more, and tells nothing', async (t) => {
  const bench = new Bench(t);
  bench.bring('web 1.0');
  bench.install = async () => {
    bench.close();
    return Promise.reject(new BerthError('unavailable', 'berthd is ending'));
  };
  await bench.look();
  bench.bring('broker 1.0');
  await bench.look();
  assert.deepEqual([bench.asked, bench.told], [['factory web_1.0.ipk'], []]);
  assert.equal(bench.store.folders.seen(bench.factory.path), undefined);
});
