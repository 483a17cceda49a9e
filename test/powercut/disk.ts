/**
 * What runs on the recorded disk and on its copies after a cut. One program, made into one file, since it is started for
 * every moment that is tried: `operate NAME PACKAGES`, `check NAME PACKAGES`, `recover NAME PACKAGES`; all of them with the
 * disk at `MNT`.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { placesIn } from '../../src/runtime/places.ts';
import { berthdBundle, TestDaemon } from '../support/berthd.ts';
import { Device } from './device.ts';
import { judgeStore } from './judgement.ts';
import { expected, type Holding, type Operation } from './operation.ts';
import { operationNamed } from './operations.ts';
import { storeFolder } from './scene.ts';

const env = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};

const root = join(env('MNT'), storeFolder);

/** Everything takes a second or two, on a busy machine ten. */
const limitMs = 45_000;

/** Does the steps, and marks each one when it was acknowledged, and the phases of updates. */
async function operate(operation: Operation, packages: string): Promise<void> {
  const mark = (text: string): void => { writeFileSync(env('POWERCUT_MARK'), `${text}\n`); };
  await withDaemon({ booted: false, config: operation.config, ...(operation.factory === true && { factory: packages }) }, async (daemon) => {
    const device = new Device(daemon.socket);
    for (const [index, { act }] of operation.steps.entries()) {
      let last = '';
      await device.act(act, packages, (phase) => {
        if (phase !== last) mark(`phase ${phase}`);
        last = phase;
      });
      mark(`acknowledged ${index + 1}`);
    }
  });
}

/** Starts the device again, lets what was under way come to its end, and marks that. */
async function recover(operation: Operation): Promise<void> {
  await withDaemon({ booted: true, config: operation.config }, async (daemon) => {
    const device = new Device(daemon.socket);
    await device.settled();
    writeFileSync(env('POWERCUT_MARK'), `holds ${JSON.stringify(await versionsOf(device))}\n`);
    await daemon.end();
  });
}

/** The daemon starts, what was under way comes to its end, and then everything is as it may be. */
async function check(operation: Operation, packages: string): Promise<void> {
  const marks = [...(process.env['CUT_MARKS'] ?? '').split('\n'), ...readFileSync(env('POWERCUT_MARKS'), 'utf8').split('\n')];
  const { settled, underWay } = expected(operation, marks.filter((line) => line.startsWith('acknowledged')).length);
  const told = marks.find((line) => line.startsWith('holds '))?.slice('holds '.length);
  const point = Number(env('POWERCUT_POINT'));
  // A cut is followed by another boot. Now and then it looks like the same one, as if only everything had been killed.
  const booted = point % 4 !== 3;
  // With the factory folder still there, the apps come after all; without it, what the cut has left is seen.
  const again = operation.factory === true && point % 2 === 0;
  const began = Date.now();
  // Apps run only where a trial needs them: starts of containers are most of what a check costs.
  const runtime = isTried() ? env('BERTH_OCI_RUNTIME') : '/bin/false';
  await withDaemon({ booted, config: operation.config, runtime, ...(again && { factory: packages }) }, async (daemon) => {
    const device = new Device(daemon.socket);
    if (again) for (const { act } of operation.steps) await device.act(act, packages);
    if ((await device.updates()).some(({ outcome }) => outcome === undefined)) {
      const versions = await versionsOf(device);
      const allowed = [...settled, ...underWay].map(currentOf);
      if (!allowed.some((holding) => isDeepStrictEqual(holding, versions))) fail([`while an update is under way the device holds ${JSON.stringify(versions)}, not ${allowed.map((holding) => JSON.stringify(holding)).join(' or ')}`]);
      await device.settled();
    }
    const versions = await versionsOf(device);
    if (told !== undefined && !isDeepStrictEqual(versions, JSON.parse(told) as object)) fail([`after it was told that the device holds ${told}, it holds ${JSON.stringify(versions)}`]);
    // What an update leaves behind is deleted after its end; what a daemon finds, before it serves.
    await daemon.end((await device.updates()).some(({ endedAt }) => endedAt! >= began) ? 'SIGTERM' : 'SIGKILL');
    fail(await judgeStore(root, operation, again ? settled.slice(-1) : settled));
  });
}

/** Looks at a copy of the database, so that the daemon finds the disk as the cut left it. */
function isTried(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'berth-peek-'));
  try {
    for (const name of ['berth.db', 'berth.db-wal']) if (existsSync(join(root, name))) copyFileSync(join(root, name), join(directory, name));
    using database = new DatabaseSync(join(directory, 'berth.db'));
    return database.prepare(`SELECT 1 FROM updates WHERE state IN ('trial', 'rolling-back')`).get() !== undefined;
  } catch {
    // A cut in the middle of its making, which is for the daemon to judge.
    return false;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function fail(faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(faults.join('\n'));
}

async function versionsOf(device: Device): Promise<Readonly<Record<string, string>>> {
  return Object.fromEntries((await device.apps()).map(({ name, version }) => [name, version]));
}

function currentOf(holding: Holding): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(holding).flatMap(([app, [current]]) => (current === undefined ? [] : [[app, current] as const])));
}

interface Boot {
  /** The device was booted again since whatever wrote the disk. */
  readonly booted: boolean;
  readonly config: string;
  readonly runtime?: string;
  /** Directory of the factory folder. */
  readonly factory?: string;
}

async function withDaemon({ booted, config, runtime = env('BERTH_OCI_RUNTIME'), factory }: Boot, work: (daemon: TestDaemon) => Promise<void>): Promise<void> {
  const daemon = new TestDaemon({
    root,
    config: factory === undefined ? config : `${config}factory: ${factory}\n`,
    program: [process.execPath, '--single-threaded', berthdBundle],
  });
  // Before the rig's own limit, which would not tell what the daemon said.
  const limit = setTimeout(() => {
    process.stderr.write(`not over after ${limitMs} ms\n${daemon.log}`);
    process.exit(1);
  }, limitMs);
  try {
    if (booted) await daemon.cutPower();
    // Known beforehand, so that it is not tried out at each of so many starts.
    mkdirSync(daemon.runDir, { recursive: true, mode: 0o711 });
    writeFileSync(placesIn(daemon.runDir).choice, runtime);
    await daemon.start();
    await work(daemon);
  } catch (error) {
    process.stderr.write(`${(error as Error).stack}\n${daemon.log}`);
    process.exitCode = 1;
  } finally {
    await daemon.destroy();
    clearTimeout(limit);
  }
}

const [, , verb, name, packages = ''] = process.argv;
const operation = operationNamed(name);
const verbs: Readonly<Record<string, () => Promise<void>>> = { operate: () => operate(operation, packages), recover: () => recover(operation), check: () => check(operation, packages) };
void verbs[verb!]!();
