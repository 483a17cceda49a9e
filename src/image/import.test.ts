import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { digestOf, sha256Hex } from '../lib/digest.ts';
import { importImage } from './import.ts';
import { defaultLimits } from './limits.ts';
import { dir, type EntrySpec, hardlink, symlink, tarArchive } from './test-fixtures.ts';
import { tarTypes } from './tar-header.ts';
import { unpackPackage } from './unpack.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'berth-import-'));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

type Files = Record<string, Buffer | string>;
interface ImageSpec {
  readonly layers: readonly (readonly (EntrySpec | Buffer)[])[];
  readonly config?: object;
  readonly architecture?: string;
  readonly pack?: (tar: Buffer) => Buffer;
}

function configOf({ layers, config = { Cmd: ['/bin/app'] }, architecture = 'amd64' }: ImageSpec): Buffer {
  const diff_ids = layers.map((layer) => digestOf(tarArchive(layer)));
  return Buffer.from(JSON.stringify({ architecture, os: 'linux', config, rootfs: { type: 'layers', diff_ids } }));
}

/** The files of an OCI image layout with these images. */
function ociLayout(images: readonly (ImageSpec & { readonly name?: string })[]): Files {
  const files: Files = { 'oci-layout': '{"imageLayoutVersion":"1.0.0"}' };
  const add = (bytes: Buffer): { digest: string; size: number } => {
    files[`blobs/sha256/${sha256Hex(bytes)}`] = bytes;
    return { digest: digestOf(bytes), size: bytes.length };
  };
  const manifests = images.map((image) => {
    const config = add(configOf(image));
    const layers = image.layers.map((layer) => add((image.pack ?? ((tar) => tar))(tarArchive(layer))));
    const annotations = image.name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': image.name } };
    const platform = { os: 'linux', architecture: image.architecture ?? 'amd64' };
    return { ...add(Buffer.from(JSON.stringify({ schemaVersion: 2, config, layers }))), platform, ...annotations };
  });
  files['index.json'] = JSON.stringify({ schemaVersion: 2, manifests });
  return files;
}

/** What `docker save` wrote before Docker 25. */
function dockerArchive(image: ImageSpec, tag: string): Files {
  const config = configOf(image);
  const name = `${sha256Hex(config)}.json`;
  const files: Files = { [name]: config };
  const layers = image.layers.map((layer, number) => {
    files[`layer${number}/layer.tar`] = tarArchive(layer);
    return `layer${number}/layer.tar`;
  });
  files['manifest.json'] = JSON.stringify([{ Config: name, RepoTags: [tag], Layers: layers }]);
  return files;
}

function writeFiles(folder: string, files: Files): string {
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}

function asTar(files: Files): Buffer {
  return tarArchive(Object.entries(files).map(([name, data]) => ({ name, data })));
}

/** Imports, unpacks with Berth's own reader and gives the rootfs as text, with the config. */
async function imported(t: TestContext, source: string, options: Parameters<typeof importImage>[2] = {}): Promise<{
  report: Awaited<ReturnType<typeof importImage>>;
  files: Record<string, string>;
  config: Record<string, never>;
}> {
  const out = folder(t);
  const output = join(out, 'p.ipk');
  const report = await importImage(source, output, { name: 'app', version: '1', ...options });
  assert.deepEqual(readdirSync(out), ['p.ipk']);
  mkdirSync(join(out, 'image'));
  const unpacked = await unpackPackage(createReadStream(output), join(out, 'image'), { limits: defaultLimits });
  assert.equal(unpacked.digest, report.digest);
  assert.equal(unpacked.manifestGiven, true);
  const files: Record<string, string> = {};
  for (const line of readFileSync(join(out, 'image/manifest'), 'utf8').trimEnd().split('\n').slice(1)) {
    const { path, type, target } = JSON.parse(line) as { path: string; type: string; target?: string };
    if (!path.startsWith('rootfs/')) continue;
    const contents = type === 'file' ? readFileSync(join(out, 'image/bundle', path), 'utf8') : (target ?? '');
    files[path.slice('rootfs/'.length)] = `${type}${contents === '' ? '' : ` ${contents}`}`;
  }
  return { report, files, config: JSON.parse(unpacked.config ?? '') as Record<string, never> };
}

