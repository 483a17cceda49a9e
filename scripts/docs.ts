/**
 * `node scripts/docs.ts [--check]`: writes the generated tables of `docs/package.md` from the tables of the source,
 * between `<!-- table: NAME -->` and `<!-- end -->`; with `--check` only tells whether they are current.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { annotationPrefix, annotations, defaultLimits, type PackageLimits } from '../src/image/index.ts';
import { replaceFileSync } from '../src/lib/durable.ts';
import { formatSize } from '../src/lib/units.ts';

const limitMeanings: Readonly<Record<keyof PackageLimits, string>> = {
  packageBytes: 'size of the package',
  unpackedBytes: 'sum of the sizes of its files',
  entries: 'files, directories and links',
  pathDepth: 'components of a path',
  pathBytes: 'bytes of a path (255 of one component)',
  controlBytes: 'the control stanza',
  manifestBytes: 'the content manifest',
  signatureBytes: 'the signature',
  configBytes: '`config.json`',
  expansionRatio: 'unpacked bytes for each packed byte, after the first 16 MiB',
};

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

const tables: Readonly<Record<string, () => string>> = {
  annotations: () =>
    table(
      ['annotation', 'in `berth.yaml`', 'default', 'example', 'meaning'],
      Object.values(annotations).map(({ name, fallback, example, meaning }) => [
        code(annotationPrefix + name),
        code(`run.${name.replace(/^stop-/, 'stop.').replace(/^network$/, 'network.mode').replace(/^data\.size$/, 'limits.data')}`),
        code(fallback),
        code(example),
        meaning,
      ]),
    ),
  limits: () =>
    table(
      ['limit', 'default', 'of'],
      (Object.keys(limitMeanings) as (keyof PackageLimits)[]).map((name) => [code(limitName(name)), formatLimit(name, defaultLimits[name]), limitMeanings[name]]),
    ),
};

/** As in `limits` of `berthd.yaml`. */
function limitName(name: string): string {
  return name.replace(/Bytes$/, '').replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function formatLimit(name: string, value: number): string {
  return name.endsWith('Bytes') && name !== 'pathBytes' ? formatSize(value) : value.toLocaleString('en');
}

/** The document with every table as it should be. @throws Error naming a table that does not exist. */
export function withTables(text: string): string {
  return text.replaceAll(/(<!-- table: (\w+) -->\n)[^]*?(<!-- end -->)/g, (_, begin: string, name: string, end: string) => {
    const make = tables[name];
    if (make === undefined) throw new Error(`docs/package.md: there is no table ${name}`);
    return `${begin}${make()}\n${end}`;
  });
}

if (import.meta.main) {
  const path = join(import.meta.dirname, '..', 'docs', 'package.md');
  const present = readFileSync(path, 'utf8');
  const current = withTables(present);
  if (present !== current && process.argv.includes('--check')) {
    console.error('docs/package.md: its tables are not those of the source; run: node scripts/docs.ts');
    process.exitCode = 1;
  } else if (present !== current) {
    replaceFileSync(path, current);
  }
}
