import assert from 'node:assert/strict';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sha256Hex } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { isArchitectureAccepted } from './architecture.ts';
import { defaultLimits } from './limits.ts';
import type { PackageReport } from './types.ts';
import { unpackPackage } from './unpack.ts';
import { verifyImage } from './verify-image.ts';

const corpus = join(import.meta.dirname, '../../../shared/corpus/opkg');
/** The hostile cases aim here. */
const canary = '/var/tmp/berth-corpus/canary';
const victim = join(canary, 'victim');
const present = existsSync(corpus);
assert.ok(present || process.env['CI'] === undefined, 'the corpus of packages must be there in CI (../shared/corpus/opkg)');

interface Case {
  readonly file: string;
  readonly verdict: string;
  readonly why: string;
  readonly sha256: string;
}

function readCases(): readonly Case[] {
  const rows = readFileSync(join(corpus, 'CORPUS.tsv'), 'utf8').trimEnd().split('\n').slice(1);
  return rows.map((row) => {
    const [file, verdict, why, sha256] = row.split('\t');
    return { file: file!, verdict: verdict!, why: why!, sha256: sha256! };
  });
}

/** As the updater takes a package: one for a foreign machine is refused too. */
async function take(file: string, target: string): Promise<PackageReport> {
  const report = await unpackPackage(createReadStream(join(corpus, file)), target, { limits: defaultLimits });
  if (!isArchitectureAccepted(report.control.architecture)) throw new BerthError('architecture', `Architecture: ${report.control.architecture}`);
  return report;
}

/** What changes when anybody touches the file: its contents, mode, owner, links, or the file itself. */
function fingerprint(path: string): readonly unknown[] {
  const { ino, mode, uid, gid, nlink, mtimeMs, ctimeMs } = statSync(path);
  return [ino, mode, uid, gid, nlink, mtimeMs, ctimeMs, readFileSync(path, 'utf8')];
}

let work: string;

before(async () => {
  work = await mkdtemp(join(tmpdir(), 'berth-corpus-'));
  await mkdir(canary, { recursive: true });
  await writeFile(victim, 'unchanged', { mode: 0o640 });
});

after(async () => {
  await rm(work, { recursive: true, force: true });
  await rm('/var/tmp/berth-corpus', { recursive: true, force: true });
});

test('the corpus of packages is there', { skip: present ? false : 'the folder ../shared/corpus is not there' }, () => undefined);

for (const { file, verdict, why, sha256 } of present ? readCases() : []) {
  test(`${file}: ${verdict} (${why})`, async () => {
    assert.equal(sha256Hex(await readFile(join(corpus, file))), sha256);
    const target = await mkdtemp(join(work, 'target-'));
    const before = fingerprint(victim);
    const outcome = await take(file, target).catch((error: unknown) => error);
    assert.deepEqual(await readdir(canary), ['victim']);
    assert.deepEqual(fingerprint(victim), before);
    if (outcome instanceof BerthError) {
      assert.notEqual(verdict, 'valid', outcome.message);
      assert.ok(['bad_package', 'too_large', 'unsupported', 'architecture'].includes(outcome.code), `${outcome.code}: ${outcome.message}`);
      if (verdict === 'either') assert.equal(outcome.code, 'unsupported');
      if (outcome.code !== 'architecture') assert.deepEqual(await readdir(target), []);
    } else {
      assert.notEqual(verdict, 'reject');
      assert.deepEqual(await verifyImage(target), []);
    }
  });
}
