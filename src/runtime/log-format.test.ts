import assert from 'node:assert/strict';
import { it } from 'node:test';
import { formatMark, LogParser } from './log-format.ts';

const time = '2026-11-23T19:00:00.123456789+00:00';

function parse(text: string | Buffer, chunkBytes = 1 << 20): readonly string[] {
  const parser = new LogParser();
  const bytes = Buffer.from(text);
  const lines = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) lines.push(...parser.feed(bytes.subarray(at, at + chunkBytes)));
  return [...lines, ...parser.flush()].map((line) => `${line.stream}${line.partial ? ' …' : ''} ${line.text}`);
}

it('lines are the same however they are read', () => {
  const text = `${time} stdout F one\n${time} stderr F \n${time} stdout F three  with  spaces\n`;
  for (const size of [1, 2, 7, 64, 1000]) assert.deepEqual(parse(text, size), ['stdout one', 'stderr ', 'stdout three  with  spaces']);
});

it('pieces are put together per stream, across characters', () => {
  const [head, tail] = [Buffer.from('ü').subarray(0, 1), Buffer.from('ü').subarray(1)];
  const text = Buffer.concat([Buffer.from(`${time} stdout P x`), head, Buffer.from(`\n${time} stderr F between\n${time} stdout F `), tail, Buffer.from('y\n')]);
  assert.deepEqual(parse(text), ['stderr between', 'stdout xüy']);
});

it('a very long line comes in pieces that do not cut characters', () => {
  const text = Array.from({ length: 20 }, () => `${time} stdout P ${'ü'.repeat(4095)}x\n`).join('') + `${time} stdout F end\n`;
  const lines = parse(text);
  assert.ok(lines.length > 1 && lines.every((line) => Buffer.byteLength(line) < 64 * 1024));
  assert.equal(lines.join('').replaceAll('stdout … ', '').replaceAll('stdout ', ''), `${'ü'.repeat(4095)}x`.repeat(20) + 'end');
});

it('what is not a line of the format is left out', () => {
  const text = `rubbish\n${time} stdin F no\n${time} stdout X no\n${time} stdout\n\n${time} stdout F yes\n`;
  assert.deepEqual(parse(text), ['stdout yes']);
});

it('a line that the end of a file cut off does not spoil the next', () => {
  const parser = new LogParser();
  assert.deepEqual([...parser.feed(Buffer.from(`${time} stdout F cut o`))], []);
  parser.endFile();
  assert.equal([...parser.feed(Buffer.from(`${time} stdout F whole\n`))][0]?.text, 'whole');
});

it('a mark reads as a line of Berth', () => {
  assert.deepEqual(parse(formatMark(0, 'something')), ['berth something']);
  assert.match(formatMark(0, ''), /^1970-01-01T00:00:00\.000000000\+00:00 berth F \n$/);
});
