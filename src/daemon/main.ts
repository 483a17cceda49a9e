import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { asBerthError, errorTable } from '../lib/errors.ts';
import { stderrJournal } from '../lib/journal.ts';
import { version } from '../lib/version.ts';
import { copyWorkerMain } from '../store/index.ts';
import { readConfig } from './config.ts';
import { startDaemon, type DaemonOptions } from './daemon.ts';

/** First argument that makes this program the child of a daemon that copies data. */
const copyFlag = '--copy-worker';

/** The relay hands bytes on, for as long as apps run. */
const smallHeap = ['--max-semi-space-size=1', '--max-old-space-size=32', '--single-threaded-gc'];

/** How a daemon starts its children. Without the daemon's own flags: they keep it small, a child is to be quick. */
function workerPrograms(program: string): DaemonOptions['workers'] {
  const isBuilt = !program.endsWith('.ts');
  const unpackProgram = isBuilt ? 'berthd-unpack.cjs' : '../image/unpack-program.ts';
  const relayProgram = isBuilt ? 'berthd-relay.cjs' : '../dbus/relay-program.ts';
  return {
    unpack: { command: process.execPath, args: [join(import.meta.dirname, unpackProgram)] },
    relay: { command: process.execPath, args: [...smallHeap, join(import.meta.dirname, relayProgram)] },
    copy: { command: process.execPath, args: [program, copyFlag] },
    files: [process.execPath, isBuilt ? dirname(program) : join(import.meta.dirname, '../..')],
  };
}

const usage = `usage: berthd [--root DIR] [--run DIR] [--config FILE] [--debug]

Supervises the apps of this device. Serves the REST API on berth.sock in the run directory.

  --root DIR     database, images and data (default /var/lib/berth)
  --run DIR      sockets and generated bundles (default /run/berth)
  --config FILE  configuration (default /etc/berth/berthd.yaml)
  --debug        tell more
  --version      tell the version and end

SIGTERM ends the daemon and leaves the apps running; the next one takes them over.
`;

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      root: { type: 'string' },
      run: { type: 'string' },
      config: { type: 'string' },
      debug: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      version: { type: 'boolean', default: false },
    },
  });
  if (values.help || values.version) {
    process.stdout.write(values.help ? usage : `berthd ${version}\n`);
    return;
  }
  // What is made has the modes that the code says, whoever started the daemon.
  process.umask(0o022);
  // That nobody reads the journal any more is no reason to end.
  process.stderr.on('error', () => undefined);
  const journal = stderrJournal({ debug: values.debug });
  const config = await readConfig(values.config, {
    ...(values.root === undefined ? {} : { root: values.root }),
    ...(values.run === undefined ? {} : { run: values.run }),
  });
  const stop = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
  const daemon = await startDaemon({ config, version, workers: workerPrograms(realpathSync(process.argv[1]!)), journal });
  journal('notice', `berthd ${version} is ready`);
  await Promise.race([daemon.booted, stop]);
  journal('notice', `berthd ends on ${await stop}; the apps go on`);
  await daemon.close();
}

function fail(thrown: unknown): void {
  const error = thrown instanceof TypeError && 'code' in thrown ? undefined : asBerthError(thrown);
  // What parseArgs throws is a TypeError with a code: wrong usage.
  process.stderr.write(`berthd: ${error?.message ?? (thrown as Error).message}\n`);
  // A start that failed half-way leaves handles open that would keep the process alive.
  process.exit(error === undefined ? 2 : errorTable[error.code].exit);
}

const [, , ...given] = process.argv;
(given[0] === copyFlag ? copyWorkerMain(given.slice(1)) : main(given)).catch(fail);
