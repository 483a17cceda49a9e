/** Cuts the power during operations, again and again. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { placesIn } from '../../src/runtime/places.ts';
import { projectRoot, TestDaemon } from '../support/berthd.ts';
import type { Operation } from './operation.ts';
import { operationNamed, operations } from './operations.ts';
import { Rig, type Command, type Point } from './rig.ts';
import { makeScene, storeFolder, type Scene } from './scene.ts';

/** The ways in which ext4 is mounted. Without `noauto_da_alloc` it hides part of the syncs that a program forgot. */
export const mounts = ['data=ordered', 'data=ordered,noauto_da_alloc'] as const;

/** A recording, and how many of its moments are tried. */
export interface Piece {
  /** `recovery`, or the name of an operation. */
  readonly operation: string;
  readonly mount: (typeof mounts)[number];
  readonly points: number;
  readonly seed: number;
}

export interface Outcome extends Piece {
  /** Moments that were different from each other; `points` unless there were not so many. */
  readonly tried: number;
  readonly survived: number;
  readonly failures: readonly Failure[];
}

export interface Failure {
  readonly point: Point;
  /** How to see it again, while the recording is kept. */
  readonly again: string;
}

/** What is cut during a recovery: an update that is under way. */
const recovered = ['update', 'rollback', 'data'];
const mostCutsOfRecovery = 5;

export const subjects: readonly { readonly name: string; readonly title: string }[] = [
  ...operations,
  { name: 'recovery', title: 'the recovery from such cuts itself, cut again' },
];

/** Holds what all pieces need; gives it back when it is disposed of. */
export class Campaign implements AsyncDisposable {
  readonly #directory: string;
  readonly #jobs: number;
  readonly #program: string;
  readonly #runtime: string;
  readonly #rig: Rig;
  readonly #scenes = new Map<string, Scene>();
  #recordings = 0;
  #failed = false;

  private constructor(directory: string, jobs: number, program: string, runtime: string) {
    this.#directory = directory;
    this.#jobs = jobs;
    this.#program = program;
    this.#runtime = runtime;
    this.#rig = new Rig(directory);
  }

  static async prepare(jobs: number): Promise<Campaign> {
    const directory = mkdtempSync('/var/tmp/berth-cut-');
    // Containers pass through here.
    chmodSync(directory, 0o711);
    return new Campaign(directory, jobs, await buildProgram(directory), await chosenRuntime());
  }

  async cut(piece: Piece): Promise<Outcome> {
    return piece.operation === 'recovery' ? this.#cutRecovery(piece) : this.#cutOperation(operationNamed(piece.operation), piece);
  }

  /** Recordings in which power was not survived are kept, so that one can look at them. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#failed) rmSync(this.#directory, { recursive: true });
    return Promise.resolve();
  }

  async #cutOperation(operation: Operation, piece: Piece): Promise<Outcome> {
    const log = await this.#recordOperation(operation, piece);
    return this.#cutRecording(log, piece, this.#command('check', operation));
  }

  /** An update is cut at some moments at which it is under way; the recovery from each is recorded, and cut in turn. */
  async #cutRecovery(piece: Piece): Promise<Outcome> {
    const operation = operationNamed(recovered[piece.seed % recovered.length]);
    const log = await this.#recordOperation(operation, piece);
    const candidates = await this.#rig.explore({ log, points: 60, seed: piece.seed, jobs: this.#jobs }, { words: ['sh', '-c', 'tail -n 1 "$POWERCUT_MARKS"'], env: {} });
    const cuts = distinctPhases(candidates).slice(0, Math.min(mostCutsOfRecovery, Math.ceil(piece.points / 20)));
    const parts: Outcome[] = [];
    for (const [index, { k }] of cuts.entries()) {
      const image = `${log}.${k}.img`;
      const marks = await this.#rig.saveCut({ log, seed: piece.seed }, k, image);
      const again = this.#nextLog(`recovery-of-${operation.name}`);
      await this.#rig.record(again, this.#mount, ['--image', image, '--mount-opts', piece.mount, '--churn', '5'], this.#command('recover', operation));
      rmSync(image);
      const { words, env } = this.#command('check', operation);
      const part = { ...piece, points: Math.ceil(piece.points / cuts.length), seed: piece.seed + index };
      parts.push(await this.#cutRecording(again, part, { words, env: { ...env, CUT_MARKS: marks } }));
    }
    const sum = (value: (part: Outcome) => number): number => parts.reduce((total, part) => total + value(part), 0);
    return { ...piece, tried: sum(({ tried }) => tried), survived: sum(({ survived }) => survived), failures: parts.flatMap(({ failures }) => failures) };
  }

