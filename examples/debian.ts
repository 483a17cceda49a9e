/** Takes programs out of Debian's packages, with the libraries they load, into a root file system. Installs nothing. */
import { globSync } from 'node:fs';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BerthError } from '../src/lib/errors.ts';
import { run, type RunResult } from '../src/lib/process.ts';

async function succeed(command: string, args: readonly string[], options: { cwd?: string } = {}): Promise<RunResult> {
  const result = await run(command, args, options);
  if (result.code !== 0) throw new BerthError('io', `${command} ${args.join(' ')}: ${result.stderr.trim() || `exit code ${result.code}`}`);
  return result;
}

/** `packages` and the library packages that they need, all the way down; of alternatives the first. */
async function withLibraries(packages: readonly string[]): Promise<readonly string[]> {
  const found = new Set(packages);
  let level = [...packages];
  while (level.length > 0) {
    const { stdout } = await succeed('apt-cache', ['depends', '--important', ...level]);
    level = firstAlternatives(stdout).filter((name) => name.startsWith('lib') && !found.has(name));
    for (const name of level) found.add(name);
  }
  return [...found];
}

/** Names in the output of `apt-cache depends`, where ` |Depends` begins a list of alternatives and `  Depends` ends it. */
function firstAlternatives(text: string): string[] {
  const names: string[] = [];
  let inAlternatives = false;
  for (const line of text.split('\n')) {
    const match = /^ ([ |])(?:Pre)?Depends: (\S+)$/.exec(line);
    if (match === null) continue;
    if (!inAlternatives) names.push(match[2]!);
    inAlternatives = match[1] === '|';
  }
  return [...new Set(names)];
}

/** Root file systems are laid out so that the loader finds every library in `/lib`, which it always searches. */
const libraryDirectory = 'lib';

/** Debian packages unpacked below a directory, with the library packages that they need. */
export class DebianTree {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  /**
   * Fetches `packages` from Debian's archive (apt checks signatures and digests) and unpacks them below `root`.
   * @throws BerthError `io` with apt's own message, `unavailable` where there is no apt.
   */
  static async fetch(packages: readonly string[], root: string): Promise<DebianTree> {
    const downloads = join(root, 'downloads');
    await mkdir(downloads, { recursive: true });
    const names = await withLibraries(packages);
    // As root, apt would hand the download to a user of its own, who may not write here.
    await succeed('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', ...names], { cwd: downloads });
    for (const file of await readdir(downloads)) await succeed('dpkg-deb', ['-x', join(downloads, file), root]);
    return new DebianTree(root);
  }

  /** Copies a program of these packages (an absolute path) into a root file system, with the libraries it loads. */
  async install(program: string, rootfs: string): Promise<void> {
    await copy(join(this.#root, program), join(rootfs, program));
    await this.installLibraries(join(this.#root, program), rootfs);
  }

  /** Copies the libraries that a program loads, and the loader it names, into a root file system. */
  async installLibraries(program: string, rootfs: string): Promise<void> {
    const directories = globSync('{lib,usr/lib}/*-linux-gnu*', { cwd: this.#root });
    const [loader] = globSync('{lib,usr/lib}/*-linux-gnu*/ld-linux-*.so.*', { cwd: this.#root });
    if (loader === undefined) return;
    const path = directories.map((directory) => join(this.#root, directory)).join(':');
    const { stdout } = await run(join(this.#root, loader), ['--library-path', path, '--list', program]);
    // `	libm.so.6 => /path/libm.so.6 (0x…)`; a static program prints no such line.
    for (const [, name, found] of stdout.matchAll(/^\s(\S+) => (\S+) \(0x/gm)) {
      if (!found!.startsWith(this.#root)) throw new BerthError('io', `${program} needs ${name}, which is in none of the Debian packages of the example`);
      await copy(found!, join(rootfs, name!.startsWith('/') ? name! : join(libraryDirectory, name!)));
    }
    const interpreter = /^\s(\/\S+) \(0x/m.exec(stdout)?.[1];
    if (interpreter !== undefined) await copy(join(this.#root, loader), join(rootfs, interpreter));
  }
}

async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to);
}
