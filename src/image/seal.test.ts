import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../lib/digest.ts';
import { readSeal, writeSignature } from './seal.ts';
import { arArchive, berthMembers, classicPackage, dir, manifestOf, tarArchive, type Member } from './test-fixtures.ts';

const data = [dir('a'), { name: 'a/b', data: 'x' }];

function packageFile(t: TestContext, bytes: Buffer): { readonly path: string; readonly directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'berth-seal-'));
  t.after(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  const path = join(directory, 'p.ipk');
  writeFileSync(path, bytes);
  return { path, directory };
}

/** The members of a package with another one after the manifest. */
function withSignature(members: readonly Member[], signature: string): Buffer {
  return arArchive(members.filter(([name]) => name !== '_signature.p7s').flatMap((member): Member[] => (member[0] === '_manifest.json' ? [member, ['_signature.p7s', Buffer.from(signature)]] : [member])));
}

test('a signature is put after the manifest, and replaced, and nothing else changes', async (t) => {
  const members = berthMembers(data);
  const { path, directory } = packageFile(t, arArchive(members));
  await writeSignature(path, Buffer.from('odd'), path);
  assert.deepEqual(readFileSync(path), withSignature(members, 'odd'));
  const other = join(directory, 'other.ipk');
  await writeSignature(path, Buffer.from('even'), other);
  assert.deepEqual(readFileSync(other), withSignature(members, 'even'));
  assert.deepEqual(readFileSync(path), withSignature(members, 'odd'));
  assert.deepEqual(readdirSync(directory).toSorted(), ['other.ipk', 'p.ipk']);
});

test('the headers of other members stay as they are', async (t) => {
  const plain = arArchive(berthMembers(data));
  // The time in the header of debian-binary (ar(5)).
  plain.write('1700000000', 8 + 16);
  const { path } = packageFile(t, plain);
  await writeSignature(path, Buffer.from('xx'), path);
  assert.equal(readFileSync(path).toString('latin1', 8, 8 + 28), plain.toString('latin1', 8, 8 + 28));
});

test('what is signed of a package, and its signature', async (t) => {
  const { path } = packageFile(t, arArchive(berthMembers(data)));
  const manifest = manifestOf(data);
  assert.deepEqual(await readSeal(path), { manifest, digest: digestOf(manifest), name: 'demo', version: '1.0' });
  await writeSignature(path, Buffer.from('sig'), path);
  assert.deepEqual((await readSeal(path)).signature, Buffer.from('sig'));
});

test('a package without a manifest says how to get one', async (t) => {
  const { path } = packageFile(t, classicPackage(data));
  await assert.rejects(readSeal(path), { code: 'not_found', message: /has no _manifest\.json, which is what is signed; build it anew/ });
});

test('a package in which a signature cannot stand in its place', async (t) => {
  const members = berthMembers(data);
  const late = packageFile(t, arArchive([...members.filter(([name]) => name !== '_manifest.json'), ...members.filter(([name]) => name === '_manifest.json')]));
  await assert.rejects(writeSignature(late.path, Buffer.from('x'), late.path), { code: 'unsupported', message: /must stand before control and data/ });
  const tar = packageFile(t, gzipSync(tarArchive(members.map(([name, bytes]) => ({ name: `./${name}`, data: bytes })))));
  await assert.rejects(writeSignature(tar.path, Buffer.from('x'), tar.path), { code: 'unsupported', message: /not an ar archive/ });
  assert.deepEqual(readdirSync(tar.directory), ['p.ipk']);
});
