import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, createReadStream, linkSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { isErrno } from '../lib/errors.ts';
import { buildPackage } from './build.ts';
import { inspectPackage } from './inspect.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'berth-build-'));
  t.after(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

const recipe = 'name: demo\nversion: 1.0\narchitecture: all\nrootfs: root\nrun: {command: [/bin/demo]}\n';

/** A folder with a recipe and a small root file system. */
function demo(t: TestContext, text = recipe): string {
  const path = folder(t);
  mkdirSync(join(path, 'root/bin'), { recursive: true });
  mkdirSync(join(path, 'root/empty'));
  writeFileSync(join(path, 'root/bin/demo'), '#!/bin/sh\necho demo\n', { mode: 0o755 });
  linkSync(join(path, 'root/bin/demo'), join(path, 'root/bin/same'));
  symlinkSync('/bin/demo', join(path, 'root/absolute'));
  symlinkSync('nowhere', join(path, 'root/dangling'));
  mkdirSync(join(path, 'root/a'));
  writeFileSync(join(path, 'root/a/x'), 'x');
  writeFileSync(join(path, 'root/a-b'), '');
  writeFileSync(join(path, 'berth.yaml'), text);
  return path;
}

/** Everything under a folder, as text that can be compared: type, mode, contents, which names are one file. */
function listing(root: string, below = '', found: Record<string, string> = {}, first = new Map<number, string>()): Record<string, string> {
  for (const entry of readdirSync(join(root, below)).toSorted()) {
    const name = join(below, entry);
    const path = join(root, name);
    const stats = lstatSync(path);
    if (stats.isSymbolicLink()) found[name] = `link ${readlinkSync(path)}`;
    else if (stats.isDirectory()) {
      found[name] = `dir ${(stats.mode & 0o7777).toString(8)}`;
      listing(root, name, found, first);
    } else {
      const same = first.get(stats.ino);
      first.set(stats.ino, same ?? name);
      found[name] = `file ${(stats.mode & 0o7777).toString(8)} ${same ?? readFileSync(path).toString('base64')}`;
    }
  }
  return found;
}

function extract(ipk: string, to: string): string {
  execFileSync('dpkg-deb', ['-x', ipk, to], { stdio: ['ignore', 'pipe', 'inherit'] });
  return join(to, 'rootfs');
}

for (const compression of ['zst', 'gz', 'xz'] as const) {
  void test(`a ${compression} package is read by ar and dpkg-deb, and holds the same tree`, async (t) => {
    const source = demo(t);
    const output = join(source, 'demo.ipk');
    const report = await buildPackage(source, output, { compression });
    assert.equal(
      execFileSync('ar', ['t', output], { encoding: 'utf8' }),
      `debian-binary\n_manifest.json\ncontrol.tar.gz\ndata.tar.${compression}\n`,
    );
    const info = execFileSync('dpkg-deb', ['-I', output], { encoding: 'utf8' });
    assert.match(info, /^ Package: demo$/m);
    assert.match(info, /^ Version: 1\.0$/m);
    const root = extract(output, join(source, 'out'));
    assert.deepEqual(listing(root), listing(join(source, 'root')));
    const document = await inspectPackage(createReadStream(output), { files: true });
    assert.equal(document.digest, report.digest);
    assert.equal(document.manifestGiven, true);
    assert.deepEqual(document.control, { Package: 'demo', Version: '1.0', Architecture: 'all', Description: 'demo' });
    assert.equal(document.contents?.find(({ path }) => path === 'rootfs/bin/same')?.type, 'hardlink');
    assert.deepEqual([document.entries, document.unpackedBytes], [report.entries, report.unpackedBytes]);
    assert.deepEqual(report.warnings, []);
    assert.equal(report.bytes, lstatSync(output).size);
    assert.deepEqual(readdirSync(source).toSorted(), ['berth.yaml', 'demo.ipk', 'out', 'root']);
  });
}

void test('the same input gives the same bytes, whatever its times, its order on disk and the umask', async (t) => {
  const source = demo(t);
  const copy = join(source, 'copy');
  mkdirSync(join(copy, 'root'), { recursive: true });
  // Another order of creation, other times.
  for (const name of readdirSync(join(source, 'root')).toReversed()) {
    execFileSync('cp', ['-dr', '--preserve=mode', join(source, 'root', name), join(copy, 'root')]);
  }
  rmSync(join(copy, 'root/bin/same'));
  linkSync(join(copy, 'root/bin/demo'), join(copy, 'root/bin/same'));
  utimesSync(join(copy, 'root/a/x'), 1_000_000_000, 1_000_000_000);
  writeFileSync(join(copy, 'berth.yaml'), recipe);
  for (const compression of ['zst', 'gz', 'xz'] as const) {
    const first = await buildPackage(source, join(source, '1.ipk'), { compression });
    const umask = process.umask(0o077);
    t.after(() => {
      process.umask(umask);
    });
    const second = await buildPackage(copy, join(source, '2.ipk'), { compression });
    process.umask(umask);
    assert.equal(first.digest, second.digest);
    assert.ok(readFileSync(join(source, '1.ipk')).equals(readFileSync(join(source, '2.ipk'))));
  }
});

void test('everything that a recipe says of the launch is in the package', async (t) => {
  const text = `name: demo
version: "2:1.0"
description: |
  A demo.

  With two paragraphs.
maintainer: A <a@example.invalid>
depends: [broker (>= 1), "mail | postfix"]
files: [{from: root, to: /}]
run:
  command: [/bin/demo, --x]
  env: {A: "1"}
  user: 5:6
  capabilities: [CAP_KILL]
  restart: always
  restart-delay: 2s
  restart-delay-max: 3s
  restart-reset: 4s
  restart-limit: 5
  restart-window: 6s
  stop: {signal: SIGINT, timeout: 7s}
  health: {command: [/bin/true, a b], interval: 8s, timeout: 9s, retries: 2, start-period: 11s}
  start-after: [one, two]
  data: [/data]
  exports: [mqtt]
  imports: [broker/mqtt]
  trial: {uptime: 12s, deadline: 13s, confirm: app}
  defer: 14s
  watchdog: 15s
  migrate: {command: [/bin/migrate, a b], timeout: 16s}
  network: {mode: bridge, ports: ["8080:80", 53/udp], outbound: ["192.0.2.0/24:443/tcp", "*"], bandwidth: {in: 17Mbit, out: 18kbit}}
  limits: {memory: 64MiB, pids: 20, cpus: 0.25}
  tmpfs: {/scratch: 1MiB}
`;
  const source = demo(t, text);
  await buildPackage(source, join(source, 'demo.ipk'));
  const { settings, control, config, contents } = await inspectPackage(createReadStream(join(source, 'demo.ipk')), { files: true });
  assert.deepEqual(settings, {
    restart: 'always', restartDelayMs: 2000, restartDelayMaxMs: 3000, restartResetMs: 4000, restartLimit: 5, restartWindowMs: 6000,
    stopSignal: 'SIGINT', stopTimeoutMs: 7000, startAfter: ['one', 'two'], data: ['/data'], exports: ['mqtt'], imports: ['broker/mqtt'],
    health: { command: ['/bin/true', 'a b'], intervalMs: 8000, timeoutMs: 9000, retries: 2, startPeriodMs: 11_000 },
    trialUptimeMs: 12_000, trialDeadlineMs: 13_000, trialConfirm: true, deferMs: 14_000, watchdogMs: 15_000,
    migrate: ['/bin/migrate', 'a b'], migrateTimeoutMs: 16_000,
    network: {
      mode: 'bridge',
      ports: [{ hostPort: 8080, appPort: 80, protocol: 'tcp' }, { hostPort: 53, appPort: 53, protocol: 'udp' }],
      outbound: [{ network: '192.0.2.0/24', port: 443, protocol: 'tcp' }, { network: '0.0.0.0/0' }, { network: '::/0' }],
      bandwidth: { in: 17_000_000, out: 18_000 },
    },
    sharedVolumes: [], volumes: [], busTalk: [], busOwn: [],
  });
  assert.equal(control['Depends'], 'broker (>= 1), mail | postfix');
  assert.equal(control['Description'], 'A demo.\n .\n With two paragraphs.');
  const { process, linux } = config as { process: Record<string, unknown>; linux: { resources: unknown } };
  assert.deepEqual([process['args'], process['user'], process['cwd']], [['/bin/demo', '--x'], { uid: 5, gid: 6 }, '/']);
  assert.deepEqual(linux.resources, { memory: { limit: 67_108_864 }, pids: { limit: 20 }, cpu: { quota: 25_000, period: 100_000 } });
  assert.ok(contents?.some(({ path, type }) => path === 'rootfs/scratch' && type === 'dir'));
});

void test('SOURCE_DATE_EPOCH bounds the times of files and keeps earlier ones', async (t) => {
  const source = demo(t);
  utimesSync(join(source, 'root/a/x'), 1_000_000_000, 1_000_000_000);
  await buildPackage(source, join(source, 'demo.ipk'), { sourceDateEpoch: 1_500_000_000 });
  const root = extract(join(source, 'demo.ipk'), join(source, 'out'));
  assert.equal(lstatSync(join(root, 'a/x')).mtimeMs, 1_000_000_000_000);
  assert.equal(lstatSync(join(root, 'a-b')).mtimeMs, 1_500_000_000_000);
});

void test('a root file system may be a tar archive in any compression', async (t) => {
  const source = demo(t);
  for (const [option, name] of [['--gzip', 'root.tar.gz'], ['--xz', 'root.tar.xz'], ['--zstd', 'root.tar.zst'], ['--format=pax', 'root.tar']] as const) {
    execFileSync('tar', ['-c', option, '--owner=0', '--group=0', '-f', join(source, name), '-C', join(source, 'root'), '.']);
    writeFileSync(join(source, 'berth.yaml'), recipe.replace('rootfs: root', `rootfs: ${name}`));
    await buildPackage(source, join(source, 'demo.ipk'));
    const root = extract(join(source, 'demo.ipk'), join(source, `out-${name}`));
    assert.deepEqual(listing(root), listing(join(source, 'root')));
  }
});

void test('files are added from files, folders and patterns, following links of the rootfs within it', async (t) => {
  const source = demo(
    t,
    `${recipe}files:
  - {from: app.js, to: /usr/bin/app, mode: 0700, owner: 7:8}
  - {from: app.js, to: /lib/}
  - {from: "share/**/*.txt", to: /share}
  - {from: share, to: /copy}
`,
  );
  mkdirSync(join(source, 'share/deep/none'), { recursive: true });
  writeFileSync(join(source, 'share/deep/a.txt'), 'a', { mode: 0o600 });
  writeFileSync(join(source, 'share/b.bin'), 'b');
  writeFileSync(join(source, 'app.js'), 'app');
  symlinkSync('/usr/lib', join(source, 'root/lib'));
  await buildPackage(source, join(source, 'demo.ipk'));
  const found = listing(extract(join(source, 'demo.ipk'), join(source, 'out')));
  assert.equal(found['usr/bin/app'], `file 700 ${Buffer.from('app').toString('base64')}`);
  assert.equal(found['lib'], 'link /usr/lib');
  assert.equal(found['usr/lib/app.js'], `file 644 ${Buffer.from('app').toString('base64')}`);
  assert.equal(found['share/deep/a.txt'], `file 644 ${Buffer.from('a').toString('base64')}`);
  assert.equal(found['share/b.bin'], undefined);
  assert.equal(found['copy/deep/none'], 'dir 755');
  assert.match(execFileSync('dpkg-deb', ['-c', join(source, 'demo.ipk')], { encoding: 'utf8' }), /^-rwx------ 7\/8 .*\.\/rootfs\/usr\/bin\/app$/m);
});

void test('an OCI bundle with CONTROL/control is packed as it is, but for scripts', async (t) => {
  const source = folder(t);
  mkdirSync(join(source, 'CONTROL'));
  mkdirSync(join(source, 'rootfs'));
  writeFileSync(join(source, 'rootfs/hello'), 'hello', { mode: 0o4755 });
  chmodSync(join(source, 'rootfs/hello'), 0o4755);
  writeFileSync(join(source, 'config.json'), '{"ociVersion":"1.0.2"}');
  writeFileSync(join(source, 'CONTROL/control'), 'Package: hello\nVersion: 1\nArchitecture: all\nHomepage: http://x.example\n');
  writeFileSync(join(source, 'CONTROL/postinst'), '#!/bin/sh\n');
  const out = folder(t);
  const report = await buildPackage(source, join(out, 'hello.ipk'));
  assert.deepEqual(report.warnings, [
    'maintainer scripts were left out, since Berth never runs them: postinst',
    'set-id bits were taken off: rootfs/hello',
  ]);
  extract(join(out, 'hello.ipk'), join(out, 'x'));
  assert.deepEqual(Object.keys(listing(join(out, 'x'))), ['config.json', 'rootfs', 'rootfs/hello']);
  assert.equal(report.control.fields.get('Homepage'), 'http://x.example');
});

void test('a build that fails or is cancelled leaves nothing behind and the old package as it was', async (t) => {
  const source = demo(t);
  const output = join(source, 'demo.ipk');
  writeFileSync(output, 'old');
  const before = readdirSync(source).toSorted();
  const abort = new AbortController();
  const cancelled = buildPackage(source, output, {
    signal: abort.signal,
    onProgress: ({ path }) => {
      if (path === 'rootfs/bin') abort.abort();
    },
  });
  await assert.rejects(cancelled, { code: 'cancelled' });
  writeFileSync(join(source, 'root/bad\nname'), '');
  await assert.rejects(buildPackage(source, output), { code: 'bad_package', message: /holds a control character/ });
  await assert.rejects(buildPackage(source, join(source, 'no/where.ipk')), (error) => isErrno(error, 'ENOENT'));
  assert.deepEqual(readdirSync(source).toSorted(), before);
  assert.equal(readFileSync(output, 'utf8'), 'old');
});

void test('a data directory that a link of the rootfs leads elsewhere is refused', async (t) => {
  const source = demo(t, recipe.replace('[/bin/demo]', '[/bin/demo], data: [/absolute/x]'));
  await assert.rejects(buildPackage(source, join(source, 'demo.ipk')), { code: 'bad_package', message: /directory \/absolute\/x, on which something is mounted, leads over \/absolute/ });
});

void test('what installing would refuse is refused when building', async (t) => {
  const source = demo(t);
  const output = join(source, 'demo.ipk');
  writeFileSync(join(source, 'berth.yaml'), recipe.replace('rootfs: root', 'rootfs: none'));
  await assert.rejects(buildPackage(source, output), { code: 'not_found', message: /rootfs: there is nothing at .*none/ });
  const latin1 = Buffer.concat([Buffer.from(`${source}/root/`), Buffer.from([0xe4])]);
  writeFileSync(join(source, 'berth.yaml'), recipe);
  writeFileSync(latin1, '');
  await assert.rejects(buildPackage(source, output), { code: 'bad_package', message: /"ä" is not UTF-8/ });
});

/** Names as awkward as Linux allows and Berth takes. */
const name = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  fc.constantFrom('a', 'a-b', 'a.b', 'a/b', '-x', ' ', '*', 'ü', '\u{1f600}', '\ufffd', 'x'.repeat(120), 'ü'.repeat(120)),
).filter((text) => /^[^/\p{Cc}\p{Cs}]+$/u.test(text) && text.isWellFormed() && text !== '.' && text !== '..' && Buffer.byteLength(text) <= 255);
const node = fc.letrec((tie) => ({
  tree: fc.dictionary(name, tie('node'), { maxKeys: 5, noNullPrototype: true, depthIdentifier: 'tree' }),
  node: fc.oneof(
    { depthIdentifier: 'tree', maxDepth: 4 },
    fc.record({ kind: fc.constant('file'), bytes: fc.uint8Array({ maxLength: 1500 }), mode: fc.constantFrom(0o644, 0o755, 0o400, 0o000) }),
    fc.record({ kind: fc.constant('link'), target: name }),
    fc.record({ kind: fc.constant('again') }),
    tie('tree'),
  ),
})).tree;