  async #recordOperation(operation: Operation, { mount }: Piece): Promise<string> {
    const { store } = await this.#scene(operation);
    const log = this.#nextLog(operation.name);
    const prepare = `cp -a '${store}' "$MNT/${storeFolder}"`;
    await this.#rig.record(log, this.#mount, ['--size', '64M', '--mount-opts', mount, '--churn', '5', '--prepare', prepare], this.#command('operate', operation));
    return log;
  }

  async #cutRecording(log: string, piece: Piece, checker: Command): Promise<Outcome> {
    const { points, seed } = piece;
    const results = await this.#rig.explore({ log, points, seed, jobs: this.#jobs }, checker);
    const failures = results.filter(({ failed }) => failed !== null).map((point) => ({ point, again: this.#rig.again(log, seed, point.k, checker) }));
    if (failures.length > 0) this.#failed = true;
    else rmSync(log);
    return { ...piece, tried: results.length, survived: results.length - failures.length, failures };
  }

  async #scene(operation: Operation): Promise<Scene> {
    const there = this.#scenes.get(operation.name);
    if (there !== undefined) return there;
    const directory = join(this.#directory, operation.name);
    mkdirSync(directory);
    const scene = await makeScene(operation, directory);
    this.#scenes.set(operation.name, scene);
    return scene;
  }

  #command(verb: 'operate' | 'check' | 'recover', { name }: Operation): Command {
    return {
      words: [process.execPath, '--single-threaded', this.#program, verb, name, join(this.#directory, name, 'packages')],
      env: { BERTH_OCI_RUNTIME: this.#runtime, NODE_COMPILE_CACHE: join(this.#directory, 'cache') },
    };
  }

  #nextLog(name: string): string {
    this.#recordings += 1;
    return join(this.#directory, `${name}-${this.#recordings}.log`);
  }

  get #mount(): string {
    return join(this.#directory, 'mnt');
  }
}

/** Moments in as many different phases of an update as there are; after those, others. */
function distinctPhases(points: readonly Point[]): readonly Point[] {
  const phases = new Map<string, Point>();
  for (const point of points) {
    const last = point.out.trim();
    if (last.startsWith('phase') && !phases.has(last)) phases.set(last, point);
  }
  const first = [...phases.values()];
  return [...first, ...points.filter((point) => !first.includes(point))];
}

/** One file, since it is started for every moment that is tried. */
async function buildProgram(directory: string): Promise<string> {
  const program = join(directory, 'disk.cjs');
  const support = join(projectRoot, 'test/support');
  await build({
    entryPoints: [join(import.meta.dirname, 'disk.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node26',
    logLevel: 'warning',
    define: { 'import.meta.dirname': JSON.stringify(support), 'BERTH_VERSION': '"0.0.0"' },
  });
  return program;
}

/** The OCI runtime that works here. */
async function chosenRuntime(): Promise<string> {
  const daemon = new TestDaemon({});
  try {
    await daemon.start();
    return readFileSync(placesIn(daemon.runDir).choice, 'utf8');
  } finally {
    await daemon.destroy();
  }
}
