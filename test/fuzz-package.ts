/**
 * Feeds mutated payloads to the reader: `node test/fuzz-package.ts --seconds 60 --seed 1`. Each either unpacks to
 * images that agree with their manifests, or is refused with nothing left behind; nothing outside the target changes,
 * nothing stays open, nothing hangs. A case is made from the seed and its number alone: `--only N` runs one again.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BerthError } from '../src/lib/errors.ts';
import { pieces, smallLimits } from '../src/image/test-fixtures.ts';
import { unpackPayload } from '../src/image/payload.ts';
import type { PayloadKind } from '../src/image/types.ts';
import { verifyImage } from '../src/image/verify-image.ts';
import { basePackages } from './package-mutator.ts';
import { mutatedPayload } from './payload-mutator.ts';
import { randomFrom } from './random.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Stop after so many cases, or after so many seconds, whichever comes first. */
  readonly cases?: number;
  readonly seconds?: number;
  /** Number of the first case. */
  readonly first?: number;
}

export interface FuzzResult {
  readonly cases: number;
  /** Good ones by their kind. */
  readonly accepted: Readonly<Record<PayloadKind, number>>;
  /** Refusals by error code. */
  readonly refused: Readonly<Record<string, number>>;
  readonly seconds: number;
}

const limits = smallLimits({ packageBytes: 1 << 20, unpackedBytes: 8 << 20, entries: 200, manifestBytes: 1 << 20 });
/** What a bad payload may be refused with; `io` or `internal` would be a fault of the reader. */
const refusals = ['bad_package', 'too_large', 'unsupported'];
/** No case needs more than a few milliseconds. */
const hangMs = 20_000;
/** Cases under way at once, each with a target of its own: most of the time is waiting for the thread pool. */
const lanes = 4;

/** @throws Error naming seed and case when a payload does what none may do. */
export async function fuzzPackages(options: FuzzOptions): Promise<FuzzResult> {
  const { seed, first = 0, cases = Infinity, seconds = Infinity } = options;
  const work = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'berth-fuzz-'));
  try {
    const canary = join(work, 'canary');
    mkdirSync(canary);
    writeFileSync(join(canary, 'victim'), 'unchanged');
    const targets = Array.from({ length: lanes }, (_, lane) => join(work, `target${lane}`));
    for (const target of targets) mkdirSync(target);
    const bases = basePackages();
    const before = stateOf(work, canary);
    const openBefore = readdirSync('/proc/self/fd').length;
    const refused: Record<string, number> = {};
    const begun = performance.now();
    const elapsed = (): number => (performance.now() - begun) / 1000;
    const accepted = { package: 0, archive: 0, swu: 0 };
    let begunCases = 0;
    const runLane = async (target: string): Promise<void> => {
      while (begunCases < cases && elapsed() < seconds) {
        const number = first + begunCases;
        begunCases += 1;
        const bytes = mutatedPayload(bases, randomFrom(seed, number), canary);
        const outcome = await withinTime(unpackOnce(bytes, target)).catch((error: unknown) => {
          throw new Error(`seed ${seed}, case ${number}: ${(error as Error).message}`, { cause: error });
        });
        if ('kind' in outcome) accepted[outcome.kind] += 1;
        else refused[outcome.code] = (refused[outcome.code] ?? 0) + 1;
        if (readdirSync(target).length > 0) throw new Error(`seed ${seed}, case ${number}: the target was not left empty`);
        if (stateOf(work, canary) !== before) throw new Error(`seed ${seed}, case ${number} or one beside it: something outside the target changed`);
      }
    };
    await Promise.all(targets.map(runLane));
    const open = readdirSync('/proc/self/fd').length;
    if (open > openBefore + 8) throw new Error(`seed ${seed}: ${open - openBefore} files were left open`);
    return { cases: begunCases, accepted, refused, seconds: elapsed() };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What a good payload is, or the code of the refusal. Empties the target of a good one. */
async function unpackOnce(bytes: Buffer, target: string): Promise<{ readonly kind: PayloadKind } | { readonly code: string }> {
  let report;
  try {
    report = await unpackPayload(pieces(bytes, 1 + (bytes.length % 4096)), target, { limits });
  } catch (error) {
    if (error instanceof BerthError && refusals.includes(error.code)) return { code: error.code };
    throw error;
  }
  const { kind, packages } = report;
  if (readdirSync(target).length !== packages.length) throw new Error(`${packages.length} packages, but ${readdirSync(target).join(', ')}`);
  for (const { directory, name } of packages) {
    const differences = await verifyImage(directory!);
    if (differences.length > 0) throw new Error(`${name} unpacked, but not as its manifest says: ${differences.join('; ')}`);
    rmSync(directory!, { recursive: true });
  }
  return { kind };
}

/** Everything that must stay as it is, as text: the names beside the targets, and the victim. */
function stateOf(work: string, canary: string): string {
  const victim = statSync(join(canary, 'victim'));
  const { mode, mtimeMs } = statSync(canary);
  return JSON.stringify([
    readdirSync(work).toSorted(),
    readdirSync(canary),
    [mode, mtimeMs, victim.ino, victim.mode, victim.uid, victim.nlink, victim.ctimeMs, victim.size],
    readFileSync(join(canary, 'victim'), 'utf8'),
  ]);
}

async function withinTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('hangs')), hangMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seconds: { type: 'string' }, cases: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } } });
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  const bounds = values.only === undefined ? { seconds: Number(values.seconds ?? 60), cases: Number(values.cases ?? Infinity) } : { first: Number(values.only), cases: 1 };
  const result = await fuzzPackages({ seed, ...bounds });
  console.log(JSON.stringify({ seed, ...result }));
}

if (import.meta.main) await main();
