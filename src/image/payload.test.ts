import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sha256Hex } from '../lib/digest.ts';
import { BerthError, type ErrorCode } from '../lib/errors.ts';
import { maxPayloadPackages } from './limits.ts';
import { unpackPayload } from './payload.ts';
import { packPayload, payloadSize } from './payload-writer.ts';
import { tarTypes } from './tar-header.ts';
import { arArchive, berthMembers, classicMembers, classicPackage, cpioArchive, dir, hardlink, manifestOf, pieces, smallLimits, swDescription, swu, symlink, tarArchive, tinyControl, type EntrySpec } from './test-fixtures.ts';
import type { PackageLimits, PayloadReport } from './types.ts';
import { verifyImage } from './verify-image.ts';

const work = mkdtempSync(join(tmpdir(), 'berth-payload-'));
after(() => rmSync(work, { recursive: true, force: true }));

const files: readonly EntrySpec[] = [{ name: 'a', data: 'contents' }, dir('b')];

function control(name: string): string {
  return tinyControl.replace('demo', name);
}

function classic(name: string, data: readonly EntrySpec[] = files): Buffer {
  return classicPackage(data, control(name));
}

function berth(name: string, data: readonly EntrySpec[] = files): Buffer {
  return arArchive(berthMembers(data, { control: control(name) }));
}

/** In the form that is a tar archive itself. */
function tarPackage(name: string): Buffer {
  return gzipSync(tarArchive([dir('./'), ...classicMembers(files, control(name)).map(([member, data]) => ({ name: `./${member}`, data }))]));
}

const three = { 'one.ipk': classic('one'), 'two.ipk': berth('two'), 'three.ipk': tarPackage('three') };

/** What GNU tar makes of these files, in their order. */
function realTar(contents: Readonly<Record<string, Buffer>>, ...args: readonly string[]): Buffer {
  const folder = mkdtempSync(join(work, 'tar-'));
  for (const [name, bytes] of Object.entries(contents)) writeFileSync(join(folder, name), bytes);
  return execFileSync('tar', ['-c', ...args, '-f', '-', '-C', folder, ...Object.keys(contents)], { maxBuffer: 1 << 28 });
}

function archive(contents: Readonly<Record<string, Buffer>>): Buffer {
  return tarArchive(Object.entries(contents).map(([name, data]) => ({ name, data })));
}

function newTarget(): string {
  return mkdtempSync(join(work, 'target-'));
}

async function unpack(bytes: Buffer, target: string | undefined, limits: Partial<PackageLimits> = {}, pieceBytes = 1000): Promise<PayloadReport> {
  return await unpackPayload(pieces(bytes, pieceBytes), target, { limits: smallLimits(limits) });
}

async function refuse(bytes: Buffer, code: ErrorCode, message: RegExp, limits: Partial<PackageLimits> = {}): Promise<void> {
  const target = newTarget();
  for (const where of [target, undefined]) {
    await assert.rejects(unpack(bytes, where, limits), (error: unknown) => {
      assert.ok(error instanceof BerthError, String((error as Error).stack));
      assert.match(error.message, message);
      assert.equal(error.code, code);
      return true;
    });
  }
  assert.deepEqual(readdirSync(target), []);
}

const found = ({ packages }: PayloadReport): readonly (readonly string[])[] => packages.map(({ name, report }) => [name, report.control.package]);

test('a package alone is a payload, in any form', async () => {
  for (const bytes of [classic('demo'), berth('demo'), tarPackage('demo')]) {
    const target = newTarget();
    const report = await unpack(bytes, target);
    assert.equal(report.kind, 'package');
    assert.equal(report.bytes, bytes.length);
    assert.deepEqual(found(report), [['', 'demo']]);
    assert.equal(report.packages[0]!.directory, join(target, '0'));
    assert.equal(report.packages[0]!.report.packageBytes, bytes.length);
    assert.deepEqual(await verifyImage(join(target, '0')), []);
  }
});

test('the members of a package that is a tar archive may come in any order', async () => {
  const manifest = manifestOf(files);
  const members = [...classicMembers(files), ['_manifest.json', manifest] as const, ['README', Buffer.from('x')] as const];
  for (let turn = 0; turn < members.length; turn += 1) {
    const turned = [...members.slice(turn), ...members.slice(0, turn)];
    const { kind } = await unpack(tarArchive(turned.map(([name, data]) => ({ name, data }))), newTarget());
    assert.equal(kind, 'package', turned[0]![0]);
  }
});

