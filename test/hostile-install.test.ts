/** Packages with known verdicts, sent to a running daemon: what is refused leaves nothing and harms nobody. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { berthdBundle, projectRoot, whyNoContainers } from './support/berthd.ts';
import { refusalOf, startDevice } from './support/device.ts';

const corpus = join(projectRoot, '../shared/corpus/opkg');

function whyNotHere(): string | undefined {
  if (existsSync(corpus)) return whyNoContainers();
  if (process.env['CI'] !== undefined) throw new Error('the corpus of packages is missing, and in CI this must run');
  return 'the corpus of packages (../shared/corpus) is not here';
}

interface Row {
  readonly file: string;
  readonly verdict: string;
  readonly why: string;
}

function readRows(): Row[] {
  const [, ...lines] = readFileSync(join(corpus, 'CORPUS.tsv'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [file, verdict, why] = line.split('\t');
    return { file: file!, verdict: verdict!, why: why! };
  });
}

/** What the daemon's private memory may grow by: a heap that breathes, not packages that are kept. */
const growthKiB = 24 * 1024;
const skip = whyNotHere();

test('no package of the corpus is taken, leaves anything or disturbs the daemon', skip === undefined ? { timeout: 300_000 } : { skip }, async (t) => {
  // Hostile entries aim at /var/tmp/berth-corpus/canary; this daemon sees a /var/tmp of its own.
  const temporary = mkdtempSync('/run/berth-test-');
  t.after(() => { rmSync(temporary, { recursive: true }); });
  const canary = join(temporary, 'berth-corpus/canary');
  mkdirSync(canary, { recursive: true });
  writeFileSync(join(canary, 'victim'), 'untouched');
  const program = ['unshare', '--mount', 'sh', '-c', `mount --bind ${temporary} /var/tmp && exec "$@"`, 'sh', process.execPath, berthdBundle];
  const { daemon, api, install, settled } = await startDevice(t, { program });
  const { status: neighbour } = await install({ name: 'neighbour' });
  const { pid } = daemon;
  const memory = privateKiB(pid);
  const files = everything(daemon.root);

  for (const { file, verdict, why } of readRows()) {
    const { code, message } = await refusalOf(api, join(corpus, file));
    const told = `${file} (${why}): ${code}: ${message}`;
    // None of them holds a bundle; those with a sound format are refused for that alone.
    if (verdict === 'valid') assert.match(message, /holds no OCI bundle/, told);
    else assert.doesNotMatch(message, /holds no OCI bundle/, told);
    assert.equal(['bad_package', 'too_large', 'unsupported', 'architecture'].includes(code), true, told);
    assert.deepEqual(everything(daemon.root), files, `left by ${told}`);
  }

  assert.deepEqual(readdirSync(canary), ['victim']);
  assert.equal(readFileSync(join(canary, 'victim'), 'utf8'), 'untouched');
  assert.equal(privateKiB(pid) - memory < growthKiB, true, `${memory} KiB before, ${privateKiB(pid)} KiB after`);
  const { instance, restarts } = await settled('neighbour', () => true);
  assert.deepEqual({ instance, restarts }, { instance: neighbour.instance, restarts: 0 });
  assert.deepEqual((await api.apps()).map(({ name }) => name), ['neighbour']);
});

/** Memory that only this process has and has written, in KiB (proc_pid_smaps(5)). */
function privateKiB(pid: number): number {
  return Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1]);
}

/** All paths of the store but the database's own. */
function everything(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => !path.startsWith('berth.db')).toSorted();
}
