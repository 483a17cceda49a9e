import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { MessageFrames } from './frames.ts';
import { maxMessageBytes } from './limits.ts';
import { decodeBody, decodeMessage, encodeMessage, messageSize, type OutgoingMessage } from './message.ts';
import { Reader } from './reader.ts';
import { basicAlignments, parseSignature, type BasicCode } from './signature.ts';
import { Variant, type Value } from './value.ts';
import { Writer } from './writer.ts';

function write(signature: string, values: readonly Value[], littleEndian: boolean): string {
  const writer = new Writer(littleEndian);
  writer.writeAll(parseSignature(signature), values);
  return writer.bytes().toString('hex');
}

function read(signature: string, hex: string, littleEndian: boolean): readonly Value[] {
  return new Reader(Buffer.from(hex, 'hex'), littleEndian).readAll(parseSignature(signature));
}

function bytesOf(...parts: readonly (string | readonly number[])[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part as string)));
}

/** Marshalled by hand after the D-Bus specification, "Marshaling"; the first three are examples of it. */
const vectors: readonly (readonly [what: string, signature: string, values: readonly Value[], big: string, little: string])[] = [
  ['texts, each aligned', 'sss', ['foo', '+', 'bar'], '00000003666f6f00000000012b00000000000003 62617200', '03000000666f6f00010000002b00000003000000 62617200'],
  ['a byte and a number in a struct', '(yu)', [[5, 7]], '0500000000000007', '0500000007000000'],
  ['an array whose first element needs padding', 'ax', [[5n]], '00000008000000000000000000000005', '08000000000000000500000000000000'],
  ['an empty array of structs', 'a(ix)', [[]], '0000000000000000', '0000000000000000'],
  ['a variant', 'v', [new Variant('u', 7)], '0175000000000007', '0175000007000000'],
  ['a dictionary', 'a{sv}', [[['a', new Variant('b', true)]]], '000000100000000000000001610001620000000000000001', '100000000000000001000000610001620000000001000000'],
  ['a signature and a path', 'go', ['a{sv}', '/a'], '05617b73767d0000000000022f6100', '05617b73767d0000020000002f6100'],
  ['numbers of all sizes', 'ynqiuxtd', [1, -2, 3, -4, 5, -6n, 7n, 1.5], '0100fffe00030000fffffffc00000005fffffffffffffffa00000000000000073ff8000000000000', '0100feff03000000fcffffff05000000faffffffffffffff0700000000000000000000000000f83f'],
];

for (const [what, signature, values, big, little] of vectors) {
  test(`${what}: the bytes are those of the specification`, () => {
    for (const [hex, littleEndian] of [[big.replaceAll(' ', ''), false], [little.replaceAll(' ', ''), true]] as const) {
      assert.equal(write(signature, values, littleEndian), hex);
      assert.deepEqual(read(signature, hex, littleEndian), values);
    }
  });
}

/** As dbus-send (libdbus 1.14), busctl (systemd 252) and gdbus (GLib 2.74) send them. */
const captured = {
  'dbus-send': '6c01000104000000020000005f00000001016f000f0000002f6f72672f62657274682f4170703100020173000e0000006f72672e62657274682e41707031000003017300050000004465666572000000060173000e0000006f72672e62657274682e41707031000008016700017500005a000000',
  busctl: '6c01040108000000020000005f00000001016f000f0000002f6f72672f62657274682f417070310003017300040000004661696c00000000020173000e0000006f72672e62657274682e417070310000060173000e0000006f72672e62657274682e41707031000008016700017300000300000062616400',
  gdbus: '6c01000100000000030000006000000001016f000f0000002f6f72672f62657274682f4170703100020173000e0000006f72672e62657274682e417070310000060173000e0000006f72672e62657274682e41707031000008016700000000000301730007000000436f6e6669726d00',
} as const;

for (const [client, member, args] of [['dbus-send', 'Defer', [90]], ['busctl', 'Fail', ['bad']], ['gdbus', 'Confirm', []]] as const) {
  test(`a call of ${client} is read, and its size is known from its first bytes`, () => {
    const bytes = Buffer.from(captured[client], 'hex');
    assert.equal(messageSize(bytes.subarray(0, 16)), bytes.length);
    const message = decodeMessage(bytes);
    const { signature: _, ...fields } = message.fields;
    assert.deepEqual(fields, { path: '/org/berth/App1', interface: 'org.berth.App1', member, destination: 'org.berth.App1' });
    assert.deepEqual(decodeBody(message), args);
  });
}

test('a message of ours is the one of libdbus', () => {
  const fields = { path: '/org/berth/App1', interface: 'org.berth.App1', member: 'Defer', destination: 'org.berth.App1' };
  assert.equal(encodeMessage({ type: 'call', serial: 2, fields, signature: 'u', body: [90] }).toString('hex'), captured['dbus-send']);
});