const base: readonly EntrySpec[] = [
  dir('etc/'),
  { name: 'etc/passwd', data: 'root:x:0:0::/:/bin/sh\nweb:x:33:34:web:/:/bin/sh\n' },
  { name: 'etc/group', data: 'root:x:0:\nweb:x:34:\nlog:x:4:web,other\nextra:x:90:\n' },
  dir('usr/'), dir('usr/bin/'), symlink('bin', 'usr/bin'),
  { name: 'usr/bin/app', data: 'app', mode: 0o755 },
  dir('var/'), { name: 'var/old', data: 'old' }, { name: 'var/kept', data: 'kept' },
  dir('cache/'), { name: 'cache/a', data: 'a' },
];

void test('layers lie over each other: whiteouts, opaque folders, changed types, hard links', async (t) => {
  const upper: readonly EntrySpec[] = [
    { name: 'var/.wh.old', data: '' },
    { name: 'cache/b', data: 'b' },
    // After what it does not hide: it is about the layers below.
    { name: 'cache/.wh..wh..opq', data: '' },
    { name: 'bin/tool', data: 'tool', mode: 0o755 },
    hardlink('bin/same', 'usr/bin/app'),
    symlink('var/kept', '/etc/passwd'),
    { name: '.wh.nothing', data: '' },
  ];
  const source = writeFiles(folder(t), ociLayout([{ layers: [base, upper] }]));
  const { files } = await imported(t, source);
  assert.deepEqual(files, {
    bin: 'symlink usr/bin',
    cache: 'dir',
    'cache/b': 'file b',
    etc: 'dir',
    'etc/group': `file ${String(base[2]!.data)}`,
    'etc/passwd': `file ${String(base[1]!.data)}`,
    usr: 'dir',
    'usr/bin': 'dir',
    'usr/bin/app': 'file app',
    'usr/bin/same': 'hardlink rootfs/usr/bin/app',
    'usr/bin/tool': 'file tool',
    var: 'dir',
    'var/kept': 'symlink /etc/passwd',
  });
});

void test('every form of source gives the same package', async (t) => {
  const image = { layers: [base] };
  const work = folder(t);
  const oci = ociLayout([image]);
  const forms: Record<string, Buffer> = {
    'oci.tar': asTar(oci),
    'oci.tar.gz': gzipSync(asTar(oci)),
    'docker.tar': asTar(dockerArchive(image, 'app:1')),
    // Docker 25 and later: an OCI layout with the old manifest.json beside it.
    'both.tar': asTar({ ...dockerArchive(image, 'app:1'), ...oci }),
  };
  const digests = new Set<string>();
  for (const [name, bytes] of Object.entries(forms)) {
    writeFileSync(join(work, name), bytes);
    digests.add((await imported(t, join(work, name))).report.digest);
  }
  for (const [name, pack] of [['none', (tar: Buffer) => tar], ['gz', gzipSync], ['zst', zstdCompressSync]] as const) {
    const source = writeFiles(join(work, name), ociLayout([{ ...image, pack: (tar) => pack(tar) }]));
    digests.add((await imported(t, source)).report.digest);
  }
  assert.equal(digests.size, 1);
});