test('archives of packages are unpacked in every compression, one directory each', async () => {
  const plain = realTar(three);
  const forms: Readonly<Record<string, Buffer>> = {
    plain,
    'with ./': realTar({ './one.ipk': three['one.ipk'], './two.ipk': three['two.ipk'], './three.ipk': three['three.ipk'] }),
    'with a directory ./': tarArchive([dir('./'), ...Object.entries(three).map(([name, data]) => ({ name: `./${name}`, data }))]),
    pax: realTar(three, '--format=pax'),
    gz: realTar(three, '--gzip'),
    xz: realTar(three, '--xz'),
    zst: realTar(three, '--zstd'),
  };
  for (const [form, bytes] of Object.entries(forms)) {
    for (const pieceBytes of [100, 65_536]) {
      const target = newTarget();
      const report = await unpack(bytes, target, {}, pieceBytes);
      assert.equal(report.kind, 'archive', form);
      assert.equal(report.bytes, bytes.length, form);
      assert.deepEqual(found(report), [['one.ipk', 'one'], ['two.ipk', 'two'], ['three.ipk', 'three']], form);
      assert.deepEqual(readdirSync(target).toSorted(), ['0', '1', '2'], form);
      for (const [index, one] of report.packages.entries()) {
        assert.equal(one.directory, join(target, String(index)));
        assert.equal(one.report.packageBytes, three[one.name as keyof typeof three].length);
        assert.deepEqual(await verifyImage(one.directory), [], form);
        assert.equal(readFileSync(join(one.directory, 'bundle/a'), 'utf8'), 'contents');
      }
    }
    assert.deepEqual(found(await unpack(bytes, undefined)).length, 3, `${form}, only looked at`);
  }
});

test('an update image of Mbed Linux OS is read, whatever the compression of its archive', async () => {
  for (const options of [[], ['--xz'], ['--gzip'], ['--zstd']]) {
    const packed = realTar(three, ...options);
    const described = swDescription(`{ type = "APPSv3"; filename = "APPSv3.tar.xz"; sha256 = "${sha256Hex(packed)}"; compressed = true; }`);
    for (const bytes of [swu(packed), swu(packed, described), Buffer.concat([swu(packed), Buffer.alloc(300)])]) {
      for (const pieceBytes of [7, 65_536]) {
        const target = newTarget();
        const report = await unpack(bytes, target, {}, pieceBytes);
        assert.equal(report.kind, 'swu');
        assert.equal(report.bytes, bytes.length);
        assert.deepEqual(found(report), [['one.ipk', 'one'], ['two.ipk', 'two'], ['three.ipk', 'three']]);
        assert.deepEqual(await verifyImage(join(target, '2')), []);
      }
    }
  }
  const plain = cpioArchive([['sw-description', swDescription()], ['APPSv3.tar.xz', archive(three)]], { format: 'newc' });
  assert.equal((await unpack(plain, newTarget())).packages.length, 3);
});

test('refused: what is no payload', async () => {
  await refuse(Buffer.alloc(0), 'bad_package', /the payload is empty/);
  await refuse(Buffer.from('hello'), 'bad_package', /payload: neither a package \(\.ipk\) nor an archive of packages \(tar, \.swu\): it has only 5 bytes/);
  await refuse(Buffer.alloc(5000, 'x'), 'bad_package', /neither a package .*: byte 0: not a tar header/);
  await refuse(gzipSync(Buffer.alloc(5000, 'x')), 'bad_package', /neither a package .*: byte 0: not a tar header/);
  await refuse(gzipSync(classic('demo')), 'bad_package', /neither a package/);
  await refuse(tarArchive([]), 'bad_package', /the archive is empty/);
  await refuse(tarArchive([dir('./')]), 'bad_package', /the archive is empty/);
  await refuse(tarArchive([{ name: 'README', data: 'x' }]), 'bad_package', /this is no package/);
});

