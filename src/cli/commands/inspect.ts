import type { PackageDocument } from '../../image/index.ts';
import { formatSize } from '../../lib/units.ts';
import type { Command } from '../command.ts';
import { openPayload } from '../payload.ts';
import { span, type Span } from '../style.ts';
import { renderFields, renderTable, type Surface } from '../table.ts';

export function renderPackage(document: PackageDocument, surface: Surface): string {
  const control = Object.entries(document.control).map(([name, value]) => [name, span(value)] as const);
  const fields: (readonly [string, Span])[] = [
    ['Digest', span(document.digest)],
    ['Manifest', document.manifestGiven ? span('in the package') : span('none; computed', 'yellow')],
    ['Signature', document.signatureBytes === undefined ? span('none', 'yellow') : span(`${document.signatureBytes} bytes`)],
    ['Size', span(`${formatSize(document.packageBytes)} (${document.compression}), unpacked ${formatSize(document.unpackedBytes)}`)],
    ['Entries', span(`${document.entries}, of them ${document.files} files`)],
    ['Bundle', span([document.config === null ? 'no config.json' : 'config.json', document.hasRootfs ? 'rootfs' : 'no rootfs'].join(', '))],
    ...document.warnings.map((warning) => ['Note', span(warning, 'yellow')] as const),
  ];
  const text = `${renderFields(control, surface)}\n${renderFields(fields, surface)}`;
  return document.contents === undefined ? text : `${text}\n${renderContents(document.contents, surface)}`;
}

function renderContents(contents: NonNullable<PackageDocument['contents']>, surface: Surface): string {
  const columns = [{ title: 'MODE' }, { title: 'OWNER' }, { title: 'SIZE', right: true }, { title: 'PATH', least: 20 }] as const;
  const rows = contents.map((entry) => [
    span(`${entry.type} ${entry.mode.toString(8).padStart(4, '0')}`),
    span(`${entry.uid}:${entry.gid}`),
    span(entry.type === 'file' ? String(entry.size) : ''),
    span('target' in entry ? `${entry.path} -> ${entry.target}` : entry.path),
  ]);
  return renderTable(columns, rows, surface);
}

export const inspect: Command = {
  name: 'inspect',
  args: [{ name: 'PACKAGE', kind: 'file' }],
  options: [{ name: 'files', summary: 'also list every entry' }],
  summary: 'show what is in a package',
  help: [
    'Reads a package to its end, checks all that installing would, and shows its control fields, digest, signature, sizes and what is odd in it. Nothing is written. With --json everything is given, the config.json and the launch settings included.',
  ],
  examples: [{ line: 'berth inspect web.ipk --json | jq .config.process.args', meaning: 'what the app runs' }],
  run: async ({ io, result, colour, width }, { args, flags }) => {
    const { body } = await openPayload(args[0]!, io);
    // The package reader is loaded only by the commands that need it.
    const { inspectPackage } = await import('../../image/index.ts');
    const document = await inspectPackage(body, { signal: io.signal, files: flags.has('files') });
    await result(document, () => renderPackage(document, { colour, width }));
  },
};