void test('the configuration becomes config.json with annotations', async (t) => {
  const config = {
    Entrypoint: ['/bin/app'],
    Cmd: ['--fast'],
    Env: ['PATH=/usr/bin', 'A=b'],
    WorkingDir: '/var',
    User: 'web',
    StopSignal: 'SIGINT',
    Volumes: { '/var/lib/app': {} },
    ExposedPorts: { '80/tcp': {} },
    Healthcheck: { Test: ['CMD-SHELL', 'check it'], Interval: 5e9, Retries: 2 },
  };
  const source = writeFiles(folder(t), ociLayout([{ layers: [base], config }]));
  const told = await imported(t, source);
  const { process, annotations } = told.config as unknown as { process: Record<string, unknown>; annotations: Record<string, string> };
  assert.deepEqual(process['args'], ['/bin/app', '--fast']);
  assert.deepEqual(process['env'], ['PATH=/usr/bin', 'A=b']);
  assert.equal(process['cwd'], '/var');
  assert.deepEqual(process['user'], { uid: 33, gid: 34, additionalGids: [4] });
  assert.deepEqual(annotations, {
    'org.berth.stop-signal': 'SIGINT',
    'org.berth.health.command': '["/bin/sh","-c","check it"]',
    'org.berth.health.interval': '5000ms',
    'org.berth.health.timeout': '30s',
    'org.berth.health.retries': '2',
  });
  assert.deepEqual(told.report.warnings, [
    'volumes of the image are read-only; import with --volumes-as-data to keep their contents as data: /var/lib/app',
    'ports that the image exposes are reached only if the operator grants network: 80/tcp',
  ]);
  const asData = await imported(t, source, { volumesAsData: true });
  assert.equal((asData.config['annotations'] as unknown as Record<string, string>)['org.berth.data'], '/var/lib/app');
});

void test('users and groups are numbers, or names that the image knows', async (t) => {
  const cases = { '7': [7, 0], '33': [33, 34], '7:8': [7, 8], 'web:extra': [33, 90], '': [0, 0] } as const;
  for (const [User, [uid, gid]] of Object.entries(cases)) {
    const source = writeFiles(folder(t), ociLayout([{ layers: [base], config: { Cmd: ['x'], User } }]));
    const { process } = (await imported(t, source)).config as unknown as { process: { user: { uid: number; gid: number } } };
    assert.deepEqual([process.user.uid, process.user.gid], [uid, gid]);
  }
  const source = writeFiles(folder(t), ociLayout([{ layers: [base], config: { Cmd: ['x'], User: 'nobody' } }]));
  await assert.rejects(imported(t, source), { code: 'bad_package', message: /"nobody" is not in its \/etc\/passwd; give the user as numbers/ });
});

void test('of several images the platform and the name decide', async (t) => {
  const layer = (text: string): readonly EntrySpec[] => [{ name: 'who', data: text }];
  const platforms = writeFiles(folder(t), ociLayout([{ layers: [layer('arm')], architecture: 'arm' }, { layers: [layer('x86')], architecture: 'amd64' }]));
  assert.equal((await imported(t, platforms, { architecture: 'armhf' })).files['who'], 'file arm');
  await assert.rejects(imported(t, platforms, { architecture: 'riscv64' }), { code: 'architecture', message: /no image for riscv64; there are: linux\/arm, linux\/amd64/ });
  const names = writeFiles(folder(t), ociLayout([{ layers: [layer('one')], name: 'x/one:1.0' }, { layers: [layer('two')], name: 'x/two:2.0' }]));
  assert.equal((await imported(t, names, { reference: 'two:2.0' })).files['who'], 'file two');
  await assert.rejects(imported(t, names), { code: 'usage', message: /several images; choose one with --reference: x\/one:1\.0, x\/two:2\.0/ });
});

void test('name and version come from the reference, or must be given', async (t) => {
  const out = folder(t);
  const image = { layers: [base] };
  writeFileSync(join(out, 'docker.tar'), asTar(dockerArchive(image, 'registry:5000/some/My_App:v1.2-rc1')));
  const report = await importImage(join(out, 'docker.tar'), join(out, 'p.ipk'));
  assert.equal(report.control.package, 'my-app');
  assert.equal(report.control.version, '1.2-rc1');
  assert.match(execFileSync('dpkg-deb', ['-I', join(out, 'p.ipk')], { encoding: 'utf8' }), /^ Package: my-app$/m);
  writeFileSync(join(out, 'latest.tar'), asTar(dockerArchive(image, 'app:latest')));
  await assert.rejects(importImage(join(out, 'latest.tar'), join(out, 'q.ipk')), { code: 'usage', message: /tag \(latest\) is not a version; give one with --version/ });
});