test('refused: everything in an archive that is no package at its top', async () => {
  const one: EntrySpec = { name: 'one.ipk', data: three['one.ipk'] };
  const strangers: readonly (readonly [EntrySpec, RegExp])[] = [
    [dir('x.ipk/'), /"x\.ipk\/" is a directory/],
    [dir('x'), /"x" is a directory/],
    [symlink('x.ipk', 'one.ipk'), /"x\.ipk" is a symbolic link/],
    [hardlink('x.ipk', 'one.ipk'), /"x\.ipk" is a hard link/],
    [{ name: 'x.ipk', type: tarTypes.charDevice }, /"x\.ipk" is a device/],
    [{ name: 'x.ipk', type: tarTypes.fifo }, /"x\.ipk" is a FIFO/],
    [{ name: 'x/x.ipk', data: three['two.ipk'] }, /"x\/x\.ipk" lies in a folder/],
    [{ name: '../x.ipk', data: three['two.ipk'] }, /"\.\.\/x\.ipk" lies in a folder/],
    [{ name: '/x.ipk', data: three['two.ipk'] }, /"\/x\.ipk" lies in a folder/],
    [{ name: 'README', data: 'x' }, /"README" is no \.ipk file|"one\.ipk" stands beside "README"/],
    [{ name: 'one.ipk.sig', data: 'x' }, /"one\.ipk\.sig" is no \.ipk file|"one\.ipk" stands beside "one\.ipk\.sig"/],
  ];
  for (const [stranger, message] of strangers) {
    await refuse(tarArchive([one, stranger]), 'bad_package', message);
    await refuse(tarArchive([stranger, one]), 'bad_package', message);
    await refuse(swu(tarArchive([one, stranger])), 'bad_package', new RegExp(`APPSv3.tar.xz, byte \\d+: ${message.source}`));
  }
});

test('refused: two packages for one app, and both files are named', async () => {
  const twins = { 'one.ipk': classic('one'), 'two.ipk': berth('two'), 'again.ipk': berth('one', [{ name: 'other' }]) };
  await refuse(archive(twins), 'bad_package', /^again\.ipk: its Package is one, as that of one\.ipk/);
  await refuse(swu(archive(twins)), 'bad_package', /^again\.ipk: its Package is one, as that of one\.ipk/);
});

test('refused: an archive that a package spoils, and its file is named', async () => {
  const spoiled = (bytes: Buffer): Buffer => archive({ 'one.ipk': three['one.ipk'], 'bad.ipk': bytes, 'two.ipk': three['two.ipk'] });
  const manifest = manifestOf([{ name: 'other' }]);
  const cases: readonly (readonly [Buffer, ErrorCode, RegExp])[] = [
    [classicPackage([{ name: '../x' }], control('bad')), 'bad_package', /^bad\.ipk: data\.tar\.gz, byte 0: .*"\.\."/],
    [arArchive(berthMembers(files, { manifest })), 'bad_package', /^bad\.ipk: /],
    [classic('bad').subarray(0, -30), 'bad_package', /^bad\.ipk: /],
    [Buffer.from('no package'), 'bad_package', /^bad\.ipk: /],
    [Buffer.alloc(0), 'bad_package', /^bad\.ipk: the package is empty/],
    [realTar(three), 'bad_package', /^bad\.ipk: this is no package/],
    [arArchive([['debian-binary', Buffer.from('2.0\n')], ['control.tar.bz2', Buffer.from('x')]]), 'unsupported', /^bad\.ipk: .*bz2/],
  ];
  for (const [bytes, code, message] of cases) {
    await refuse(spoiled(bytes), code, message);
    await refuse(gzipSync(spoiled(bytes)), code, message);
    await refuse(swu(execFileSync('xz', ['-c'], { input: spoiled(bytes) })), code, message);
  }
});

test('refused: a payload that breaks off anywhere', async () => {
  const plain = archive(three);
  for (const whole of [plain, realTar(three, '--xz'), realTar(three, '--zstd'), gzipSync(plain), swu(realTar(three, '--xz')), classic('demo'), tarPackage('demo')]) {
    for (const share of [0.1, 0.5, 0.9, 0.99]) {
      await refuse(whole.subarray(0, Math.floor((whole === plain ? whole.length - 1536 : whole.length) * share)), 'bad_package', /./);
    }
  }
});

test('refused: an archive that is cut off between two packages', async () => {
  const whole = archive(three);
  await refuse(whole.subarray(0, -1024), 'bad_package', /payload: the zeros that end a tar archive are missing/);
  await refuse(swu(whole.subarray(0, -1024)), 'bad_package', /APPSv3\.tar\.xz: the zeros that end a tar archive are missing/);
  const second = whole.indexOf('two.ipk');
  await refuse(whole.subarray(0, second), 'bad_package', /it was cut off/);
  await refuse(gzipSync(whole.subarray(0, second)), 'bad_package', /it was cut off/);
});

