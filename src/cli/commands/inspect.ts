import { createReadStream } from 'node:fs';
import type { PackageReport } from '../../image/index.ts';
import { formatSize } from '../../lib/units.ts';
import type { Command } from '../command.ts';
import { span, type Span } from '../style.ts';
import { renderFields, type Surface } from '../table.ts';

/** What `berth inspect` gives with `--json`: everything that was found, the control fields as an object. */
export function reportDocument(report: PackageReport): unknown {
  const { control, config, ...rest } = report;
  return { ...rest, control: { ...control, fields: Object.fromEntries(control.fields) }, config: config === undefined ? null : parseJson(config) };
}

/** The config as a document, or as text if it is not JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

export function renderReport(report: PackageReport, surface: Surface): string {
  const fields: [string, Span][] = [
    ['Digest', span(report.digest)],
    ['Manifest', report.manifestGiven ? span('in the package') : span('none; computed', 'yellow')],
    ['Signature', report.signatureBytes === undefined ? span('none', 'yellow') : span(`${report.signatureBytes} bytes`)],
    ['Size', span(`${formatSize(report.packageBytes)} (${report.compression}), unpacked ${formatSize(report.unpackedBytes)}`)],
    ['Entries', span(`${report.entries}, of them ${report.files} files`)],
    ['Bundle', span([report.config === undefined ? 'no config.json' : 'config.json', report.hasRootfs ? 'rootfs' : 'no rootfs'].join(', '))],
  ];
  const control = [...report.control.fields].map(([name, value]) => [name, span(value)] as const);
  const notes = report.warnings.map((warning) => ['Note', span(warning, 'yellow')] as const);
  return `${renderFields(control, surface)}\n${renderFields([...fields, ...notes], surface)}`;
}

export const inspect: Command = {
  name: 'inspect',
  args: [{ name: 'PACKAGE', kind: 'file' }],
  options: [],
  summary: 'show what is in a package',
  help: [
    'Reads a package to its end, checks every file against its manifest, and shows its control fields, digest, signature, sizes and what is odd in it. Nothing is written. With --json everything is given, the config.json included.',
  ],
  examples: [{ line: 'berth inspect web.ipk --json | jq .config.process.args', meaning: 'what the app runs' }],
  run: async ({ io, result, colour, width }, { args: [path] }) => {
    // The package reader is loaded only by the commands that need it.
    const { unpackPackage, defaultLimits } = await import('../../image/index.ts');
    const source = path === '-' ? io.stdin : createReadStream(path!);
    const report = await unpackPackage(source, undefined, { limits: defaultLimits, signal: io.signal });
    await result(reportDocument(report), () => renderReport(report, { colour, width }));
  },
};
