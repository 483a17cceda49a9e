import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archiveMembers } from './archive.ts';
import { readWhole } from './byte-source.ts';
import { CpioParser, isCpio } from './cpio-reader.ts';
import { cpioArchive, pieces, type Member } from './test-fixtures.ts';

const members: readonly Member[] = [['one', Buffer.from('12345')], ['empty', Buffer.alloc(0)], ['x'.repeat(255), Buffer.alloc(5000, 0xff)]];

async function read(bytes: Buffer, pieceBytes?: number): Promise<readonly Member[]> {
  const found: Member[] = [];
  for await (const { entry, body } of archiveMembers(pieces(bytes, pieceBytes), new CpioParser())) found.push([entry.name, await readWhole(body, 10_000, entry.name)]);
  return found;
}

test('files are read in both formats, in pieces of any size', async () => {
  for (const format of ['crc', 'newc'] as const) {
    const bytes = cpioArchive(members, { format });
    assert.ok(isCpio(bytes));
    for (const pieceBytes of [1, 3, 110, 512, bytes.length]) assert.deepEqual(await read(bytes, pieceBytes), members);
    assert.deepEqual(await read(Buffer.concat([bytes, Buffer.alloc(512)]), 100), members);
  }
});

test('the sum of a file may go beyond 32 bits', async () => {
  const large: Member = ['large', Buffer.alloc(17_000_000, 0xff)];
  let bytes = 0;
  for await (const { body } of archiveMembers(pieces(cpioArchive([large]), 65_536), new CpioParser())) for await (const chunk of body) bytes += chunk.length;
  assert.equal(bytes, 17_000_000);
});

const header = cpioArchive([['one', Buffer.from('12345')]]);
const changed = (offset: number, text: string): Buffer => {
  const bytes = Buffer.from(header);
  bytes.write(text, offset, 'latin1');
  return bytes;
};
const refusals: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  'another magic': [changed(0, '070707'), /byte 0: not a cpio header/],
  'a number that is none': [changed(54, 'xyz'), /the size in a cpio header is no number/],
  'an empty name': [changed(94, '00000001'), /a name of 0 bytes/],
  'a long name': [changed(94, 'ffffffff'), /a name of 4294967294 bytes/],
  'a name without its zero': [changed(113, 'x'), /not printable ASCII text that a zero ends/],
  'a name with an escape': [changed(110, '\u001b'), /not printable ASCII/],
  'a directory': [cpioArchive([['one', Buffer.alloc(0)]], { mode: 0o040755 }), /"one" is not a file/],
  'another sum': [changed(102, '00000000'), /one is damaged: its bytes add up to 255, not to 0/],
  'contents that are cut': [header.subarray(0, 118), /it ends too early, within one/],
  'no end': [header.subarray(0, 120), /it ends too early/],
  'something after the end': [Buffer.concat([header, Buffer.from([1])]), /something after the end/],
  'nothing': [Buffer.alloc(0), /it ends too early/],
};
for (const [what, [bytes, message]] of Object.entries(refusals)) {
  test(`refused: ${what}`, async () => {
    for (const pieceBytes of [1, Math.max(1, bytes.length)]) await assert.rejects(read(bytes, pieceBytes), { code: 'bad_package', message });
  });
}
