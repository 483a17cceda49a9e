import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import { comparePaths } from './entry-path.ts';
import type { ManifestEntry } from './types.ts';

/** Names and link targets together; 200,000 entries of a real package need about a third of this. */
const maxNameBytes = 24 * 1024 * 1024;

/** Attributes that every entry has. */
export interface EntryMeta {
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
}

/** A directory that the package has made. */
export class ModelDir {
  readonly children = new Map<string, ModelNode>();
  meta: EntryMeta;
  /** False while it is only the parent of an entry. */
  explicit: boolean;

  constructor(meta: EntryMeta, explicit: boolean) {
    this.meta = meta;
    this.explicit = explicit;
  }
}

/** Files, links: their number in the table, where the kind of each stands. */
export type ModelNode = ModelDir | number;

export type LeafKind = 'file' | 'symlink' | 'hardlink';
const leafKinds = ['file', 'symlink', 'hardlink'] as const satisfies readonly LeafKind[];

/** What a directory is that only its contents speak of. */
const impliedMeta: Readonly<EntryMeta> = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };

const recordBytes = 64;
const recordsPerPage = 4096;

/**
 * Every path that unpacking has made, and nothing else: what may be written is decided here, never by looking at the
 * file system. Kept small, because a package may have 200,000 entries: 64 bytes an entry besides its name.
 */
export class PathModel {
  readonly root = new ModelDir({ ...impliedMeta }, false);
  readonly #pages: Buffer[] = [];
  /** Targets of links by number. */
  readonly #targets = new Map<number, string>();
  #leaves = 0;
  #nameBytes = 0;
  /** Entries that follow each other mostly lie in one directory. */
  #lastParent = { path: '', dir: this.root };

  /** What is at a path, if the package made it; the root for the empty path. */
  find(path: string): ModelNode | undefined {
    if (path === '') return this.root;
    let node: ModelNode | undefined = this.root;
    for (const name of path.split('/')) {
      if (!(node instanceof ModelDir)) return undefined;
      node = node.children.get(name);
    }
    return node;
  }

  kindOf(node: ModelNode): 'dir' | LeafKind {
    return node instanceof ModelDir ? 'dir' : leafKinds[this.#record(node)[0]!]!;
  }

  /** The path that a link points to, as recorded. */
  targetOf(leaf: number): string {
    return this.#targets.get(leaf)!;
  }

  /**
   * The directory that is to hold `path`; directories that no entry has made are added, and told to `onImplied`.
   * @throws BerthError `bad_package` if something on the way is a file or link.
   */
  parentOf(path: string, onImplied: (path: string, meta: Readonly<EntryMeta>) => void, where: string): ModelDir {
    const slash = path.lastIndexOf('/');
    const parentPath = slash < 0 ? '' : path.slice(0, slash);
    if (parentPath === this.#lastParent.path) return this.#lastParent.dir;
    let dir = this.root;
    for (let end = parentPath === '' ? -1 : path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      const name = path.slice(path.lastIndexOf('/', end - 1) + 1, end);
      let next = dir.children.get(name);
      if (next === undefined) {
        next = this.addDir(dir, name, { ...impliedMeta }, false);
        onImplied(path.slice(0, end), impliedMeta);
      }
      if (!(next instanceof ModelDir)) throw new BerthError('bad_package', `${where}: "${path}" lies below "${path.slice(0, end)}", which is no directory but a ${this.kindOf(next)}`);
      dir = next;
    }
    this.#lastParent = { path: parentPath, dir };
    return dir;
  }

  addDir(parent: ModelDir, name: string, meta: EntryMeta, explicit: boolean): ModelDir {
    const dir = new ModelDir(meta, explicit);
    parent.children.set(this.#own(name), dir);
    return dir;
  }

  addFile(parent: ModelDir, name: string, meta: Readonly<EntryMeta>, size: number, sha256: string): void {
    const record = this.#add(parent, name, 'file', meta);
    record.writeDoubleLE(size, 24);
    record.write(sha256, 32, 'hex');
  }

  addLink(parent: ModelDir, name: string, kind: 'symlink' | 'hardlink', meta: Readonly<EntryMeta>, target: string): void {
    this.#targets.set(this.#leaves, this.#own(target));
    this.#add(parent, name, kind, meta);
  }

  /** Calls back for every entry but the root, in the order of the content manifest. */
  forEach(visit: (entry: ManifestEntry) => void): void {
    this.#visit(this.root, '', visit);
  }

  #visit(dir: ModelDir, prefix: string, visit: (entry: ManifestEntry) => void): void {
    // In the order of bytes, what is in `a` stands under `a/`, and so after a neighbour `a-b`.
    const keys: string[] = [];
    for (const [name, node] of dir.children) {
      keys.push(name);
      if (node instanceof ModelDir) keys.push(`${name}/`);
    }
    for (const key of keys.toSorted(comparePaths)) {
      const isContents = key.endsWith('/');
      const node = dir.children.get(isContents ? key.slice(0, -1) : key)!;
      const path = prefix + key;
      if (!(node instanceof ModelDir)) visit(this.#entry(node, path));
      else if (isContents) this.#visit(node, path, visit);
      else visit({ ...node.meta, type: 'dir', path });
    }
  }

  #entry(leaf: number, path: string): ManifestEntry {
    const record = this.#record(leaf);
    const meta = { mode: record.readUInt16LE(2), uid: record.readUInt32LE(4), gid: record.readUInt32LE(8), mtime: record.readDoubleLE(16) };
    const type = this.kindOf(leaf) as LeafKind;
    if (type !== 'file') return { ...meta, type, path, target: this.targetOf(leaf) };
    return { ...meta, type, path, size: record.readDoubleLE(24), sha256: record.toString('hex', 32, 64) };
  }

  #add(parent: ModelDir, name: string, kind: LeafKind, meta: Readonly<EntryMeta>): Buffer {
    const leaf = this.#leaves;
    this.#leaves += 1;
    if (leaf % recordsPerPage === 0) this.#pages.push(Buffer.alloc(recordsPerPage * recordBytes));
    const record = this.#record(leaf);
    record[0] = leafKinds.indexOf(kind);
    record.writeUInt16LE(meta.mode, 2);
    record.writeUInt32LE(meta.uid, 4);
    record.writeUInt32LE(meta.gid, 8);
    record.writeDoubleLE(meta.mtime, 16);
    parent.children.set(this.#own(name), leaf);
    return record;
  }

  #record(leaf: number): Buffer {
    const offset = (leaf % recordsPerPage) * recordBytes;
    return this.#pages[Math.floor(leaf / recordsPerPage)]!.subarray(offset, offset + recordBytes);
  }

  /** The text in memory of its own: a part of a longer text would keep all of that in memory. */
  #own(text: string): string {
    const bytes = Buffer.from(text);
    this.#nameBytes += bytes.length;
    if (this.#nameBytes > maxNameBytes) throw new BerthError('too_large', `the names in the package are longer together than ${formatSize(maxNameBytes)}`);
    return bytes.toString();
  }
}