test('refused: more than the limits, which hold for all packages together', async () => {
  const large = Object.fromEntries(['one', 'two', 'three'].map((name) => [`${name}.ipk`, berth(name, [{ name: 'a', data: Buffer.alloc(1000, name) }, dir('b')])]));
  const sizes = Object.values(large).map((bytes) => bytes.length);
  const [sum, all] = [sizes.reduce((total, size) => total + size), archive(large)];
  const manifestBytes = manifestOf([{ name: 'a', data: Buffer.alloc(1000) }, dir('b')]).length;
  await unpack(all, newTarget(), { unpackedBytes: 3000, entries: 6, packageBytes: all.length });
  await refuse(all, 'too_large', /^three\.ipk: .*the payload unpacks to more than the limit of 2\.9 KiB/, { unpackedBytes: 2999 });
  await refuse(all, 'too_large', /^three\.ipk: .*more than 5 entries/, { entries: 5 });
  await refuse(all, 'too_large', /^two\.ipk: _manifest\.json: larger than the limit/, { manifestBytes: manifestBytes + 10 });
  await refuse(all, 'too_large', /the payload is larger than the limit/, { packageBytes: all.length - 1 });
  // Packed, they are smaller than the limit.
  const packed = gzipSync(all);
  assert.ok(packed.length < sum - 1);
  await refuse(packed, 'too_large', /with "three\.ipk" the packages are larger than the limit/, { packageBytes: sum - 1 });
});

test('refused: more packages, or more text of theirs, than is sane', async () => {
  const many = (count: number, rest: readonly EntrySpec[]): Buffer => archive(Object.fromEntries(Array.from({ length: count }, (_, index) => [`${index}.ipk`, classic(`app${index}`, rest)])));
  assert.equal((await unpack(many(maxPayloadPackages, []), undefined)).packages.length, maxPayloadPackages);
  await refuse(many(maxPayloadPackages + 1, []), 'too_large', /more than 256 packages/);
  await refuse(many(14, [{ name: 'config.json', data: Buffer.alloc(1 << 20, 'x') }]), 'too_large', /^1[12]\.ipk: the packages say more of themselves/);
});

