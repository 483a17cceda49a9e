import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { assert as check, integer, property, record, string } from 'fast-check';
import { BerthError } from '../lib/errors.ts';
import { decodePaxRecords, decodeTarHeader, encodePaxRecords, encodeTarHeader, tarTypes } from './tar-header.ts';
import { TarParser, type TarEntry } from './tar-reader.ts';
import { dir, hardlink, symlink, tarArchive, tarEntry, type EntrySpec } from './test-fixtures.ts';

function read(bytes: Buffer, pieceBytes = bytes.length): readonly (TarEntry & { readonly data: string })[] {
  const parser = new TarParser('test.tar', 4095);
  const found: (TarEntry & { data: string })[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    for (const event of parser.push(bytes.subarray(at, at + pieceBytes))) {
      if (event.kind === 'entry') found.push({ ...event.entry, data: '' });
      else if (event.kind === 'data') found.at(-1)!.data += event.bytes.toString('latin1');
    }
  }
  parser.end();
  return found;
}

test('a header is written and read the same', () => {
  const number = integer({ min: 0, max: 2 ** 31 });
  const header = record({ name: string({ minLength: 1, maxLength: 20 }), linkName: string({ maxLength: 20 }), mode: integer({ min: 0, max: 0o7777 }), uid: number, gid: number, size: integer({ min: 0, max: 2 ** 53 - 1 }), mtime: number });
  check(
    property(header, (values) => {
      if (values.name.includes('\0') || values.linkName.includes('\0')) return;
      assert.deepEqual(decodeTarHeader(encodeTarHeader({ ...values, type: '0' }), 'x'), { ...values, type: '0' });
    }),
  );
});

test('pax records are written and read the same, also where the length counts itself', () => {
  for (let length = 1; length < 1100; length += 1) {
    const value = 'v'.repeat(length);
    assert.equal(decodePaxRecords(encodePaxRecords([['path', value]]), 'x').get('path')!.toString(), value);
  }
});

test('what GNU tar writes is read, in every format and in pieces of any size', () => {
  const long = `${'d'.repeat(90)}/${'f'.repeat(90)}`;
  const deep = `${'e'.repeat(150)}/${'g'.repeat(150)}`;
  for (const [format, name] of [['ustar', long], ['gnu', deep], ['pax', deep]] as const) {
    const bytes = execFileSync('sh', ['-c', `d=$(mktemp -d) && cd "$d" && mkdir -p "$(dirname "$1")" && printf hello >"$1" && ln -s target link && tar -c --format=$0 --mtime=@5 "$1" link; cd / && rm -rf "$d"`, format, name]);
    for (const size of [bytes.length, 100, 1]) {
      const found = read(bytes, size);
      assert.deepEqual(found.map((entry) => [entry.name, entry.type, entry.data, entry.mtime, entry.linkName]), [[name, 'file', 'hello', 5, ''], ['link', 'symlink', '', 5, 'target']]);
    }
  }
});

test('pax headers override, global ones apply to all', () => {
  const pax = (type: string, records: readonly (readonly [string, string])[]): EntrySpec => ({ name: 'pax', type, data: encodePaxRecords(records) });
  const [first, second] = read(tarArchive([pax(tarTypes.paxGlobal, [['mtime', '7.25'], ['comment', 'x']]), pax(tarTypes.paxHeader, [['path', 'ü/long'], ['uid', '5'], ['SCHILY.xattr.security.capability', 'x']]), { name: 'short' }, { name: 'next' }]));
  assert.deepEqual([first!.name, first!.mtime, first!.uid, first!.xattrs], ['ü/long', 7, 5, ['security.capability']]);
  assert.deepEqual([second!.name, second!.mtime, second!.uid, second!.xattrs], ['next', 7, 0, []]);
});

const sparse = tarEntry({ name: 'pax', type: tarTypes.paxHeader, data: encodePaxRecords([['GNU.sparse.major', '1']]) });
const broken = tarEntry({ name: 'a' });
broken[0] = 0x62;
const refused: readonly (readonly [what: string, bytes: Buffer, code: string, message: RegExp])[] = [
  ['a wrong checksum', tarArchive([broken]), 'bad_package', /checksum/],
  ['garbage', Buffer.alloc(512, 'x'), 'bad_package', /not a tar header/],
  ['a cut header', tarArchive([{ name: 'a' }]).subarray(0, 300), 'bad_package', /within a header/],
  ['cut contents', tarArchive([{ name: 'a', data: 'hello' }]).subarray(0, 514), 'bad_package', /within an entry/],
  ['something after the end', Buffer.concat([tarArchive([]), tarEntry({ name: 'a' })]), 'bad_package', /after the end/],
  ['a sparse file of GNU', tarArchive([{ name: 'a', type: tarTypes.gnuSparse }]), 'unsupported', /sparse/],
  ['a sparse file of pax', tarArchive([sparse, { name: 'a' }]), 'unsupported', /sparse/],
  ['a part of a volume', tarArchive([{ name: 'a', type: tarTypes.gnuMultiVolume }]), 'unsupported', /multi-volume/],
  ['an unknown type', tarArchive([{ name: 'a', type: 'Q' }]), 'bad_package', /type/],
  ['a link with contents', tarArchive([{ ...symlink('a', 'b'), size: 5, data: 'hello' }]), 'bad_package', /5 bytes/],
  ['a file that ends with a slash', tarArchive([{ name: 'a/' }]), 'bad_package', /slash/],
  ['a long name with a zero byte', tarArchive([{ name: 'L', type: tarTypes.gnuLongName, data: 'a\0b\0' }, { name: 'a' }]), 'bad_package', /zero byte/],
  ['a long name twice', tarArchive([{ name: 'L', type: tarTypes.gnuLongName, data: 'a' }, { name: 'L', type: tarTypes.gnuLongName, data: 'b' }, { name: 'a' }]), 'bad_package', /two extended/],
  ['a long name at the end', tarArchive([{ name: 'L', type: tarTypes.gnuLongName, data: 'a' }]), 'bad_package', /extended header/],
  ['an endless name', tarArchive([{ name: 'L', type: tarTypes.gnuLongName, size: 2 ** 30 }]), 'too_large', /long name/],
  ['a broken pax record', tarArchive([{ name: 'x', type: tarTypes.paxHeader, data: '99 path=a\n' }, { name: 'a' }]), 'bad_package', /pax/],
  ['a negative time', tarArchive([{ name: 'x', type: tarTypes.paxHeader, data: encodePaxRecords([['mtime', '-1']]) }, { name: 'a' }]), 'bad_package', /mtime/],
  ['a global path', tarArchive([{ name: 'x', type: tarTypes.paxGlobal, data: encodePaxRecords([['path', 'a']]) }, { name: 'a' }]), 'bad_package', /global/],
];

for (const [what, bytes, code, message] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(() => read(bytes), (error: unknown) => error instanceof BerthError && error.code === code && message.test(error.message));
  });
}

test('links and directories are told apart', () => {
  const found = read(tarArchive([dir('d/'), { name: 'old/', type: tarTypes.oldFile }, hardlink('h', 'f'), symlink('s', 'f'), { name: 'p', type: tarTypes.fifo }]));
  assert.deepEqual(found.map(({ type }) => type), ['dir', 'dir', 'hardlink', 'symlink', 'fifo']);
});