const basicCodes = Object.keys(basicAlignments) as BasicCode[];
const text = fc.string({ unit: 'binary' }).map((any) => any.replaceAll('\0', '').toWellFormed());
const basicValues: Readonly<Record<BasicCode, fc.Arbitrary<Value>>> = {
  y: fc.integer({ min: 0, max: 0xff }),
  b: fc.boolean(),
  n: fc.integer({ min: -0x8000, max: 0x7fff }),
  q: fc.integer({ min: 0, max: 0xffff }),
  i: fc.integer(),
  u: fc.integer({ min: 0, max: 0xffff_ffff }),
  x: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  t: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  d: fc.double({ noNaN: true }),
  s: text,
  o: fc.array(fc.stringMatching(/^[A-Za-z0-9_]{1,8}$/)).map((parts) => `/${parts.join('/')}`),
  g: fc.constantFrom('', 'a{sv}', '(yyu)', 'aas'),
  h: fc.integer({ min: 0, max: 0xffff_ffff }),
};

/** A signature of one type, and a value of it. */
interface Typed {
  readonly signature: string;
  readonly value: Value;
}

const typed = fc.letrec<{ basic: Typed; any: Typed }>((tie) => ({
  basic: fc.constantFrom(...basicCodes).chain((code) => basicValues[code].map((value): Typed => ({ signature: code, value }))),
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('basic'),
    tie('any').map(({ signature, value }): Typed => ({ signature: 'v', value: new Variant(signature, value) })),
    fc.array(tie('any'), { minLength: 1, maxLength: 4 }).map((fields): Typed => ({ signature: `(${fields.map((field) => field.signature).join('')})`, value: fields.map((field) => field.value) })),
    fc.tuple(tie('any'), fc.nat(3)).map(([{ signature, value }, count]): Typed => ({ signature: `a${signature}`, value: Array.from({ length: count }, () => value) })),
    fc.tuple(tie('basic'), tie('any'), fc.nat(2)).map(([key, entry, count]): Typed => ({
      signature: `a{${key.signature}${entry.signature}}`,
      value: Array.from({ length: count }, () => [key.value, entry.value]),
    })),
  ),
})).any;

test('what is written is read again, whatever its types, in both byte orders', () => {
  fc.assert(
    fc.property(fc.array(typed, { maxLength: 4 }), fc.boolean(), (values, littleEndian) => {
      const signature = values.map((value) => value.signature).join('');
      fc.pre(signature.length <= 255);
      const message: OutgoingMessage = { type: 'return', serial: 1, fields: { replySerial: 9 }, signature, body: values.map(({ value }) => value) };
      const bytes = encodeMessage(message, littleEndian);
      const received = decodeMessage(bytes);
      assert.deepEqual(decodeBody(received), message.body);
      assert.equal(received.fields.replySerial, 9);
    }),
    { numRuns: 500 },
  );
});

/** Reads a message as a connection does. */
function readWhole(bytes: Buffer): void {
  decodeBody(decodeMessage(bytes));
}

