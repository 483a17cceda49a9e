/**
 * Builds the examples: `node examples/build.ts [OUTPUT]`. What they need is fetched once and kept in `.cache/examples`
 * until something that goes into them changes.
 */
import { globSync } from 'node:fs';
import { chmod, cp, glob, lstat, lutimes, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buildPackage } from '../src/image/index.ts';
import { sha256Stream } from '../src/lib/digest.ts';
import { publish } from '../src/lib/durable.ts';
import { isErrno } from '../src/lib/errors.ts';
import { assembleRootfs, debianPackages, examples } from './contents.ts';
import { DebianTree } from './debian.ts';

const checkout = join(import.meta.dirname, '..');
const cache = join(checkout, '.cache', 'examples');
/** All files of the examples carry this time, so that the same contents make the same packages. */
const builtAt = new Date('2026-01-01T00:00:00Z');

export interface Progress {
  /** Told in plain words what is being done. */
  readonly onProgress?: (message: string) => void;
}

/**
 * The folders that `berth build` takes, one for each example, by name.
 * @throws BerthError when Debian's packages cannot be fetched, with apt's own message.
 */
export async function prepareExamples({ onProgress }: Progress = {}): Promise<ReadonlyMap<string, string>> {
  const folders = join(cache, await inputsKey());
  if (!(await isDirectory(folders))) await assembleAll(folders, onProgress);
  return new Map(examples.map(({ name }) => [name, join(folders, name)]));
}

export interface BuildExamplesOptions extends Progress {
  /** Names of those to be built; all by default. */
  readonly only?: readonly string[];
}

/** Builds packages of the examples in a directory, which is made; gives the path of each by name. */
export async function buildExamples(output: string, { only, onProgress }: BuildExamplesOptions = {}): Promise<ReadonlyMap<string, string>> {
  const folders = await prepareExamples(onProgress === undefined ? {} : { onProgress });
  await mkdir(output, { recursive: true });
  const packages = new Map<string, string>();
  for (const [name, folder] of folders) {
    if (only?.includes(name) === false) continue;
    onProgress?.(`packing ${name}`);
    const path = join(output, `${name}.ipk`);
    await buildPackage(folder, path);
    packages.set(name, path);
  }
  return packages;
}

async function assembleAll(folders: string, onProgress: Progress['onProgress']): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'work-'));
  try {
    onProgress?.(`fetching ${debianPackages.slice(0, 3).join(', ')} and libraries from Debian's archive`);
    const debian = await DebianTree.fetch(debianPackages, join(work, 'debian'));
    for (const example of examples) {
      onProgress?.(`laying out ${example.name}`);
      const folder = join(work, 'folders', example.name);
      await cp(join(import.meta.dirname, example.name), folder, { recursive: true });
      await assembleRootfs(example, join(folder, 'rootfs'), debian);
      await settle(folder);
    }
    for (const name of await readdir(cache)) {
      if (!name.startsWith('work-')) await rm(join(cache, name), { recursive: true });
    }
    await publish(join(work, 'folders'), folders);
  } catch (error) {
    // Somebody else was as fast; theirs is the same.
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Takes away what the umask and the clock of this machine have left on files. */
async function settle(folder: string): Promise<void> {
  for await (const name of glob('**', { cwd: folder })) {
    const path = join(folder, name);
    const entry = await lstat(path);
    if (!entry.isSymbolicLink()) await chmod(path, entry.isDirectory() || (entry.mode & 0o100) !== 0 ? 0o755 : 0o644);
    await lutimes(path, builtAt, builtAt);
  }
}

/** A name for all that goes into the examples, except what Debian changes within one release. */
async function inputsKey(): Promise<string> {
  const files = globSync('**/*', { cwd: import.meta.dirname, exclude: ['**/*.test.ts', '*.md'] });
  const sum = sha256Stream();
  const paths = [...files.toSorted().map((name) => join(import.meta.dirname, name)), join(checkout, 'package-lock.json'), '/etc/os-release'];
  for (const path of paths) {
    if ((await stat(path)).isFile()) sum.update(`${path}\0`).update(await readFile(path));
  }
  return `${process.arch}-${sum.digest('hex').slice(0, 16)}`;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

if (import.meta.main) {
  const output = process.argv[2] ?? join(checkout, 'dist', 'examples');
  await buildExamples(output, { onProgress: (message) => process.stdout.write(`${message}\n`) });
  process.stdout.write(`the packages are in ${output}\n`);
}