type Sketch = { kind: 'file'; bytes: Uint8Array; mode: number } | { kind: 'link'; target: string } | { kind: 'again' };

function draw(root: string, tree: Record<string, unknown>, files: string[] = []): void {
  mkdirSync(root);
  for (const [name, value] of Object.entries(tree)) {
    const path = join(root, name);
    const sketch = value as Sketch;
    if (sketch.kind === 'file' && sketch.bytes instanceof Uint8Array) {
      writeFileSync(path, sketch.bytes);
      chmodSync(path, sketch.mode);
      files.push(path);
    } else if (sketch.kind === 'link' && typeof sketch.target === 'string') symlinkSync(sketch.target, path);
    else if (sketch.kind === 'again' && files.length > 0) linkSync(files[0]!, path);
    else if (typeof sketch.kind !== 'string') draw(path, value as Record<string, unknown>, files);
  }
}

void test('any tree comes out of dpkg-deb as it went in', async (t) => {
  const base = folder(t);
  await fc.assert(
    fc.asyncProperty(node, async (tree) => {
      const source = mkdtempSync(join(base, 'tree-'));
      writeFileSync(join(source, 'berth.yaml'), recipe);
      draw(join(source, 'root'), tree);
      const { digest } = await buildPackage(source, join(source, 'demo.ipk'), { compression: 'gz', level: 1 });
      const root = extract(join(source, 'demo.ipk'), join(source, 'out'));
      assert.deepEqual(listing(root), listing(join(source, 'root')));
      assert.equal((await inspectPackage(createReadStream(join(source, 'demo.ipk')))).digest, digest);
      rmSync(source, { recursive: true });
    }),
    { numRuns: 100 },
  );
});
