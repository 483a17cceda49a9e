/**
 * `npm run build`: one minified CommonJS bundle for each program, and the manual pages, in `dist`. CommonJS because an
 * ES module that imports Node's own modules costs several megabytes of memory more.
 */
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { writeManualPages } from './man.ts';

const checkout = join(import.meta.dirname, '..');
const dist = join(checkout, 'dist');

const programs = { 'berthd': 'src/daemon/main.ts', 'berthd-unpack': 'src/image/unpack-program.ts', 'berthd-relay': 'src/dbus/relay-program.ts', 'berth': 'src/cli/main.ts' } as const;

/** Writes `dist/berth.cjs`, `dist/berthd.cjs`, `dist/berthd-unpack.cjs`, `dist/berthd-relay.cjs` and `dist/man`. A bundle that is in use is replaced as a whole. */
export async function buildBundles(): Promise<void> {
  const { version } = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')) as { version: string };
  await mkdir(dist, { recursive: true });
  const work = await mkdtemp(join(dist, 'build-'));
  try {
    await build({
      entryPoints: Object.entries(programs).map(([out, source]) => ({ in: join(checkout, source), out })),
      outdir: work,
      outExtension: { '.js': '.cjs' },
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'cjs',
      target: 'node26',
      legalComments: 'none',
      logLevel: 'warning',
      define: { BERTH_VERSION: JSON.stringify(version), 'import.meta.dirname': '__dirname' },
    });
    for (const name of Object.keys(programs)) await rename(join(work, `${name}.cjs`), join(dist, `${name}.cjs`));
  } finally {
    await rm(work, { recursive: true });
  }
  await writeManualPages(join(dist, 'man'));
}

if (import.meta.main) await buildBundles();
