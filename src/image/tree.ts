import { BerthError } from '../lib/errors.ts';
import type { Content } from './content.ts';
import { comparePaths } from './entry-path.ts';

/** Ownership, permission bits (at most 0o1777) and modification time (whole seconds since 1970). */
export interface Meta {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

/** A file. One object at several places of a tree is a hard link. */
export type FileNode = Meta & { readonly type: 'file'; readonly content: Content };
export type SymlinkNode = Meta & { readonly type: 'symlink'; readonly target: string };
/** What can be put into a tree, besides directories, which are made by {@link FileTree.directory}. */
export type LeafNode = FileNode | SymlinkNode;

/** One entry of the data archive to be written. `target` of a hard link is the path of an earlier `file` entry. */
export type PackEntry =
  | (Meta & { readonly type: 'dir'; readonly path: string })
  | (FileNode & { readonly path: string })
  | (SymlinkNode & { readonly path: string })
  | (Meta & { readonly type: 'hardlink'; readonly path: string; readonly target: string });

interface Directory {
  readonly type: 'dir';
  meta: Meta;
  readonly children: Map<string, Directory | LeafNode>;
}

/** Symbolic links followed on the way to one name (as `ELOOP` of path_resolution(7)). */
const maxLinks = 40;

/**
 * What is to be packed, as plain data: nothing of it is ever written to the build host's file system, so that no name,
 * link or order in hostile input can reach outside. Paths have no leading or trailing slash and no `.` or `..`; the
 * root is the empty path.
 */
export class FileTree {
  readonly #root: Directory;
  readonly #implied: Meta;

  /** `implied`: meta of the root and of directories that are only named as parents. */
  constructor(implied: Meta) {
    this.#implied = implied;
    this.#root = { type: 'dir', meta: implied, children: new Map() };
  }

  /** The node at a path, not following links. */
  get(path: string): Meta & { readonly type: 'dir' } | LeafNode | undefined {
    const node = this.#find(path);
    return node?.type === 'dir' ? { ...node.meta, type: 'dir' } : node;
  }

  /** Names in a directory, in no order; none if it is not one. */
  names(path: string): readonly string[] {
    const node = this.#find(path);
    return node?.type === 'dir' ? [...node.children.keys()] : [];
  }

  /** Makes a directory, or gives one that is there new meta. What is there and no directory is replaced. */
  directory(path: string, meta: Meta): void {
    if (path === '') {
      this.#root.meta = meta;
      return;
    }
    const { parent, name } = this.#parentOf(path);
    const present = parent.children.get(name);
    if (present?.type === 'dir') present.meta = meta;
    else parent.children.set(name, { type: 'dir', meta, children: new Map() });
  }

  /** Puts a file or link, replacing whatever is there. The same object put twice is a hard link. */
  put(path: string, node: LeafNode): void {
    const { parent, name } = this.#parentOf(path);
    parent.children.set(name, node);
  }

  /** Puts a whole tree at a path; its links are no longer taken within it alone. */
  graft(path: string, tree: FileTree): void {
    const { parent, name } = this.#parentOf(path);
    parent.children.set(name, tree.#root);
  }

  /** Removes a node and everything below it. Nothing there is fine. */
  remove(path: string): void {
    const slash = path.lastIndexOf('/');
    const parent = this.#find(path.slice(0, Math.max(slash, 0)));
    if (parent?.type === 'dir') parent.children.delete(path.slice(slash + 1));
  }

  /** Removes everything below a directory. */
  clear(path: string): void {
    const node = this.#find(path);
    if (node?.type === 'dir') node.children.clear();
  }

  /**
   * The path with every link among its parents replaced by what it points to, `/` and `..` taken within this tree; the
   * last name itself is not followed. Parents that do not exist stay as they are.
   * @throws BerthError `bad_package` when links go in circles.
   */
  resolveParents(path: string): string {
    const pending = path.split('/').toReversed();
    const done: string[] = [];
    for (let links = 0; pending.length > 0;) {
      const part = pending.pop()!;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        done.pop();
        continue;
      }
      const node = pending.length === 0 ? undefined : this.#find([...done, part].join('/'));
      if (node?.type !== 'symlink') {
        done.push(part);
        continue;
      }
      links += 1;
      if (links > maxLinks) throw new BerthError('bad_package', `${path}: too many symbolic links on the way`);
      if (node.target.startsWith('/')) done.length = 0;
      pending.push(...node.target.split('/').toReversed());
    }
    return done.join('/');
  }

  /** The path with every link on the way followed, that of the last name too. */
  resolve(path: string): string {
    return this.resolveParents(`${path}/.`);
  }

  /** Every entry but the root, sorted by the bytes of its path; the first path of a hard-linked file has the contents. */
  *entries(): Generator<PackEntry> {
    yield* listDirectory(this.#root, '', new Map(), this.#sharedFiles());
  }

  #find(path: string): Directory | LeafNode | undefined {
    let node: Directory | LeafNode | undefined = this.#root;
    if (path === '') return node;
    for (const name of path.split('/')) {
      if (node?.type !== 'dir') return undefined;
      node = node.children.get(name);
    }
    return node;
  }

  #parentOf(path: string): { parent: Directory; name: string } {
    const parts = path.split('/');
    const name = parts.pop()!;
    let parent = this.#root;
    for (const part of parts) {
      let next = parent.children.get(part);
      if (next?.type !== 'dir') {
        next = { type: 'dir', meta: this.#implied, children: new Map() };
        parent.children.set(part, next);
      }
      parent = next;
    }
    return { parent, name };
  }

  /** Files at more than one place. */
  #sharedFiles(): ReadonlySet<FileNode> {
    const seen = new Set<FileNode>();
    const shared = new Set<FileNode>();
    const pending = [this.#root];
    for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
      for (const node of directory.children.values()) {
        if (node.type === 'dir') pending.push(node);
        else if (node.type === 'file') (seen.has(node) ? shared : seen).add(node);
      }
    }
    return shared;
  }
}

function* listDirectory(directory: Directory, prefix: string, first: Map<FileNode, string>, shared: ReadonlySet<FileNode>): Generator<PackEntry> {
  // What is in directory `a` sorts under `a/`, and so after its neighbour `a-b`: the directory stands at `a`, its
  // contents at `a/`.
  const keys: string[] = [];
  for (const [name, node] of directory.children) {
    keys.push(name);
    if (node.type === 'dir') keys.push(`${name}/`);
  }
  for (const key of keys.toSorted(comparePaths)) {
    const isContents = key.endsWith('/');
    const node = directory.children.get(isContents ? key.slice(0, -1) : key)!;
    const path = prefix + key;
    if (node.type !== 'dir') yield leafEntry(node, path, first, shared);
    else if (isContents) yield* listDirectory(node, path, first, shared);
    else yield { ...node.meta, type: 'dir', path };
  }
}

function leafEntry(node: LeafNode, path: string, first: Map<FileNode, string>, shared: ReadonlySet<FileNode>): PackEntry {
  if (node.type === 'symlink' || !shared.has(node)) return { ...node, path };
  const target = first.get(node);
  if (target === undefined) {
    first.set(node, path);
    return { ...node, path };
  }
  const { mode, uid, gid, mtime } = node;
  return { type: 'hardlink', path, target, mode, uid, gid, mtime };
}
