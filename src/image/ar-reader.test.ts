import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { ArParser } from './ar-reader.ts';
import { archiveMembers } from './archive.ts';
import { arArchive, pieces } from './test-fixtures.ts';

async function read(bytes: Buffer, pieceBytes = 1000, skip = ''): Promise<readonly (readonly [string, string])[]> {
  const found: (readonly [string, string])[] = [];
  for await (const { entry, body } of archiveMembers(pieces(bytes, pieceBytes), new ArParser())) {
    let text = '';
    if (entry.name !== skip) for await (const chunk of body) text += chunk.toString();
    found.push([entry.name, text]);
  }
  return found;
}

const archive = arArchive([['odd', Buffer.from('odd')], ['empty', Buffer.alloc(0)], ['even', Buffer.from('even')]]);
const expected = [['odd', 'odd'], ['empty', ''], ['even', 'even']];

test('members are read in pieces of any size', async () => {
  for (const size of [1, 3, 60, 61, 1000]) assert.deepEqual(await read(archive, size), expected);
});

test('a body that is not read is skipped', async () => {
  assert.deepEqual(await read(archive, 2, 'odd'), [['odd', ''], ...expected.slice(1)]);
});

test('what ar writes is read', async () => {
  const work = mkdtempSync(join(tmpdir(), 'berth-ar-'));
  try {
    writeFileSync(join(work, 'debian-binary'), '2.0\n');
    execFileSync('ar', ['rc', 'x.ar', 'debian-binary'], { cwd: work });
    assert.deepEqual(await read(readFileSync(join(work, 'x.ar'))), [['debian-binary', '2.0\n']]);
  } finally {
    rmSync(work, { recursive: true });
  }
});

function changed(offset: number, text: string): Buffer {
  const bytes = Buffer.from(archive);
  bytes.write(text, offset);
  return bytes;
}

const refused: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
  ['another magic', changed(0, '!<thin>\n'), /begin as an ar archive/],
  ['a short magic', archive.subarray(0, 5), /before the first member/],
  ['a cut header', archive.subarray(0, 40), /within the header/],
  ['cut contents', archive.subarray(0, 70), /1 bytes too early/],
  ['a missing pad', archive.subarray(0, 71), /within the header/],
  ['another pad', changed(71, 'x'), /pads/],
  ['a negative size', changed(8 + 48, '-1'), /size/],
  ['a header with another end', changed(8 + 58, 'XX'), /end as it should/],
  ['a name with a slash', changed(8, '../x'), /not a name/],
  ['a long name of GNU', changed(8, '/12'), /not a name/],
];

for (const [what, bytes, message] of refused) {
  test(`refused: ${what}`, async () => {
    await assert.rejects(read(bytes), (error: unknown) => error instanceof BerthError && error.code === 'bad_package' && message.test(error.message));
  });
}
