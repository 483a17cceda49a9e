import assert from 'node:assert/strict';
import { chownSync, linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { takeOver } from './take-over.ts';

const skip = process.getuid?.() === 0 ? false : 'only root can take over';
const stranger = 123_456;

/** What a process that unpacks leaves, and a file elsewhere that is not its own. */
function left(t: TestContext): { readonly target: string; readonly image: string; readonly elsewhere: string } {
  const directory = mkdtempSync(join(tmpdir(), 'berth-take-over-'));
  t.after(() => { rmSync(directory, { recursive: true }); });
  const [target, elsewhere] = [join(directory, 'target'), join(directory, 'elsewhere')];
  const image = join(target, '0');
  mkdirSync(join(image, 'bundle/rootfs'), { recursive: true });
  for (const name of ['manifest', 'bundle/config.json']) writeFileSync(join(image, name), '', { mode: 0o666 });
  for (const path of [target, image, ...['manifest', 'bundle', 'bundle/config.json'].map((name) => join(image, name))]) chownSync(path, stranger, stranger);
  writeFileSync(elsewhere, '', { mode: 0o600 });
  chownSync(elsewhere, stranger + 1, stranger + 1);
  return { target, image, elsewhere };
}

test('what leads to an image and says which it is becomes root\'s, and what lies in it stays the app\'s', { skip }, (t) => {
  const { target, image } = left(t);
  writeFileSync(join(image, 'signature.p7s'), '');
  takeOver(target, 1);
  for (const path of [target, image, join(image, 'manifest'), join(image, 'signature.p7s'), join(image, 'bundle')]) {
    const { uid, gid, mode } = lstatSync(path);
    assert.deepEqual([uid, gid, mode & 0o022], [0, 0, 0], path);
  }
  assert.equal(lstatSync(join(image, 'bundle/config.json')).uid, stranger);
});

const tricks: readonly (readonly [what: string, play: (image: string, elsewhere: string) => void])[] = [
  ['a link in place of the manifest', (image, elsewhere) => { rmSync(join(image, 'manifest')); symlinkSync(elsewhere, join(image, 'manifest')); }],
  ['a second name of another file', (image, elsewhere) => { rmSync(join(image, 'manifest')); linkSync(elsewhere, join(image, 'manifest')); }],
  ['a link in place of the bundle', (image, elsewhere) => { rmSync(join(image, 'bundle'), { recursive: true }); symlinkSync(join(elsewhere, '..'), join(image, 'bundle')); }],
  ['a link in place of the image', (image, elsewhere) => { rmSync(image, { recursive: true }); symlinkSync(join(elsewhere, '..'), image); }],
  ['a file beside the image\'s', (image) => { writeFileSync(join(image, 'other'), ''); }],
  ['no manifest', (image) => { rmSync(join(image, 'manifest')); }],
  ['no image', (image) => { rmSync(image, { recursive: true }); }],
];
for (const [what, play] of tricks) {
  test(`${what} is refused, and nothing elsewhere becomes root's`, { skip }, (t) => {
    const { target, image, elsewhere } = left(t);
    play(image, elsewhere);
    assert.throws(() => { takeOver(target, 1); }, { code: 'internal', message: /left something else than an image/ });
    assert.equal(lstatSync(elsewhere).uid, stranger + 1);
  });
}
