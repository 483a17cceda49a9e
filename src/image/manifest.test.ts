import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { comparePaths } from './entry-path.ts';
import { defaultLimits } from './limits.ts';
import { ManifestParser } from './manifest.ts';
import { dir, hardlink, manifestOf, symlink } from './test-fixtures.ts';
import type { ManifestEntry } from './types.ts';

const entries = [dir('a'), { name: 'a-b', data: 'x' }, { name: 'a/b', data: 'hello' }, hardlink('a/c', 'a/b'), symlink('ü', '/nowhere')];
const manifest = manifestOf(entries).toString();

function parse(text: string | Buffer, pieceBytes = 1000): readonly ManifestEntry[] {
  const found: ManifestEntry[] = [];
  const parser = new ManifestParser(defaultLimits, { header: () => undefined, entry: (entry) => found.push(entry) });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieceBytes) parser.push(bytes.subarray(at, at + pieceBytes));
  parser.end();
  return found;
}

test('lines have the form that the documentation gives', () => {
  const [header, , line] = manifest.split('\n');
  assert.equal(header, '{"control":{"Architecture":"all","Description":"an example","Maintainer":"A <a@example.invalid>","Package":"demo","Version":"1.0"},"format":1}');
  assert.equal(line, '{"gid":0,"mode":420,"mtime":1700000000,"path":"a-b","sha256":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","size":1,"type":"file","uid":0}');
});

test('a manifest reads back, in pieces of any size', () => {
  const whole = parse(manifest);
  assert.deepEqual(whole.map(({ path }) => path), ['a', 'a-b', 'a/b', 'a/c', 'ü']);
  for (const size of [1, 7, 64]) assert.deepEqual(parse(manifest, size), whole);
});

test('paths are ordered by their UTF-8 bytes', () => {
  const paths = ['a', 'a-b', 'a/b', 'é', '\ufffd', '\u{1f600}'];
  assert.deepEqual(paths.toReversed().toSorted(comparePaths), paths);
  assert.deepEqual(paths.toReversed().toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))), paths);
});

const lines = manifest.split('\n');
function withLine(index: number, change: (line: string) => string): string {
  return lines.with(index, change(lines[index]!)).join('\n');
}

const refused: readonly (readonly [what: string, text: string | Buffer, message: RegExp])[] = [
  ['nothing', '', /empty/],
  ['no newline at the end', manifest.slice(0, -1), /newline/],
  ['a space', withLine(1, (line) => line.replace(',', ', ')), /canonical/],
  ['a key twice', withLine(1, (line) => line.replace('"gid":0', '"gid":0,"gid":0')), /canonical/],
  ['keys out of order', withLine(1, (line) => line.replace('"gid":0,"mode":493', '"mode":493,"gid":0')), /canonical/],
  ['a needless escape', withLine(2, (line) => line.replace('"a-b"', '"\\u0061-b"')), /canonical/],
  ['an unknown member', withLine(1, (line) => line.replace('"uid":0', '"uid":0,"x":1')), /unknown member "x"/],
  ['a missing member', withLine(1, (line) => line.replace('"gid":0,', '')), /no "gid"/],
  ['an entry twice', [lines[0], lines[1], lines[1], ''].join('\n'), /order/],
  ['entries out of order', [lines[0], lines[2], lines[1], ''].join('\n'), /order/],
  ['set-id bits', withLine(2, (line) => line.replace('420', '2541')), /"mode"/],
  ['a fraction', withLine(2, (line) => line.replace('420', '420.5')), /"mode"/],
  ['a negative size', withLine(2, (line) => line.replace('"size":1', '"size":-1')), /"size"/],
  ['a broken hash', withLine(2, (line) => line.replace('2d71', '2D71')), /sha256/],
  ['..', withLine(2, (line) => line.replace('a-b', 'a/../b')), /"\.\."/],
  ['an absolute path', withLine(2, (line) => line.replace('a-b', '/a')), /empty component/],
  ['a lone surrogate', withLine(2, (line) => line.replace('a-b', 'a\\ud800')), /UTF-8/],
  ['a control character', withLine(2, (line) => line.replace('a-b', 'a\\n')), /control character/],
  ['another type', withLine(1, (line) => line.replace('dir', 'fifo')), /type/],
  ['no object', `${lines[0]}\n[]\n`, /JSON object/],
  ['broken JSON', `${lines[0]}\n{\n`, /JSON object/],
  ['bytes that are not UTF-8', Buffer.concat([Buffer.from(`${lines[0]}\n{"`), Buffer.from([0xff, 0x0a])]), /UTF-8/],
  ['a control field in lower case', withLine(0, (line) => line.replace('Package', 'package')), /must be written|missing/],
  ['a forged second field', withLine(0, (line) => line.replace('an example', 'x\\nStatus: y')), /no place/],
  ['a field with a blank at its end', withLine(0, (line) => line.replace('an example', 'x ')), /read back/],
];

for (const [what, text, message] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(() => parse(text), (error: unknown) => error instanceof BerthError && error.code === 'bad_package' && message.test(error.message));
  });
}

test('another format is named', () => {
  assert.throws(() => parse(withLine(0, (line) => line.replace('"format":1', '"format":2'))), (error: unknown) => error instanceof BerthError && error.code === 'unsupported' && /format 2/.test(error.message));
});

test('a line without end is refused before it fills the memory', () => {
  const parser = new ManifestParser({ ...defaultLimits, controlBytes: 100 }, { header: () => undefined, entry: () => undefined });
  assert.throws(() => parser.push(Buffer.alloc(1000, 'x')), /longer than 600 bytes/);
});
