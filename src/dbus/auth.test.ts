import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Authentication } from './auth.ts';
import { ProtocolError } from './errors.ts';

const id = '0123456789abcdef0123456789abcdef';
const ok = `OK ${id}`;
const rejected = 'REJECTED EXTERNAL ANONYMOUS';

/** What a client gets that sends these lines, and whether it is authenticated then. */
function talk(...lines: readonly string[]): { replies: readonly string[]; rest: string | undefined } {
  let replies = '';
  const authentication = new Authentication(id, (text) => {
    replies += text;
  });
  const rest = authentication.take(Buffer.from(`\0${lines.map((line) => `${line}\r\n`).join('')}`));
  return { replies: replies.split('\r\n').slice(0, -1), rest: rest?.toString() };
}

for (const [client, lines, replies] of [
  ['libdbus', ['AUTH EXTERNAL 30', 'NEGOTIATE_UNIX_FD', 'BEGIN'], [ok, 'ERROR file descriptors are not passed here']],
  ['sd-bus', ['AUTH EXTERNAL', 'DATA', 'NEGOTIATE_UNIX_FD', 'BEGIN'], ['DATA', ok, 'ERROR file descriptors are not passed here']],
  ['GDBus', ['AUTH', 'AUTH EXTERNAL 31303030', 'BEGIN'], [rejected, ok]],
  ['an anonymous client', ['AUTH ANONYMOUS 6d65', 'BEGIN'], [ok]],
  ['one with an empty claim', ['AUTH EXTERNAL ', 'BEGIN'], [ok]],
  ['one that tries something else first', ['AUTH DBUS_COOKIE_SHA1 30', 'AUTH EXTERNAL zz', 'AUTH EXTERNAL', 'CANCEL', 'WHAT', 'DATA', 'AUTH EXTERNAL 30', 'BEGIN'], [rejected, rejected, 'DATA', rejected, 'ERROR unknown command', 'ERROR nothing was asked for', ok]],
] as const) {
  test(`${client} is let in`, () => {
    assert.deepEqual(talk(...lines), { replies, rest: '' });
  });
}

test('what follows BEGIN is the first message, and bytes may come one by one', () => {
  const authentication = new Authentication(id, () => undefined);
  const all = Buffer.from('\0AUTH EXTERNAL 30\r\nBEGIN\r\n');
  for (const byte of all.subarray(0, -1)) assert.equal(authentication.take(Buffer.of(byte)), undefined);
  assert.equal(authentication.take(Buffer.from('\nl\x01'))!.toString(), 'l\x01');
});

test('nobody begins without being authenticated', () => {
  for (const lines of [['BEGIN'], ['AUTH EXTERNAL', 'BEGIN'], ['AUTH EXTERNAL 30', 'CANCEL', 'BEGIN']]) assert.throws(() => talk(...lines), ProtocolError);
});

test('a first byte that is not zero, a line without end and lines without end are refused', () => {
  assert.throws(() => new Authentication(id, () => undefined).take(Buffer.from('AUTH\r\n')), ProtocolError);
  assert.throws(() => new Authentication(id, () => undefined).take(Buffer.from(`\0${'A'.repeat(600)}`)), ProtocolError);
  assert.throws(() => talk(...Array.from({ length: 17 }, () => 'AUTH')), ProtocolError);
});