void test('hostile layers reach nothing outside and leave nothing behind', async (t) => {
  const outside = folder(t);
  writeFileSync(join(outside, 'victim'), 'safe');
  const cases: readonly (readonly [string, readonly EntrySpec[], RegExp])[] = [
    ['parent', [{ name: '../../victim', data: 'x' }], /holds "\.\."/],
    ['whiteout of a parent', [{ name: 'a/.wh...', data: '' }], /holds "\.\."/],
    ['hard link', [hardlink('x', `../..${outside}/victim`)], /holds "\.\."/],
    ['hard link to the host', [hardlink('x', `${outside}/victim`)], /not a file of the image/],
    ['links in circles', [symlink('a', 'b'), symlink('b', 'a'), { name: 'a/x', data: '' }], /too many symbolic links/],
    ['control character', [{ name: 'a\u001bb', data: '' }], /control character/],
  ];
  for (const [what, layer, message] of cases) {
    const out = folder(t);
    const source = writeFiles(folder(t), ociLayout([{ layers: [layer] }]));
    await assert.rejects(importImage(source, join(out, 'p.ipk'), { name: 'app', version: '1' }), { code: 'bad_package', message }, what);
    assert.deepEqual(readdirSync(out), [], what);
  }
  const through = [symlink('out', outside), { name: 'out/victim', data: 'x' }, { name: '/abs', data: 'y' }];
  const { files } = await imported(t, writeFiles(folder(t), ociLayout([{ layers: [through] }])));
  assert.equal(files[`${outside.slice(1)}/victim`], 'file x');
  assert.equal(files['abs'], 'file y');
  assert.equal(readFileSync(join(outside, 'victim'), 'utf8'), 'safe');
});

void test('devices are left out and set-id bits taken off, and that is told', async (t) => {
  const layer = [{ name: 'null', type: tarTypes.charDevice }, { name: 'su', data: 'su', mode: 0o4755 }];
  const { report, files } = await imported(t, writeFiles(folder(t), ociLayout([{ layers: [layer] }])));
  assert.deepEqual(Object.keys(files), ['su']);
  assert.deepEqual(report.warnings, ['device nodes, FIFOs and sockets were left out: null', 'set-id bits were taken off: su']);
});

void test('a blob that is not what its digest says is refused', async (t) => {
  const files = ociLayout([{ layers: [base], pack: (tar) => gzipSync(tar) }]);
  const blobs = Object.keys(files).filter((name) => name.startsWith('blobs/'));
  for (const name of blobs) {
    const source = writeFiles(folder(t), files);
    writeFileSync(join(source, name), Buffer.concat([Buffer.from(files[name]!), Buffer.from(' ')]));
    await assert.rejects(imported(t, source), { code: 'bad_package', message: /damaged/ });
    rmSync(join(source, name));
    await assert.rejects(imported(t, source), (error: { code: string }) => error.code === 'bad_package' || error.code === 'architecture');
  }
  const wrongDiff = dockerArchive({ layers: [base] }, 'app:1');
  wrongDiff['layer0/layer.tar'] = tarArchive(base.slice(1));
  await assert.rejects(imported(t, writeFiles(folder(t), wrongDiff)), { code: 'bad_package', message: /layer 1 of 1: its digest is/ });
});

void test('an import that is cancelled leaves nothing behind', async (t) => {
  const out = folder(t);
  for (const source of [writeFiles(folder(t), ociLayout([{ layers: [base] }])), join(folder(t), 'x.tar')]) {
    if (source.endsWith('.tar')) writeFileSync(source, asTar(ociLayout([{ layers: [base] }])));
    const cancelled = importImage(source, join(out, 'p.ipk'), { name: 'app', version: '1', signal: AbortSignal.abort() });
    await assert.rejects(cancelled, { code: 'cancelled' });
    assert.deepEqual(readdirSync(out), []);
  }
});

void test('what is no image is refused', async (t) => {
  const empty = folder(t);
  await assert.rejects(imported(t, empty), { code: 'bad_package', message: /neither an OCI image layout/ });
  writeFileSync(join(empty, 'text'), 'no archive at all');
  await assert.rejects(imported(t, join(empty, 'text')), { code: 'bad_package' });
});
