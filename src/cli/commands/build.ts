import { basename } from 'node:path';
import type { BuildReport, PackProgress } from '../../image/index.ts';
import { BerthError } from '../../lib/errors.ts';
import { formatSize } from '../../lib/units.ts';
import { usage } from '../arguments.ts';
import type { Command, Context, Given, Option } from '../command.ts';
import { shortDigest } from '../format.ts';
import { barLine, StatusLine } from '../progress.ts';
import { render, span } from '../style.ts';

const compressions = ['zst', 'gz', 'xz'] as const;

/** Options of the commands that write a package. */
export const outputOptions: readonly Option[] = [
  { name: 'output', short: 'o', value: 'FILE', summary: 'the package to write' },
  { name: 'compression', value: 'KIND', summary: `of the data: ${compressions.join(', ')}; default ${compressions[0]}` },
];

/** Where the package goes and how it is compressed. @throws BerthError `usage` */
export function readOutput(command: Command, { values }: Given): { readonly output: string; readonly options: { readonly compression?: (typeof compressions)[number] } } {
  const output = values.get('output');
  if (output === undefined) throw usage('--output FILE is missing', command);
  const text = values.get('compression');
  if (text === undefined) return { output, options: {} };
  const compression = compressions.find((kind) => kind === text);
  if (compression === undefined) throw new BerthError('usage', `--compression: "${text}" is not one of ${compressions.join(', ')}`);
  return { output, options: { compression } };
}

/** Writes a package, shows meanwhile how far it is, and tells what was written. */
export async function writePackage(context: Context, output: string, write: (onProgress: (progress: PackProgress) => void) => Promise<BuildReport>): Promise<void> {
  const line = new StatusLine(context.io);
  let report: BuildReport;
  try {
    report = await write(({ doneBytes, totalBytes }) => {
      if (!context.json) void line.draw((columns) => barLine(basename(output), 'packing', doneBytes, totalBytes, columns));
    });
  } finally {
    await line.clear();
  }
  await tellWritten(report, context);
}

/** Tells what was written. */
async function tellWritten(report: BuildReport, { result, colour, io, json }: Context): Promise<void> {
  const { control, warnings, output, digest, entries, bytes } = report;
  if (!json) for (const warning of warnings) await io.err(`${render(span(`note: ${warning}`, 'yellow'), colour && io.errTerminal)}\n`);
  const document = { output, package: control.package, version: control.version, architecture: control.architecture, digest, entries, bytes, warnings };
  await result(document, () => `${render(span(`${output}: ${control.package} ${control.version} (${control.architecture}), ${entries} entries, ${formatSize(bytes)}, ${shortDigest(digest)}`), colour)}\n`);
}

export const build: Command = {
  name: 'build',
  args: [{ name: 'DIR', kind: 'directory' }],
  options: outputOptions,
  summary: 'make a package of a folder',
  help: [
    'The folder holds either a berth.yaml, which says what the app is and where its files are, or a ready OCI bundle (config.json and rootfs) beside CONTROL/control. docs/package.md describes both.',
    'The same input gives the same bytes.',
  ],
  examples: [{ line: 'berth build examples/hello-world -o hello-world.ipk', meaning: 'an example of Berth\'s own' }],
  run: async (context, given) => {
    const { output, options } = readOutput(build, given);
    const { buildPackage } = await import('../../image/index.ts');
    await writePackage(context, output, (onProgress) => buildPackage(given.args[0]!, output, { ...options, signal: context.io.signal, onProgress }));
  },
};
