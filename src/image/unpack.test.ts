import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PassThrough } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { digestOf } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { encodePaxRecords, tarTypes } from './tar-header.ts';
import type { Vouched } from '../trust/index.ts';
import type { Admission } from './admission.ts';
import { arArchive, berthMembers, classicMembers, classicPackage, dir, hardlink, manifestOf, pieces, smallLimits, symlink, tarArchive, tinyControl, type EntrySpec, type Member } from './test-fixtures.ts';
import { unpackPackage, type PackageClaim, type UnpackOptions } from './unpack.ts';
import { verifyImage } from './verify-image.ts';

const work = mkdtempSync(join(tmpdir(), 'berth-unpack-'));
after(() => rmSync(work, { recursive: true, force: true }));
const isRoot = process.geteuid?.() === 0;

function newTarget(): string {
  return mkdtempSync(join(work, 'target-'));
}

function unpack(bytes: Buffer, target: string | undefined, options: Partial<UnpackOptions> = {}): ReturnType<typeof unpackPackage> {
  return unpackPackage(pieces(bytes, 1000), target, { limits: smallLimits(), ...options });
}

/** Refused, and nothing is left. */
async function refuse(bytes: Buffer, code: string, message: RegExp, options: Partial<UnpackOptions> = {}): Promise<void> {
  const target = newTarget();
  await assert.rejects(unpack(bytes, target, options), (error: unknown) => {
    assert.ok(error instanceof BerthError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
  assert.deepEqual(readdirSync(target), []);
}

const sample: readonly EntrySpec[] = [
  { name: 'config.json', data: JSON.stringify({ annotations: { 'org.berth.data': '/data,/var/lib/app' } }) },
  dir('rootfs', { mtime: 5 }),
  dir('rootfs/bin', { mode: 0o700, uid: 7, gid: 8, mtime: 6 }),
  { name: 'rootfs/bin/app', data: 'program', mode: 0o755, uid: 1000, gid: 1001, mtime: 99 },
  hardlink('rootfs/bin/same', 'rootfs/bin/app'),
  dir('rootfs/closed', { mode: 0, mtime: 3 }),
  { name: 'rootfs/closed/file', data: Buffer.alloc(100_000, 'x'), mode: 0o400 },
  symlink('rootfs/tmp', '/var/tmp'),
];

test('an image is unpacked with modes, owners, times and links as the package says', async () => {
  const target = newTarget();
  const report = await unpack(arArchive(berthMembers(sample, { signature: Buffer.from('sig') })), target);
  const manifest = manifestOf(sample);
  assert.equal(report.digest, digestOf(manifest));
  assert.deepEqual([report.manifestGiven, report.signatureBytes, report.entries, report.files, report.compression, report.hasRootfs], [true, 3, 8, 3, 'zst', true]);
  assert.equal(report.config, sample[0]!.data);
  assert.deepEqual(readdirSync(target).toSorted(), ['bundle', 'manifest', 'signature.p7s']);
  assert.deepEqual(readFileSync(join(target, 'manifest')), manifest);
  const bundle = join(target, 'bundle');
  assert.equal(statSync(bundle).mode & 0o7777, 0o711);
  const app = lstatSync(join(bundle, 'rootfs/bin/app'));
  assert.deepEqual([app.mode & 0o7777, app.mtimeMs, app.nlink], [0o755, 99_000, 2]);
  if (isRoot) assert.deepEqual([app.uid, app.gid], [1000, 1001]);
  assert.equal(lstatSync(join(bundle, 'rootfs/bin')).mtimeMs, 6000);
  assert.equal(lstatSync(join(bundle, 'rootfs/closed')).mode & 0o7777, 0);
  assert.equal(readlinkSync(join(bundle, 'rootfs/tmp')), '/var/tmp');
  assert.deepEqual(await verifyImage(target, { digest: report.digest }), []);
});

test('missing mount points are made, without links being followed and without changing the manifest', async () => {
  const target = newTarget();
  await unpack(arArchive(berthMembers(sample)), target);
  const rootfs = join(target, 'bundle/rootfs');
  assert.deepEqual(readdirSync(rootfs).toSorted(), ['bin', 'closed', 'data', 'dev', 'proc', 'run', 'sys', 'tmp', 'var']);
  assert.ok(lstatSync(join(rootfs, 'var/lib/app')).isDirectory());
  assert.equal(lstatSync(rootfs).mtimeMs, 5000);
  await refuse(classicPackage([...sample, symlink('rootfs/data', '/')]), 'bad_package', /directory \/data, on which something is mounted, leads over \/data, which is a symlink/);
});

test('files on which those about the network are mounted are made for an app that asks for one, and only where there is nothing', async () => {
  const config = { name: 'config.json', data: JSON.stringify({ annotations: { 'org.berth.network': 'bridge' } }) };
  const etcOf = async (...entries: readonly EntrySpec[]): Promise<string[]> => {
    const target = newTarget();
    const { digest } = await unpack(arArchive(berthMembers([config, dir('rootfs'), ...entries])), target);
    assert.deepEqual(await verifyImage(target, { digest }), []);
    const etc = join(target, 'bundle/rootfs/etc');
    return readdirSync(etc).map((name) => `${name} ${lstatSync(join(etc, name)).size}`).toSorted();
  };
  assert.deepEqual(await etcOf(), ['hosts 0', 'resolv.conf 0']);
  assert.deepEqual(await etcOf(dir('rootfs/etc'), { name: 'rootfs/etc/hosts', data: 'mine' }, symlink('rootfs/etc/resolv.conf', '/run/x')), ['hosts 4', 'resolv.conf 6']);
  assert.deepEqual(await etcOf(symlink('rootfs/etc', 'tmp'), dir('rootfs/tmp')), []);
});

test('the same contents give the same digest, with a manifest or without, in any form and order', async () => {
  const expected = digestOf(manifestOf(sample));
  const classic = classicMembers(sample.toReversed().toSorted((a, b) => Number(a.type === tarTypes.hardlink) - Number(b.type === tarTypes.hardlink)));
  const [format, control, data] = [classic[0]!, classic[1]!, classic[2]!];
  const late: Member = ['_manifest.json', manifestOf(sample)];
  const xz: Member = ['data.tar.xz', execFileSync('xz', ['-c'], { input: tarArchive(sample) })];
  const outer = tarArchive([dir('./'), ...classic.map(([name, bytes]) => ({ name: `./${name}`, data: bytes }))]);
  const forms: Readonly<Record<string, Buffer>> = {
    classic: arArchive(classic),
    'data before control': arArchive([format, data, control]),
    'manifest last': arArchive([format, data, control, late]),
    'debian-binary last': arArchive([control, data, format]),
    xz: arArchive([format, control, xz]),
    'outer tar': outer,
    'outer tar.gz': gzipSync(outer),
    'outer tar.zst': zstdCompressSync(outer),
  };
  for (const [form, bytes] of Object.entries(forms)) {
    const target = newTarget();
    assert.equal((await unpack(bytes, target)).digest, expected, form);
    assert.deepEqual(await verifyImage(target), [], form);
    assert.equal((await unpack(bytes, undefined)).digest, expected, `${form}, only looked at`);
  }
});

test('directories that are only implied are in the computed manifest', async () => {
  const target = newTarget();
  const report = await unpack(classicPackage([{ name: './a/b/c', data: 'x' }, dir('a/', { mode: 0o700 })]), target);
  const meta = { mode: 0o755, mtime: 0 };
  assert.deepEqual(readFileSync(join(target, 'manifest')), manifestOf([dir('a', { mode: 0o700 }), dir('a/b', meta), { name: 'a/b/c', data: 'x' }]));
  assert.equal(report.entries, 3);
});

test('set-id bits and capabilities are stripped and told', async () => {
  const target = newTarget();
  const capability: EntrySpec = { name: 'pax', type: tarTypes.paxHeader, data: encodePaxRecords([['SCHILY.xattr.security.capability', '\u0001']]) };
  const report = await unpack(classicPackage([{ name: 'su', mode: 0o4755, data: 'x' }, dir('shared', { mode: 0o2775 }), capability, { name: 'cap' }]), target);
  assert.deepEqual(report.warnings, ['su: set-user-id or set-group-id bit stripped (mode 4755)', 'shared: set-user-id or set-group-id bit stripped (mode 2775)', 'cap: file capability stripped']);
  assert.equal(statSync(join(target, 'bundle/su')).mode & 0o7777, 0o755);
});

test('what a package can do to the manifest it brings', async () => {
  const file: EntrySpec = { name: 'a', data: 'good' };
  const manifest = manifestOf([file]);
  const berth = (data: readonly EntrySpec[], rest = {}): Buffer => arArchive(berthMembers(data, { manifest, ...rest }));
  await refuse(berth([{ ...file, data: 'evil' }]), 'bad_package', /contents of "a" are not those/);
  const large: EntrySpec = { name: 'a', data: Buffer.alloc(1 << 20) };
  await refuse(arArchive(berthMembers([{ ...large, data: Buffer.alloc(1 << 20, 1) }], { manifest: manifestOf([large]) })), 'bad_package', /contents of "a" are not those/);
  await refuse(berth([{ ...file, data: 'longer' }]), 'bad_package', /size 6, but in _manifest.json it is 4/);
  await refuse(berth([{ ...file, mode: 0o600 }]), 'bad_package', /mode 384/);
  await refuse(berth([{ ...file, name: 'b' }]), 'bad_package', /"b" stands where/);
  await refuse(berth([file, { name: 'b' }]), 'bad_package', /"b" is not in _manifest.json/);
  await refuse(berth([]), 'bad_package', /"a" is not in the data/);
  await refuse(berth([file], { control: 'Package: demo\nVersion: 2\nArchitecture: all\n' }), 'bad_package', /differ in Description, Maintainer, Version/);
  const classic = classicMembers([{ ...file, data: 'evil' }]);
  await refuse(arArchive([...classic, ['_manifest.json', manifest]]), 'bad_package', /not the manifest of what is in the package/);
  await refuse(arArchive([...classic, ['_signature.p7s', Buffer.from('x')]]), 'bad_package', /must stand before/);
  await refuse(arArchive([['_signature.p7s', Buffer.from('x')], ...classic]), 'bad_package', /signs _manifest.json/);
});

test('verification comes before anything is parsed, with the digest of the bytes that are then enforced', async () => {
  const garbage: readonly Member[] = [['debian-binary', Buffer.from('2.0\n')], ['_manifest.json', Buffer.from('no manifest\n')], ['_signature.p7s', Buffer.from('sig')], ['control.tar.gz', Buffer.from('no gzip')], ['data.tar.gz', Buffer.from('no gzip')]];
  let seen: PackageClaim | undefined;
  const verify = async (claim: PackageClaim): Promise<Vouched> => {
    seen = claim;
    throw new BerthError('untrusted', 'nobody vouches for it');
  };
  await refuse(arArchive(garbage), 'untrusted', /nobody vouches/, { verify });
  assert.equal(seen?.manifest?.digest, digestOf('no manifest\n'));
  assert.equal(Buffer.from(seen.signature!).toString(), 'sig');
  await refuse(arArchive(garbage), 'bad_package', /JSON/, { verify: async (claim) => ({ authority: claim.manifest!.control().package, signers: [] }) });
  await refuse(classicPackage(sample), 'untrusted', /nobody/, { verify });
  assert.deepEqual(seen, {});
  let name = '';
  await unpack(arArchive(berthMembers(sample)), newTarget(), {
    verify: async ({ manifest }) => {
      name = manifest!.control().package;
      return { signers: [] };
    },
  });
  assert.equal(name, 'demo');
});

test('a package is let in once, by its manifest or else when control is read; one that is not let in leaves nothing', async () => {
  const asked: Admission[] = [];
  const admit = async (admission: Admission): Promise<object> => {
    asked.push(admission);
    return {};
  };
  const vouched: Vouched = { authority: 'acme', signers: [] };
  const manifest = manifestOf(sample);
  await unpack(arArchive([...berthMembers(sample)]), newTarget(), { admit, verify: async () => vouched });
  const [format, control, data] = classicMembers(sample);
  const late: Member = ['_manifest.json', manifest];
  for (const members of [[format!, control!, data!], [format!, data!, control!], [format!, control!, late, data!]]) await unpack(arArchive(members), newTarget(), { admit });
  const byName = { name: 'demo', version: '1.0', vouched: { signers: [] } };
  assert.deepEqual(asked, [{ digest: digestOf(manifest), name: 'demo', version: '1.0', vouched }, byName, byName, byName]);
  const refuses = async (): Promise<never> => {
    throw new BerthError('conflict', 'not this one');
  };
  for (const bytes of [arArchive(berthMembers(sample)), classicPackage(sample)]) await refuse(bytes, 'conflict', /not this one/, { admit: refuses });
});

test('nothing is written, linked or changed outside the target', async () => {
  const outside = join(work, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'victim'), 'unchanged', { mode: 0o640 });
  const before = JSON.stringify(lstatSync(join(outside, 'victim')));
  const victim = join(outside, 'victim');
  const tricks: readonly (readonly [entries: readonly EntrySpec[], message: RegExp])[] = [
    [[{ name: '../outside/new' }], /"\.\."/],
    [[{ name: 'a/../../outside/new' }], /"\.\."/],
    [[{ name: join(outside, 'new').slice(0, 99) }], /absolute/],
    [[symlink('l', outside), { name: 'l/new' }], /lies below "l"/],
    [[symlink('l', victim), { name: 'l', data: 'evil' }], /there already/],
    [[symlink('l', victim), dir('l', { mode: 0o777 })], /there already/],
    [[symlink('l', outside), dir('l/')], /there already/],
    [[symlink('l', victim), hardlink('h', 'l')], /hard link to "l", which is a symlink/],
    [[hardlink('h', victim)], /absolute/],
    [[hardlink('h', '../outside/victim')], /"\.\."/],
    [[symlink('d', outside), hardlink('h', 'd/victim')], /not in the package/],
    [[dir('d'), hardlink('h', 'd')], /which is a dir/],
    [[hardlink('h', 'h')], /not in the package/],
    [[{ name: 'f' }, { name: 'f/g' }], /lies below "f", which is no directory but a file/],
    [[{ name: 'f' }, { name: './f' }], /there already/],
    [[dir('d'), dir('d')], /there already/],
    [[{ name: 'a\nb' }], /control character/],
    [[{ name: 'n', type: tarTypes.charDevice }], /character device/],
    [[{ name: 'n', type: tarTypes.blockDevice }], /block device/],
    [[{ name: 'n', type: tarTypes.fifo }], /FIFO/],
    [[symlink('.', outside)], /root of the package/],
    [[symlink('l', '')], /without a target/],
  ];
  for (const [entries, message] of tricks) await refuse(classicPackage(entries), 'bad_package', message);
  assert.deepEqual(readdirSync(outside), ['victim']);
  assert.equal(JSON.stringify(lstatSync(victim)), before);
});

test('limits hold while the package streams', async () => {
  const one = classicPackage([{ name: 'a', data: Buffer.alloc(5000) }, dir('b/'), { name: 'b/c/deeper' }]);
  await refuse(one, 'too_large', /larger than the limit of 100 B/, { limits: smallLimits({ packageBytes: 100 }) });
  await refuse(one, 'too_large', /unpacks to more/, { limits: smallLimits({ unpackedBytes: 4999 }) });
  await refuse(one, 'too_large', /more than 3 entries/, { limits: smallLimits({ entries: 3 }) });
  await refuse(one, 'too_large', /3 levels deep; at most 2/, { limits: smallLimits({ pathDepth: 2 }) });
  await refuse(one, 'too_large', /10 bytes; at most 9/, { limits: smallLimits({ pathBytes: 9 }) });
  await refuse(one, 'too_large', /control.tar.gz: larger/, { limits: smallLimits({ controlBytes: 1000 }) });
  const berth = arArchive(berthMembers(sample, { signature: Buffer.alloc(20) }));
  await refuse(berth, 'too_large', /_manifest.json: larger/, { limits: smallLimits({ manifestBytes: 200 }) });
  await refuse(berth, 'too_large', /_signature.p7s: larger/, { limits: smallLimits({ signatureBytes: 19 }) });
  await refuse(berth, 'too_large', /config.json has/, { limits: smallLimits({ configBytes: 10 }) });
  const bomb = classicPackage([{ name: 'zeros', data: Buffer.alloc(64 << 20) }]);
  await refuse(bomb, 'too_large', /50 times its size/, { limits: smallLimits({ expansionRatio: 50 }) });
});

test('compressed members: what is after the end, cut off or not supported is refused by name', async () => {
  const [format, control, data] = classicMembers([{ name: 'a', data: 'x' }]) as [Member, Member, Member];
  const withData = (name: string, bytes: Buffer): Buffer => arArchive([format, control, [name, bytes]]);
  const tar = tarArchive([{ name: 'a', data: 'x' }]);
  await refuse(withData('data.tar.gz', Buffer.concat([data[1], Buffer.alloc(8)])), 'bad_package', /something after the end/);
  await refuse(withData('data.tar.zst', Buffer.concat([zstdCompressSync(tar), Buffer.from('garbage!')])), 'bad_package', /something after the end/);
  await refuse(withData('data.tar.zst', zstdCompressSync(tar).subarray(0, -2)), 'bad_package', /cut off/);
  await refuse(withData('data.tar.gz', Buffer.alloc(0)), 'bad_package', /cut off/);
  await refuse(withData('data.tar.xz', Buffer.from('no xz')), 'bad_package', /damaged xz/);
  await refuse(withData('data.tar.lz4', tar), 'unsupported', /data.tar.lz4 .*lz4/);
  await refuse(withData('data.tar', tar), 'unsupported', /not compressed/);
  const window = execFileSync('zstd', ['--ultra', '--long=27', '-19', '-c', '--no-progress'], { input: Buffer.alloc(64 << 20, 'ab') });
  await refuse(withData('data.tar.zst', window), 'too_large', /window of more than 32 MiB/);
  const half = Math.floor(tar.length / 2);
  const frames = Buffer.concat([zstdCompressSync(tar.subarray(0, half)), zstdCompressSync(tar.subarray(half))]);
  assert.equal((await unpack(withData('data.tar.zst', frames), newTarget())).files, 1);
});

test('without xz installed, a package that needs it says so', async () => {
  const [format, control] = classicMembers([]);
  const bytes = arArchive([format!, control!, ['data.tar.xz', execFileSync('xz', ['-c'], { input: tarArchive([]) })]]);
  const path = process.env['PATH'];
  process.env['PATH'] = '/nowhere';
  try {
    await refuse(bytes, 'unavailable', /xz-utils/);
  } finally {
    process.env['PATH'] = path;
  }
});

test('control holds ordinary files only; scripts are told and never run', async () => {
  const [format, , data] = classicMembers([{ name: 'a' }]) as [Member, Member, Member];
  const withControl = (entries: readonly EntrySpec[]): Buffer => arArchive([format, ['control.tar.gz', gzipSync(tarArchive(entries))], data]);
  const control: EntrySpec = { name: 'control', data: 'Package: demo\nVersion: 1\nArchitecture: all\n' };
  await refuse(withControl([control, symlink('list', '/etc/passwd')]), 'bad_package', /not an ordinary file/);
  await refuse(withControl([control, { name: './control' }]), 'bad_package', /twice/);
  await refuse(withControl([]), 'bad_package', /no file "control"/);
  await refuse(withControl([control, { name: 'conffiles', data: '/a/../b\n' }]), 'bad_package', /conffiles/);
  const report = await unpack(withControl([control, { name: 'postinst', data: `#!/bin/sh\ntouch ${work}/ran\n`, mode: 0o755 }]), newTarget());
  assert.deepEqual(report.scripts, ['postinst']);
  assert.ok(!readdirSync(work).includes('ran'));
});

test('a bundle whose config.json is broken is refused', async () => {
  await refuse(classicPackage([{ name: 'config.json', data: '"process": {}}' }, dir('rootfs')]), 'bad_package', /config.json: not JSON/);
  assert.ok((await unpack(classicPackage([dir('rootfs'), { name: 'rootfs/config.json', data: 'not JSON' }]), newTarget())).hasRootfs);
});

test('cancelled, or cut off by its source, it leaves nothing', async () => {
  const bytes = arArchive(berthMembers([{ name: 'large', data: Buffer.alloc(1 << 20, 'x') }]));
  for (const stop of ['abort', 'error'] as const) {
    const target = newTarget();
    const source = new PassThrough();
    const controller = new AbortController();
    const unpacking = unpackPackage(source, target, { limits: smallLimits(), signal: controller.signal });
    source.write(bytes.subarray(0, -20));
    setImmediate(() => (stop === 'abort' ? controller.abort() : source.destroy(new Error('the line is cut'))));
    await assert.rejects(unpacking, stop === 'abort' ? { code: 'cancelled' } : /the line is cut/);
    assert.deepEqual(readdirSync(target), []);
  }
});

test('a target that is not empty is left as it is', async () => {
  const target = newTarget();
  writeFileSync(join(target, 'there'), 'x');
  await assert.rejects(unpack(classicPackage([]), target), { code: 'conflict' });
  assert.deepEqual(readdirSync(target), ['there']);
});

test('what dpkg-deb builds is unpacked as dpkg-deb unpacks it', async () => {
  const tree = join(work, 'tree');
  mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
  mkdirSync(join(tree, 'rootfs/usr/bin'), { recursive: true });
  writeFileSync(join(tree, 'DEBIAN/control'), tinyControl);
  writeFileSync(join(tree, 'rootfs/usr/bin/app'), Buffer.alloc(300_000, 'ab'), { mode: 0o755 });
  writeFileSync(join(tree, `rootfs/${'n'.repeat(200)}`), 'long name');
  execFileSync('ln', ['-s', '/bin/app', join(tree, 'rootfs/link')]);
  execFileSync('ln', [join(tree, 'rootfs/usr/bin/app'), join(tree, 'rootfs/usr/bin/same')]);
  for (const compression of ['gzip', 'xz', 'zstd']) {
    const file = join(work, `${compression}.deb`);
    execFileSync('dpkg-deb', [`-Z${compression}`, '-b', tree, file], { stdio: 'ignore' });
    const [target, reference] = [newTarget(), newTarget()];
    await unpack(readFileSync(file), target);
    execFileSync('dpkg-deb', ['-x', file, reference]);
    const list = (root: string): string => execFileSync('sh', ['-c', 'cd "$0" && find . -mindepth 1 -printf "%p %y %m %U %G %T@ %l %n\\n" | sort && find . -type f | sort | xargs sha256sum', root], { encoding: 'utf8' });
    assert.equal(list(join(target, 'bundle')), list(reference));
  }
});

test('entries are given to the users of the app, also where control comes after them, and the image is checked against those', { skip: isRoot ? false : 'only root can give files away' }, async () => {
  const idBase = 500_000;
  const admit = async (): Promise<{ readonly idBase: number }> => Promise.resolve({ idBase });
  const [debian, control, data] = classicMembers(sample);
  for (const bytes of [arArchive(berthMembers(sample)), arArchive([debian!, control!, data!]), arArchive([debian!, data!, control!])]) {
    const target = newTarget();
    await unpack(bytes, target, { admit });
    const owners = ['config.json', 'rootfs', 'rootfs/bin', 'rootfs/bin/app', 'rootfs/tmp', 'rootfs/var/lib/app'].map((path) => {
      const { uid, gid } = lstatSync(join(target, 'bundle', path));
      return [uid - idBase, gid - idBase];
    });
    assert.deepEqual(owners, [[0, 0], [0, 0], [7, 8], [1000, 1001], [0, 0], [0, 0]]);
    assert.equal(lstatSync(join(target, 'bundle/rootfs/bin/app')).mode & 0o7777, 0o755);
    assert.deepEqual(await verifyImage(target, { idBase }), []);
    assert.match((await verifyImage(target))[0]!, /config\.json: owner 500000:500000 instead of 0:0/);
  }
});

test('a package with a user that no app has is refused', async () => {
  for (const id of [{ uid: 65_536 }, { gid: 4_000_000 }]) {
    await refuse(arArchive(berthMembers([{ name: 'a', data: 'x', ...id }])), 'bad_package', /"a" belongs to user \d+ and group \d+; an app has those from 0 to 65535/);
  }
});
