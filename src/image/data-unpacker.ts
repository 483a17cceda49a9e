import { isUtf8 } from 'node:buffer';
import type { Hash } from 'node:crypto';
import { sha256Hex, sha256Stream } from '../lib/digest.ts';
import { BerthError, isErrno } from '../lib/errors.ts';
import { idsPerApp } from '../lib/id-range.ts';
import { formatSize } from '../lib/units.ts';
import type { ArchiveEvent } from './archive.ts';
import type { BundleWriter } from './bundle-writer.ts';
import { checkLinkTarget, normalizeEntryPath } from './entry-path.ts';
import { manifestMember, manifestModeMask } from './manifest.ts';
import type { ManifestCursor } from './manifest-cursor.ts';
import { noSpaceError } from './no-space.ts';
import { ModelDir, PathModel, type EntryMeta, type LeafKind } from './path-model.ts';
import type { TarEntry } from './tar-reader.ts';
import type { Tally } from './tally.ts';
import type { ManifestEntry, PackageLimits } from './types.ts';
import type { Warnings } from './warnings.ts';

/** The OCI bundle's configuration, whose text the report brings. */
export const configPath = 'config.json';
export const rootfsPath = 'rootfs';

export interface DataUnpackerOptions {
  /** Names the data archive in messages. */
  readonly archive: string;
  readonly limits: PackageLimits;
  readonly tally: Tally;
  /** The package's own manifest, if it came before the data. */
  readonly expected: ManifestCursor | undefined;
  /** Undefined: nothing is written. */
  readonly writer: BundleWriter | undefined;
  readonly warnings: Warnings;
}

/** A file whose bytes are arriving. */
interface OpenFile {
  readonly path: string;
  readonly parent: ModelDir;
  readonly meta: EntryMeta;
  readonly size: number;
  readonly where: string;
  readonly expected: ManifestEntry | undefined;
  /** Bytes that are not written yet. */
  missing: number;
  /** Set once the file turned out to come in more than one piece. */
  hash: Hash | undefined;
  sha256: string | undefined;
}

/**
 * Takes the data archive entry by entry: refuses what has no place in an image, compares with the manifest, and has
 * the rest written. Every decision rests on the model of what this package has made, none on what is on disk.
 */
export class DataUnpacker {
  readonly model = new PathModel();
  /** Entries, implied directories included. */
  entries = 0;
  files = 0;
  unpackedBytes = 0;
  readonly #options: DataUnpackerOptions;
  #file: OpenFile | undefined;
  #config: Buffer[] | undefined;
  #current = '';

  constructor(options: DataUnpackerOptions) {
    this.#options = options;
  }

