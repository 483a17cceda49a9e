import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { array, assert as check, constantFrom, integer, oneof, property, tuple, type Arbitrary } from 'fast-check';
import { checkVersion, compareVersions, satisfies } from './version.ts';

/** Few characters, so that versions are often nearly the same. */
function text(characters: string, maxLength: number): Arbitrary<string> {
  return array(constantFrom(...characters.split('')), { maxLength }).map((parts) => parts.join(''));
}

const upstream = tuple(integer({ min: 0, max: 12 }), text('0019a~+.-:Zz', 6)).map(([first, rest]) => `${first}${rest}`);
const version = tuple(constantFrom('', '', '0:', '1:', '01:'), upstream, constantFrom('', '', '-0', '-1', '-r1', '-1~', '-0.0+b')).map((parts) => parts.join(''));
/** Also what is no version. */
const anyText = oneof(version, text('0a:-~+._ é', 6), constantFrom('', ':', '-', '1:', '1-', ':1', '2147483648:1', '2147483647:1', 'a:1', '1:2:3', '1_0', '1.0-', '-1', '1:-1', '1:a'));

/** One shell for many questions: each start of dpkg costs more than the comparison. */
function askDpkg(script: string, lines: readonly string[]): readonly string[] {
  const output = execFileSync('sh', ['-c', `while IFS= read -r a && IFS= read -r b; do ${script}; done`], { input: lines.map((line) => `${line}\n`).join(''), encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
  return output.trimEnd().split('\n');
}

test('versions compare as dpkg compares them', () => {
  const valid = version.filter((candidate) => isAccepted(candidate));
  // Chance alone seldom gives two versions that differ in one place only.
  const neighbour = tuple(valid, integer({ min: 0, max: 12 }), constantFrom('0', '00', '1', '~', '+', 'a', 'Z', '.')).map(([one, at, more]): [string, string] => [one, one.slice(0, at) + more + one.slice(at)]);
  const pair = oneof(tuple(valid, valid), neighbour.filter(([, other]) => isAccepted(other)));
  check(
    property(array(pair, { minLength: 100, maxLength: 100 }), (pairs) => {
      const script = 'if dpkg --compare-versions "$a" lt "$b"; then echo -1; elif dpkg --compare-versions "$a" eq "$b"; then echo 0; else echo 1; fi';
      const answers = askDpkg(script, pairs.flat());
      for (const [index, [a, b]] of pairs.entries()) {
        assert.equal(Math.sign(compareVersions(a, b)), Number(answers[index]), `${a} and ${b}`);
        assert.equal(Math.sign(compareVersions(b, a)) + Math.sign(compareVersions(a, b)), 0);
      }
    }),
    { numRuns: 10 },
  );
});

test('what dpkg refuses as a version is refused, and nothing else', () => {
  check(
    property(array(anyText, { minLength: 60, maxLength: 60 }), (candidates) => {
      // Blanks around a version are dropped by dpkg; a field has none.
      const versions = candidates.filter((candidate) => candidate.trim() === candidate);
      const answers = askDpkg('if dpkg --validate-version "$a"; then echo yes; else echo no; fi', versions.flatMap((candidate) => [candidate, '']));
      for (const [index, candidate] of versions.entries()) assert.equal(isAccepted(candidate), answers[index] === 'yes', JSON.stringify(candidate));
    }),
    { numRuns: 8 },
  );
});

function isAccepted(candidate: string): boolean {
  try {
    checkVersion(candidate, 'Version');
    return true;
  } catch {
    return false;
  }
}

test('relations of Depends', () => {
  assert.ok(satisfies('1.0', { operator: '=', version: '1.0-0' }));
  assert.ok(satisfies('1.0+git1', { operator: '>>', version: '1.0a' }));
  assert.ok(satisfies('2.0.0-alpha', { operator: '>=', version: '2.0.0' }));
  assert.ok(satisfies('1.0~rc1', { operator: '<<', version: '1.0' }));
  assert.ok(!satisfies('1:0', { operator: '<=', version: '9' }));
});
