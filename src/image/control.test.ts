import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { hostArchitectures, isArchitectureAccepted } from './architecture.ts';
import { formatControl, formatDepends, parseControl, parseDepends } from './control.ts';

const base = 'Package: demo\nVersion: 1.0\nArchitecture: all\n';

function parse(text: string | Buffer, warnings: string[] = []): ReturnType<typeof parseControl> {
  return parseControl(Buffer.from(text), (warning) => warnings.push(warning));
}

test('fields are read with colons in their values, folded descriptions and unknown fields', () => {
  const control = parse(`${base}Homepage: https://example.invalid:8080/\nX-Own: a: b\nDescription: short\n long\n .\n more: text\nDepends: a (>= 1:2.0-1) | b, c\n`);
  assert.equal(control.fields.get('Homepage'), 'https://example.invalid:8080/');
  assert.equal(control.fields.get('X-Own'), 'a: b');
  assert.equal(control.description, 'short\n long\n .\n more: text');
  assert.deepEqual(control.depends, [[{ name: 'a', relation: { operator: '>=', version: '1:2.0-1' } }, { name: 'b' }], [{ name: 'c' }]]);
});

test('what is read is written and read again the same', () => {
  const control = parse(`${base}Section:\nDescription: short\n long\n\n\n`);
  assert.deepEqual(parse(formatControl(control.fields)), control);
  assert.equal(formatDepends(parseDepends('a(>=1)|b,c')), 'a (>= 1) | b, c');
});

test('a second line of Description without its space is read with a warning', () => {
  const warnings: string[] = [];
  assert.equal(parse(`${base}Description: one\ntwo three\nSection: x\n`, warnings).description, 'one\n two three');
  assert.match(warnings.join(), /line 5/);
});

const refused: readonly (readonly [text: string | Buffer, message: RegExp])[] = [
  ['', /empty/],
  ['\n\n', /Package is missing/],
  ['Package: demo\nVersion: 1.0\n', /Architecture is missing/],
  ['Package:\nVersion: 1.0\nArchitecture: all\n', /Package is empty/],
  [base.replace('1.0', ''), /Version is empty/],
  [base.replace('1.0', 'one'), /does not begin with a digit/],
  [base.replace('demo', 'Demo'), /not a package name/],
  [base.replace('demo', 'a..b'), /not a package name/],
  [base.replace('demo', 'a'.repeat(129)), /129 characters; a package name has at most 128/],
  [base.replace('Package', 'package'), /must be written Package/],
  [`${base}Package: other\n`, /twice/],
  [`${base}Status: install ok installed\n`, /Status has no place/],
  [`${base}filename: x\n`, /has no place/],
  [`${base}Depends: a\n b\n`, /second line/],
  [`${base}Depends: a (>=, b\n`, /Depends/],
  [`${base}Depends: a (> 1)\n`, /operator/],
  [`${base}Depends: a,,b\n`, /Depends/],
  [`\ufeff${base}`, /byte order mark/],
  [Buffer.from(`${base}Maintainer: \xe9\n`, 'latin1'), /UTF-8/],
  [base.replaceAll('\n', '\r\n'), /control character/],
  [`${base}X: \u001b[2J\n`, /control character/],
  [`${base}\nPackage: two\n`, /blank line/],
  [' x\n', /continuation/],
  [`${base}no colon here\n`, /Name: value/],
  [`${base}Name : value\n`, /Name: value/],
];

for (const [text, message] of refused) {
  test(`refused: ${JSON.stringify(text.toString().slice(0, 70))}`, () => {
    assert.throws(() => parse(text), (error: unknown) => error instanceof BerthError && error.code === 'bad_package' && message.test(error.message));
  });
}

test('architectures: those for any machine, and the names of this one', () => {
  assert.ok(['all', 'any', 'noarch'].every((name) => isArchitectureAccepted(name, [])));
  assert.ok(hostArchitectures('x64').includes('amd64') && hostArchitectures('arm64').includes('aarch64'));
  assert.ok(!isArchitectureAccepted('pdp11'));
});