  /** @throws BerthError `bad_package`, `too_large`, `unsupported`; `no_space` and `io` from writing. */
  take(event: ArchiveEvent<TarEntry>): void {
    try {
      if (event.kind === 'entry') this.#begin(event.entry);
      else if (event.kind === 'data') this.#write(event.bytes);
      else this.#end();
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** The text of `config.json`, if there is one. */
  config(): string | undefined {
    if (this.#config === undefined) return undefined;
    const bytes = Buffer.concat(this.#config);
    if (!isUtf8(bytes)) throw new BerthError('bad_package', `${configPath}: it is not UTF-8 text`);
    return bytes.toString('utf8');
  }

  hasRootfs(): boolean {
    return this.kindAt(rootfsPath) === 'dir';
  }

  /** What the package has brought at a path. */
  kindAt(path: string): 'dir' | LeafKind | undefined {
    const node = this.model.find(path);
    return node === undefined ? undefined : this.model.kindOf(node);
  }

  /** Gives all directories their attributes, the deepest first, so that no mode keeps us out of one. */
  finishDirs(): void {
    this.#finishBelow(this.model.root, '');
  }

  #finishBelow(dir: ModelDir, prefix: string): void {
    for (const [name, node] of dir.children) {
      if (!(node instanceof ModelDir)) continue;
      const path = prefix + name;
      this.#finishBelow(node, `${path}/`);
      this.#options.writer?.finishDir(path, node.meta);
    }
  }

  #begin(entry: TarEntry): void {
    const { archive, limits } = this.#options;
    const where = `${archive}, byte ${entry.offset}`;
    const path = normalizeEntryPath(entry.name, limits, where);
    this.#current = path;
    if (path === '') {
      if (entry.type !== 'dir') throw new BerthError('bad_package', `${where}: the root of the package is not a directory`);
      return;
    }
    const meta = { mode: entry.mode & manifestModeMask, uid: entry.uid, gid: entry.gid, mtime: entry.mtime };
    for (const id of [entry.uid, entry.gid]) {
      if (id >= idsPerApp) throw new BerthError('bad_package', `${where}: "${path}" belongs to user ${entry.uid} and group ${entry.gid}; an app has those from 0 to ${idsPerApp - 1}`);
    }
    this.#warn(entry, path);
    const parent = this.model.parentOf(path, (implied, impliedMeta) => this.#makeDir(implied, impliedMeta, where), where);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const present = parent.children.get(name);
    if (present !== undefined) {
      this.#repeat(entry, path, present, meta, where);
      return;
    }
    if (entry.type === 'dir') {
      this.#makeDir(path, meta, where);
      this.model.addDir(parent, name, meta, true);
    } else if (entry.type === 'file') {
      this.#beginFile(entry, path, parent, meta, where);
    } else if (entry.type === 'symlink') {
      checkLinkTarget(entry.linkName, `${where}: "${path}"`);
      this.#admit({ ...meta, type: 'symlink', path, target: entry.linkName }, where);
      this.#options.writer?.symlink(path, entry.linkName, meta);
      this.model.addLink(parent, name, 'symlink', meta, entry.linkName);
    } else if (entry.type === 'hardlink') {
      const target = this.#linkedFile(entry, path, where);
      this.#admit({ ...meta, type: 'hardlink', path, target }, where);
      this.#options.writer?.hardlink(path, target);
      this.model.addLink(parent, name, 'hardlink', meta, target);
    } else {
      throw new BerthError('bad_package', `${where}: "${path}" is a ${typeNames[entry.type]}; packages hold files, directories and links`);
    }
  }

  /** A directory may come after what is in it, once. */
  #repeat(entry: TarEntry, path: string, present: ModelDir | number, meta: EntryMeta, where: string): void {
    if (!(present instanceof ModelDir) || entry.type !== 'dir' || present.explicit || this.#options.expected !== undefined) {
      throw new BerthError('bad_package', `${where}: "${path}" is there already, as a ${this.model.kindOf(present)}`);
    }
    present.explicit = true;
    present.meta = meta;
  }

  #warn(entry: TarEntry, path: string): void {
    const { warnings } = this.#options;
    if ((entry.mode & 0o6000) !== 0) warnings.add(`${path}: set-user-id or set-group-id bit stripped (mode ${entry.mode.toString(8)})`);
    for (const name of entry.xattrs) {
      warnings.add(name === 'security.capability' ? `${path}: file capability stripped` : `${path}: extended attribute ${name.slice(0, 100)} left out`);
    }
  }

  #makeDir(path: string, meta: Readonly<EntryMeta>, where: string): void {
    this.#admit({ ...meta, type: 'dir', path }, where);
    this.#options.writer?.dir(path);
  }

  /** The path of the file that a hard link names: one that this package has brought, itself no link. */
  #linkedFile(entry: TarEntry, path: string, where: string): string {
    const target = normalizeEntryPath(entry.linkName, this.#options.limits, `${where}: "${path}": target of a hard link`);
    const kind = this.kindAt(target);
    if (kind === 'file') return target;
    if (kind === 'hardlink') return this.model.targetOf(this.model.find(target) as number);
    throw new BerthError('bad_package', `${where}: "${path}" is a hard link to "${target}", which is ${kind === undefined ? 'not in the package before it' : `a ${kind}`}`);
  }

