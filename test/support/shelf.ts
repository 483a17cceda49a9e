import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after } from 'node:test';
import { run } from '../../src/lib/process.ts';
import { makePackage, type PackageOptions } from './packages.ts';

/** Packages and archives of packages that the tests of one file share; each is made once, and gone when the file is done. */
export class Shelf {
  readonly #directory = mkdtempSync(join(tmpdir(), 'berth-shelf-'));
  readonly #made = new Map<string, Promise<string>>();

  constructor() {
    after(() => {
      rmSync(this.#directory, { recursive: true });
    });
  }

  /** The path of this package. */
  async package(options: PackageOptions): Promise<string> {
    return this.#once(JSON.stringify(options), async (directory) => makePackage(directory, options));
  }

  /** The path of a payload: the package itself, or a bare archive of several. */
  async payload(packages: readonly PackageOptions[]): Promise<string> {
    const files = await Promise.all(packages.map(async (options) => this.package(options)));
    if (files.length === 1) return files[0]!;
    return this.archive(files);
  }

  /** An archive of these files, by their base names. */
  async archive(files: readonly string[]): Promise<string> {
    return this.#once(files.join('\n'), async (directory) => {
      const path = join(directory, 'payload.tar');
      const members = files.flatMap((file) => ['-C', dirname(file), basename(file)]);
      const { code, stderr } = await run('tar', ['--format=gnu', '-cf', path, ...members]);
      if (code !== 0) throw new Error(`tar: ${stderr}`);
      return path;
    });
  }

  async #once(key: string, make: (directory: string) => Promise<string>): Promise<string> {
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const directory = join(this.#directory, createHash('sha256').update(key).digest('hex').slice(0, 16));
    mkdirSync(directory);
    const made = make(directory);
    this.#made.set(key, made);
    return made;
  }
}
