import { basename } from 'node:path';
import { BerthError } from '../../lib/errors.ts';
import { formatSize } from '../../lib/units.ts';
import type { InstallReport, UpdatePhase, UpdatePlan, UpdateProgress, UpdateReport } from '../../update/index.ts';
import type { Query } from '../client.ts';
import type { Command, Context, Given } from '../command.ts';
import { describeDecision, shortDigest } from '../format.ts';
import { openPayloads, type Payload } from '../payload.ts';
import { isShort, renderPlan } from '../plan-view.ts';
import { Progress, type Standing } from '../progress.ts';
import { render, span, type Span } from '../style.ts';

type Line = (Standing & UpdateProgress) | { readonly result: UpdateReport } | { readonly plan: UpdatePlan };

/** Phases in which an update goes on although whoever sent it has gone. */
const afterSwitch: ReadonlySet<UpdatePhase> = new Set(['switching', 'starting', 'trial', 'rolling-back']);

/** Most that the daemon takes as the name of a payload. */
const maxOriginLength = 255;

/** What an install did to one app. */
function reportLines({ status, ...report }: InstallReport): readonly Span[] {
  const before = report.replaced === undefined ? '' : ` in place of ${report.replaced.version}`;
  const reason = status.reason === undefined || status.state === 'running' ? '' : `: ${status.reason.message}`;
  return [
    span(`installed ${report.app} ${report.version}${before}: ${report.entries} entries, ${formatSize(report.bytes)}, ${shortDigest(report.digest)}${report.authority === undefined ? ', unsigned' : `, signed by ${report.authority}`}`, report.authority === undefined ? 'yellow' : undefined),
    ...report.warnings.map((warning) => span(`note: ${warning}`, 'yellow')),
    ...report.degraded.map((decision) => span(`not granted: ${describeDecision(decision)}`, 'yellow')),
    span(`${report.app} is ${status.state}${reason}`, status.state === 'running' ? 'green' : undefined),
  ];
}

/** What an update did, for people. */
export function renderReport({ update, outcome, installed }: UpdateReport, colour: boolean): string {
  const end = outcome === 'committed' ? span(`update ${update} is committed`, 'green') : span(goesOn(update), 'cyan');
  return [...installed.flatMap(reportLines), end].map((line) => `${render(line, colour)}\n`).join('');
}

function goesOn(update: number): string {
  return `update ${update} goes on; \`berth updates ${update}\` shows how far it is`;
}

/** What becomes of an update that whoever sent it has left by Ctrl-C. It may just have switched. */
function left({ update, phase }: UpdateProgress): string {
  return afterSwitch.has(phase) ? goesOn(update) : `update ${update} is being cancelled; \`berth updates ${update}\` shows how it ended`;
}

/** Where to see the end of an update that could not be followed. */
function lookAt(last: UpdateProgress | undefined): string {
  return last === undefined ? '`berth updates` shows what became of it' : `\`berth updates ${last.update}\` shows what becomes of it`;
}

/** What the options ask of the daemon. */
function queryOf({ args, flags }: Given, { bytes }: Payload): Query {
  return {
    start: !flags.has('no-start'),
    wait: flags.has('no-wait') ? false : undefined,
    dryRun: flags.has('dry-run') ? true : undefined,
    allowDowngrade: flags.has('allow-downgrade') ? true : undefined,
    allowMix: flags.has('allow-mix') ? true : undefined,
    snapshot: flags.has('no-snapshot') ? false : undefined,
    now: flags.has('now') ? true : undefined,
    bytes,
    origin: args[0] === '-' ? undefined : args.map((path) => basename(path)).join(', ').slice(0, maxOriginLength),
  };
}

/** Sends the payload and follows what becomes of it. */
async function send(context: Context, given: Given): Promise<UpdateReport | UpdatePlan> {
  const { client, io, json } = context;
  const payload = await openPayloads(given.args, io);
  const progress = new Progress(io, payload.label, payload.bytes);
  let last: UpdateProgress | undefined;
  try {
    for await (const line of client.upload<Line>('/install', queryOf(given, payload), 'application/vnd.berth.package', payload.body)) {
      if ('result' in line) return line.result;
      if ('plan' in line) return line.plan;
      last = line;
      if (!json) await progress.show(line);
    }
  } catch (error) {
    if (last === undefined || !(error instanceof BerthError) || error.code !== 'unavailable') throw error;
    throw new BerthError('unavailable', `${error.message}; ${lookAt(last)}`, { cause: error, detail: { update: last.update } });
  } finally {
    if (!json) await progress.clear();
    payload.body.destroy();
    if (!json && io.signal.aborted && last !== undefined) await io.err(`${left(last)}\n`);
  }
  throw new BerthError('unavailable', `berthd went away before it told how the update ended; ${lookAt(last)}`);
}

export const install: Command = {
  name: 'install',
  args: [{ name: 'PAYLOAD', many: true, kind: 'file' }],
  options: [
    { name: 'no-start', summary: 'do not start apps that were not there before' },
    { name: 'no-wait', summary: 'end as soon as everything is checked and on disk; the update goes on by itself' },
    { name: 'dry-run', summary: 'only show what would be done' },
    { name: 'allow-downgrade', summary: 'also take versions older than one that has proved itself' },
    { name: 'allow-mix', summary: 'take packages of several authorities in one payload' },
    { name: 'no-snapshot', summary: 'do not copy the data first: an old version that comes back finds what the new one made of it' },
    { name: 'now', summary: 'wait neither for a window nor for apps that put the update off' },
  ],
  summary: 'install or update apps: all of a payload, or nothing',
  help: [
    'Sends a payload to the device: one package, an archive of packages (tar, also compressed with gzip, xz or zstd), or an image of Mbed Linux OS (.swu). Several packages are sent as one payload. - alone is standard input. All of a payload is applied, or nothing.',
    'Everything is checked and put on disk while the old versions still run; then they stop, and the new ones start with the same data. An app that was there before keeps what a person last asked of it. A new version is on trial first: if it ends, is unhealthy, or does not prove itself in time, all of the payload is rolled back, its data too, and the command ends with 1.',
    'Ctrl-C cancels as long as the old versions run, and nothing of the payload is left then; later the update goes on without the command. An app that is new and cannot start stays installed, and the command ends with 1.',
    '--dry-run sends the payload too, but nothing on the device changes; it ends with 1 if there is not enough room.',
  ],
  examples: [
    { line: 'berth install broker.ipk web.ipk', meaning: 'two packages, together or not at all' },
    { line: 'berth install --dry-run update.tar.xz', meaning: 'what an archive of packages would do' },
    { line: 'berth --host ssh://root@gateway install web.ipk', meaning: 'onto a device that ssh reaches' },
  ],
  run: async (context, given) => {
    const { result, colour, width } = context;
    const answer = await send(context, given);
    if ('apps' in answer) {
      await result({ plan: answer }, () => renderPlan(answer, { colour, width }));
      return isShort(answer) ? 1 : 0;
    }
    const { installed, update, outcome } = answer;
    await result({ installed, update, outcome }, () => renderReport(answer, colour));
    return installed.some(({ status }) => status.desired === 'running' && status.state === 'failed') ? 1 : 0;
  },
};