test('whatever is changed in a message, it is read or refused, never anything else', () => {
  const valid = Object.values(captured).map((hex) => Buffer.from(hex, 'hex'));
  const change = fc.record({ at: fc.nat(200), to: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x61, 0x28, 0x7b, 0x76, 0x7f, 0xff)) });
  fc.assert(
    fc.property(fc.constantFrom(...valid), fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(16), (original, changes, cut) => {
      const bytes = Buffer.from(original.subarray(0, original.length - cut));
      for (const { at, to } of changes) bytes[at % bytes.length] = to;
      try {
        readWhole(bytes);
      } catch (error) {
        assert.equal(error instanceof ProtocolError, true, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test('messages are found in a stream however it is cut', () => {
  const all = Buffer.concat(Object.values(captured).map((hex) => Buffer.from(hex, 'hex')));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (sizes) => {
      const frames = new MessageFrames();
      const found: string[] = [];
      for (let at = 0, turn = 0; at < all.length; turn += 1) {
        const size = sizes[turn % sizes.length]!;
        frames.push(all.subarray(at, at + size));
        at += size;
        // Now and then nothing is taken out, as while a bus rests.
        for (let message = turn % 3 === 0 ? undefined : frames.next(); message !== undefined; message = frames.next()) found.push(message.toString('hex'));
      }
      for (let message = frames.next(); message !== undefined; message = frames.next()) found.push(message.toString('hex'));
      assert.deepEqual(found, Object.values(captured));
    }),
  );
});

for (const [what, bytes] of [
  ['another byte order', bytesOf('x', [1, 0, 1])],
  ['another version', bytesOf('l', [1, 0, 2])],
  ['a body that is too large', bytesOf('l', [1, 0, 1], [0, 0, 1, 0])],
  ['a body of 4 GiB', bytesOf('l', [1, 0, 1], [0xff, 0xff, 0xff, 0xff])],
  ['header fields that are too large', bytesOf('l', [1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0], [1, 0x10, 0, 0])],
] as const) {
  test(`a message with ${what} is refused by its first bytes`, () => {
    assert.throws(() => messageSize(Buffer.concat([bytes, Buffer.alloc(16)])), ProtocolError);
  });
}

const good = { type: 'call', serial: 1, fields: { path: '/a', member: 'M' }, signature: '', body: [] } as const satisfies OutgoingMessage;

for (const [what, message] of [
  ['no serial number', { ...good, serial: 0 }],
  ['no path', { ...good, fields: { member: 'M' } }],
  ['a path that is none', { ...good, fields: { path: '/a/', member: 'M' } }],
  ['a member that is none', { ...good, fields: { path: '/a', member: 'a.b' } }],
  ['an interface that is none', { ...good, fields: { ...good.fields, interface: 'one' } }],
  ['a destination that is none', { ...good, fields: { ...good.fields, destination: 'a..b' } }],
  ['an answer to nothing', { ...good, type: 'return' }],
  ['a signal without an interface', { ...good, type: 'signal' }],
  ['file descriptors', { ...good, fields: { ...good.fields, fileDescriptors: 1 } }],
] as const) {
  test(`a message with ${what} is refused`, () => {
    assert.throws(() => decodeMessage(encodeMessage(message)), ProtocolError);
  });
}

for (const [what, change] of [
  ['a type of 0', (bytes: Buffer) => bytes.writeUInt8(0, 1)],
  ['padding that is not zero', (bytes: Buffer) => bytes.writeUInt8(1, bytes.indexOf('Defer') + 6)],
  ['a header field of code 0', (bytes: Buffer) => bytes.writeUInt8(0, 16)],
  ['a header field twice', (bytes: Buffer) => bytes.writeUInt8(6, 40)],
  ['a header field of another type', (bytes: Buffer) => bytes.write('s', 18)],
  ['a text that is not UTF-8', (bytes: Buffer) => bytes.writeUInt8(0xff, bytes.indexOf('Defer'))],
  ['a zero byte in a text', (bytes: Buffer) => bytes.writeUInt8(0, bytes.indexOf('Defer'))],
  ['a text that is longer than the message', (bytes: Buffer) => bytes.writeUInt32LE(0xffff_fff0, bytes.indexOf('Defer') - 4)],
] as const) {
  test(`a message with ${what} is refused`, () => {
    const bytes = Buffer.from(captured['dbus-send'], 'hex');
    readWhole(bytes);
    change(bytes);
    assert.throws(() => {
      readWhole(bytes);
    }, ProtocolError);
  });
}

test('an unknown type of message and unknown header fields are passed over', () => {
  const bytes = Buffer.from(captured['dbus-send'], 'hex');
  bytes.writeUInt8(9, 1);
  bytes.writeUInt8(77, 16);
  const { type, fields } = decodeMessage(bytes);
  assert.equal(type, 'unknown');
  assert.equal(fields.path, undefined);
  assert.equal(fields.member, 'Defer');
});

for (const [what, signature, hex] of [
  ['a text with a zero byte', 's', '0300000061006200'],
  ['a boolean of 2', 'b', '02000000'],
  ['an array whose last element is longer than it', 'au', '0500000001000000 02000000'],
  ['an array longer than the message', 'ay', 'ffffffff00'],
  ['a variant without a type', 'v', '0000'],
  ['a variant of two types', 'v', '027575000100000001000000'],
  ['a signature that is none', 'g', '017a00'],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => read(signature, hex.replaceAll(' ', ''), true), ProtocolError);
  });
}

test('a value that is nested through variants without end is refused', () => {
  let value: Value = 1;
  for (let depth = 0; depth < 100; depth += 1) value = new Variant(depth === 0 ? 'y' : 'v', value);
  assert.throws(() => read('v', write('v', [value], true), true), ProtocolError);
});

for (const signature of ['a', 'z', '(', '()', '(i', 'i)', 'a{s}', 'a{sss}', 'a{vs}', 'a{s', '{sv}', 'r', 'e', `${'a'.repeat(33)}y`, `${'('.repeat(33)}y${')'.repeat(33)}`, 'y'.repeat(256), 'constructor']) {
  test(`"${signature.slice(0, 40)}" is not a signature`, () => {
    assert.throws(() => parseSignature(signature), ProtocolError);
  });
}

test('signatures may be as deep as the specification lets them', () => {
  for (const signature of [`${'a'.repeat(32)}y`, `${'('.repeat(32)}y${')'.repeat(32)}`, 'y'.repeat(255), 'a{oa{sa{sv}}}']) assert.notEqual(parseSignature(signature).length, 0);
});

test('a stream that announces a message keeps no more than the largest', () => {
  const frames = new MessageFrames();
  frames.push(bytesOf('l', [1, 0, 1], [0xf0, 0xff, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]));
  assert.equal(frames.next(), undefined);
  frames.push(Buffer.alloc(maxMessageBytes));
  assert.equal(frames.next()?.length, maxMessageBytes);
});