test('refused: update images with anything else than applications', async () => {
  const good = archive(three);
  const image = '{ type = "APPSv3"; filename = "APPSv3.tar.xz"; }';
  const described = (...args: Parameters<typeof swDescription>): Buffer => swu(good, swDescription(...args));
  await refuse(described('{ type = "ROOTFSv3"; filename = "ROOTFSv3.tar.xz"; }'), 'unsupported', /images of type ROOTFSv3; Berth updates applications only/);
  await refuse(described(`${image}, { type = "BOOTLOADER1v3"; filename = "b"; }, { filename = "c"; }`), 'unsupported', /images of type BOOTLOADER1v3, none;/);
  await refuse(described('{ type = "APPSv3"; filename = "x"; encrypted = true; }'), 'unsupported', /encrypted/);
  await refuse(described(image, 'scripts: ( { filename = "x.sh"; } );'), 'unsupported', /"software" has scripts; Berth updates applications only/);
  await refuse(described(image, 'board = { images: (); };'), 'unsupported', /"software" has board/);
  await refuse(described(`${image}, ${image}`), 'bad_package', /it has 2 images/);
  await refuse(described(''), 'bad_package', /it has 0 images/);
  await refuse(described('{ type = "APPSv3"; }'), 'bad_package', /no "filename"/);
  await refuse(described('"APPSv3"'), 'bad_package', /no list "images" of groups/);
  await refuse(described('{ type = 3; }'), 'bad_package', /"type" of an image is not text/);
  await refuse(swu(good, Buffer.from('software {')), 'bad_package', /sw-description, line 1: "=" is missing after software/);
  await refuse(swu(good, Buffer.from('software = { a = 1;\n\n')), 'bad_package', /sw-description, line 3: a name is expected, not the end/);
  await refuse(swu(good, Buffer.from('@include "/etc/passwd"')), 'bad_package', /sw-description, line 1: "@include/);
  await refuse(swu(good, Buffer.from('a = 1;')), 'bad_package', /no group "software"/);
  await refuse(swu(good, Buffer.from([0xff])), 'bad_package', /not UTF-8/);
  await refuse(swu(good, Buffer.from(`a = ${'('.repeat(100)}`)), 'bad_package', /nested more than 16 deep/);
  await refuse(swu(good, Buffer.alloc(70_000, ' ')), 'too_large', /sw-description: larger than the limit of 64\.0 KiB/);
});

test('refused: update images that are not what they say', async () => {
  const good = archive(three);
  const description = ['sw-description', swDescription()] as const;
  await refuse(cpioArchive([]), 'bad_package', /the cpio archive is empty/);
  await refuse(cpioArchive([['x', good]]), 'bad_package', /begins with "x", not with sw-description/);
  await refuse(cpioArchive([description]), 'bad_package', /lacks "APPSv3\.tar\.xz"/);
  await refuse(cpioArchive([description, ['other', good]]), 'bad_package', /holds "other", which sw-description does not name/);
  await refuse(cpioArchive([description, ['APPSv3.tar.xz', good], ['APPSv3.tar.xz', good]]), 'bad_package', /holds "APPSv3\.tar\.xz" twice/);
  await refuse(cpioArchive([description, ['APPSv3.tar.xz', tarPackage('demo')]]), 'bad_package', /APPSv3\.tar\.xz, byte \d+: "debian-binary" is no \.ipk file/);
  await refuse(cpioArchive([description, ['APPSv3.tar.xz', classic('demo')]]), 'bad_package', /^APPSv3\.tar\.xz: neither/);
  await refuse(cpioArchive([description, ['APPSv3.tar.xz', good]], { sum: 7 }), 'bad_package', /sw-description is damaged: its bytes add up to \d+, not to 7/);
  await refuse(cpioArchive([description], { mode: 0o040755 }), 'bad_package', /"sw-description" is not a file/);
  const flipped = swu(good);
  // Within the zeros after a package: nothing but the sum tells.
  flipped[flipped.indexOf('three.ipk') - 10]! ^= 1;
  await refuse(flipped, 'bad_package', /APPSv3\.tar\.xz is damaged|checksum/);
  await refuse(swu(good, swDescription(`{ type = "APPSv3"; filename = "APPSv3.tar.xz"; sha256 = "${sha256Hex('x')}"; }`)), 'bad_package', /its SHA-256 is/);
  await refuse(Buffer.concat([swu(good), Buffer.from('x')]), 'bad_package', /something after the end/);
  await refuse(swu(good).subarray(0, -124), 'bad_package', /it ends too early/);
});

test('files are put together to a payload of the size that was told', async () => {
  const names = ['one.ipk', `${'long'.repeat(60)}.ipk`];
  const bytes = [three['one.ipk'], three['two.ipk']];
  const given = names.map((name, index) => ({ name, bytes: bytes[index]!.length, open: () => Readable.from([bytes[index]!]) }));
  const packed = Buffer.concat(await packPayload(given).toArray());
  assert.equal(packed.length, payloadSize(given));
  assert.deepEqual(found(await unpack(packed, newTarget())), [[names[0], 'one'], [names[1], 'two']]);
  const folder = mkdtempSync(join(work, 'listed-'));
  writeFileSync(join(folder, 'payload.tar'), packed);
  assert.deepEqual(execFileSync('tar', ['-tf', join(folder, 'payload.tar')], { encoding: 'utf8' }).trim().split('\n'), names.map((name) => `./${name}`));
});

test('a file that changes while it is put into a payload ends the stream, and every file is closed', async () => {
  for (const bytes of [three['one.ipk'].length - 1, three['one.ipk'].length + 1]) {
    const source = Readable.from([three['one.ipk']]);
    await assert.rejects(packPayload([{ name: 'one.ipk', bytes, open: () => source }]).toArray(), { code: 'conflict' });
    assert.equal(source.destroyed, true);
  }
  const source = Readable.from(endless());
  const stream = packPayload([{ name: 'one.ipk', bytes: 1e9, open: () => source }]);
  for await (const chunk of stream) if ((chunk as Buffer).length > 512) break;
  await finished(source, { error: false }).catch(() => undefined);
  assert.equal(source.destroyed, true);
  assert.throws(() => packPayload([{ name: 'a/one.ipk', bytes: 0, open: () => source }]), { code: 'usage' });
  assert.throws(() => packPayload([{ name: 'one.tar', bytes: 0, open: () => source }]), { code: 'usage' });
});

function* endless(): Generator<Buffer, void, undefined> {
  for (;;) yield Buffer.alloc(1000);
}

test('a target that is not empty is left as it is', async () => {
  const target = newTarget();
  mkdirSync(join(target, '0'));
  await assert.rejects(unpack(classic('demo'), target), { code: 'conflict' });
  assert.deepEqual(readdirSync(target), ['0']);
});