  #beginFile(entry: TarEntry, path: string, parent: ModelDir, meta: EntryMeta, where: string): void {
    const { limits, tally } = this.#options;
    const { size } = entry;
    this.unpackedBytes += size;
    tally.unpackedBytes += size;
    if (tally.unpackedBytes > limits.unpackedBytes) throw new BerthError('too_large', `${where}: with "${path}" the payload unpacks to more than the limit of ${formatSize(limits.unpackedBytes)}`);
    if (path === configPath) {
      if (size > limits.configBytes) throw new BerthError('too_large', `${where}: ${configPath} has ${size} bytes; at most ${limits.configBytes} are allowed`);
      this.#config = [];
    }
    const expected = this.#admit({ ...meta, type: 'file', path, size, sha256: '' }, where);
    this.files += 1;
    this.#file = { path, parent, meta, size, where, expected, missing: size, hash: undefined, sha256: undefined };
  }

  #write(bytes: Buffer): void {
    const file = this.#file!;
    if (file.path === configPath) this.#config!.push(Buffer.from(bytes));
    const { writer } = this.#options;
    if (bytes.length === file.size) {
      // The common case of a small file that is all there: hashed and compared before anything is written.
      file.sha256 = sha256Hex(bytes);
      this.#checkHash(file);
      writer?.openFile(file.path);
    } else if (file.hash === undefined) {
      file.hash = sha256Stream();
      writer?.openFile(file.path);
    }
    file.hash?.update(bytes);
    writer?.write(bytes);
    file.missing -= bytes.length;
  }

  #end(): void {
    const file = this.#file;
    if (file === undefined) return;
    if (file.size === 0) {
      file.sha256 = sha256Hex('');
      this.#options.writer?.openFile(file.path);
    }
    file.sha256 ??= file.hash!.digest('hex');
    this.#checkHash(file);
    this.#options.writer?.closeFile(file.meta);
    this.model.addFile(file.parent, file.path.slice(file.path.lastIndexOf('/') + 1), file.meta, file.size, file.sha256);
    this.#file = undefined;
  }

  #checkHash({ path, where, sha256, expected }: OpenFile): void {
    if (expected?.type === 'file' && expected.sha256 !== sha256) {
      throw new BerthError('bad_package', `${where}: the contents of "${path}" are not those of ${manifestMember} (SHA-256 ${sha256}, expected ${expected.sha256})`);
    }
  }

  /** Counts an entry and compares it with its line of the manifest, but for a file's hash. */
  #admit(found: ManifestEntry, where: string): ManifestEntry | undefined {
    const { limits, tally, expected } = this.#options;
    this.entries += 1;
    tally.entries += 1;
    if (tally.entries > limits.entries) throw new BerthError('too_large', `${where}: the payload has more than ${limits.entries} entries`);
    const line = expected?.take(found.path, where);
    if (line === undefined) return undefined;
    for (const [key, value] of Object.entries(found)) {
      const other = (line as unknown as Readonly<Record<string, unknown>>)[key];
      if (key !== 'sha256' && value !== other) {
        throw new BerthError('bad_package', `${where}: "${found.path}" has the ${key} ${String(value)}, but in ${manifestMember} it is ${String(other)}`);
      }
    }
    return line;
  }

  #explain(error: unknown): unknown {
    if (isErrno(error, 'ENAMETOOLONG')) return new BerthError('too_large', `"${this.#current}": the path is too long for this system`, { cause: error });
    if (isErrno(error, 'ENOSPC')) return this.#noSpace(error);
    return error;
  }

  #noSpace(error: unknown): unknown {
    const { writer, expected } = this.#options;
    if (writer === undefined) return error;
    const rest = expected?.rest() ?? { bytes: 0, entries: 0 };
    const need = { bytes: (this.#file?.missing ?? 0) + rest.bytes, entries: 1 + rest.entries, isAll: expected !== undefined };
    return noSpaceError(this.#current, need, writer.free(), error);
  }
}

const typeNames: Readonly<Record<TarEntry['type'], string>> = {
  file: 'file',
  dir: 'directory',
  symlink: 'symbolic link',
  hardlink: 'hard link',
  charDevice: 'character device',
  blockDevice: 'block device',
  fifo: 'FIFO',
};
