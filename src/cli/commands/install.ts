import { BerthError } from '../../lib/errors.ts';
import { formatSize } from '../../lib/units.ts';
import type { InstallProgress, InstallReport } from '../../update/index.ts';
import type { Command, Context } from '../command.ts';
import { shortDigest } from '../format.ts';
import { openPayload } from '../payload.ts';
import { Progress } from '../progress.ts';
import { render, span, type Span } from '../style.ts';

type Line = InstallProgress | { readonly result: InstallReport };

/** What an install did, for people. */
export function renderReport(report: InstallReport, colour: boolean): string {
  const { status } = report;
  const before = report.replaced === undefined ? '' : ` in place of ${report.replaced.version}`;
  const spans: Span[] = [
    span(`installed ${report.app} ${report.version}${before}: ${report.entries} entries, ${formatSize(report.bytes)}, ${shortDigest(report.digest)}${report.signed ? '' : ', unsigned'}`),
    ...report.warnings.map((warning) => span(`note: ${warning}`, 'yellow')),
    ...report.withheld.map(({ path, why }) => span(`not granted: ${path}: ${why}`, 'yellow')),
  ];
  const reason = status.reason === undefined || status.state === 'running' ? '' : `: ${status.reason.message}`;
  spans.push(span(`${report.app} is ${status.state}${reason}`, status.state === 'running' ? 'green' : undefined));
  return spans.map((line) => `${render(line, colour)}\n`).join('');
}

async function installOne(context: Context, path: string, start: boolean): Promise<InstallReport> {
  const { client, io, json } = context;
  const { label, body, bytes } = await openPayload(path, io);
  const progress = new Progress(io, label, bytes);
  try {
    for await (const line of client.upload<Line>('/install', { start }, 'application/vnd.berth.package', body)) {
      if ('result' in line) return line.result;
      if (!json) await progress.show(line.phase, line.bytes);
    }
  } finally {
    if (!json) await progress.clear();
    body.destroy();
  }
  throw new BerthError('unavailable', 'berthd went away before it told how the installation ended; `berth ps` shows what there is');
}

export const install: Command = {
  name: 'install',
  args: [{ name: 'PAYLOAD', many: true, kind: 'file' }],
  options: [{ name: 'no-start', summary: 'do not start apps that were not there before' }],
  summary: 'install packages, and start their apps',
  help: [
    'Sends each package to the device, which checks it, unpacks it and starts its app; several packages are installed one after the other, and the first that is refused ends the command. A package may be - for standard input. An app that was there before must be stopped; it keeps its data and what a person last asked of it.',
    'Ctrl-C cancels; nothing of the package is left then. An app that is installed but cannot start stays installed, and the command ends with 1.',
  ],
  examples: [
    { line: 'berth install broker.ipk web.ipk', meaning: 'two packages' },
    { line: 'berth --host ssh://root@gateway install web.ipk', meaning: 'onto a device that ssh reaches' },
  ],
  run: async (context, { args, flags }) => {
    const reports: InstallReport[] = [];
    for (const path of args) {
      const report = await installOne(context, path, !flags.has('no-start'));
      reports.push(report);
      if (!context.json) await context.io.out(renderReport(report, context.colour));
    }
    if (context.json) await context.result({ installed: reports }, () => '');
    return reports.some(({ status }) => status.desired === 'running' && status.state === 'failed') ? 1 : 0;
  },
};
