import { glob, lstat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { BerthError, isErrno } from '../lib/errors.ts';
import { addFile, addFolder, type FolderOptions, impliedTime } from './folder.ts';
import type { Recipe } from './recipe-schema.ts';
import { FileTree } from './tree.ts';

/** One item of `files` in a recipe. */
type FileItem = Recipe['files'][number];

/** Mode of a file from this machine when the recipe gives none: a working copy's own depends on its owner's umask. */
const plainModes = { program: 0o755, other: 0o644 } as const;

/**
 * Puts the files of a recipe into the root file system, in their order; later ones replace earlier ones and what the
 * rootfs holds. `from` is relative to `folder`. A folder's contents go below `to`; what a pattern finds keeps its path
 * below the pattern's last fixed folder.
 * @throws BerthError `not_found` if there is nothing at `from`.
 */
export async function addFiles(tree: FileTree, folder: string, items: readonly FileItem[], options: FolderOptions): Promise<void> {
  for (const [index, item] of items.entries()) {
    const owner = item.owner ?? { uid: 0, gid: 0 };
    const found = new FileTree({ ...owner, mode: plainModes.program, mtime: impliedTime(options) });
    for (const { host, to, isFolder } of await findSources(folder, item, `berth.yaml: files[${index}].from`)) {
      if (isFolder) await addFolder(found, host, to, { ...options, owner });
      else addFile(found, host, to, { ...options, owner });
    }
    merge(tree, found, item.mode);
  }
}

/** Puts one tree over another, following the links that lie on the way in the lower one. */
function merge(tree: FileTree, upper: FileTree, mode: number | undefined): void {
  for (const { path } of upper.entries()) {
    const node = upper.get(path)!;
    const isProgram = node.type === 'dir' || (node.mode & 0o111) !== 0;
    const plain = isProgram ? plainModes.program : plainModes.other;
    if (node.type === 'file') {
      tree.put(tree.resolveParents(path), { ...node, mode: mode ?? plain });
    } else if (node.type === 'symlink') {
      tree.put(tree.resolveParents(path), node);
    } else {
      const real = tree.resolve(path);
      if (tree.get(real)?.type !== 'dir') tree.directory(real, { ...node, mode: plain });
    }
  }
}

interface Source {
  readonly host: string;
  /** Path in the tree. */
  readonly to: string;
  readonly isFolder: boolean;
}

async function findSources(folder: string, { from, to }: FileItem, field: string): Promise<readonly Source[]> {
  const target = to.replace(/^\/+|\/+$/g, '');
  const fixed = fixedFolder(from);
  if (fixed === undefined) {
    const host = resolve(folder, from);
    const stats = await lstatOrUndefined(host);
    if (stats === undefined) throw new BerthError('not_found', `${field}: there is nothing at ${from}`);
    const isFolder = stats.isDirectory();
    return [{ host, isFolder, to: to.endsWith('/') && !isFolder ? join(target, basename(host)) : target }];
  }
  const base = resolve(folder, fixed);
  const found: Source[] = [];
  for await (const name of glob(from.slice(fixed.length).replace(/^\//, ''), { cwd: base })) {
    const host = join(base, name);
    // A folder that a pattern finds is made by the files in it that the pattern finds.
    if (!(await lstat(host)).isDirectory()) found.push({ host, isFolder: false, to: join(target, name) });
  }
  if (found.length === 0) throw new BerthError('not_found', `${field}: ${from} matches no file`);
  return found;
}

/** The part of a glob pattern before the first component with a wildcard; undefined if it is a plain path. */
function fixedFolder(pattern: string): string | undefined {
  const wildcard = pattern.search(/[*?[{]/);
  return wildcard < 0 ? undefined : pattern.slice(0, pattern.lastIndexOf('/', wildcard) + 1);
}

async function lstatOrUndefined(path: string): Promise<Awaited<ReturnType<typeof lstat>> | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
