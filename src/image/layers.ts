import { BerthError } from '../lib/errors.ts';
import { throwIfCancelled } from './cancel.ts';
import { normalizeEntryPath } from './entry-path.ts';
import { archiveTime, type TimeRule } from './folder.ts';
import { defaultLimits } from './limits.ts';
import { manifestModeMask } from './manifest.ts';
import { notes, type Notes } from './notes.ts';
import type { Spool } from './spool.ts';
import { type TarEntry, TarParser } from './tar-reader.ts';
import type { FileTree, LeafNode, Meta } from './tree.ts';

export interface LayerOptions extends TimeRule {
  /** Takes the contents of files. */
  readonly spool: Spool;
  readonly notes: Notes;
  /** Names the archive in messages. */
  readonly what: string;
  /** True for a layer of an image: `.wh.` names remove (OCI image specification, "Layer Changesets"). */
  readonly whiteouts: boolean;
  readonly signal?: AbortSignal;
}

const whiteoutPrefix = '.wh.';
const opaqueWhiteout = '.wh..wh..opq';

/** An entry of a layer as it will be applied. */
type Change =
  | { readonly kind: 'remove' | 'clear'; readonly path: string }
  | { readonly kind: 'dir'; readonly path: string; readonly meta: Meta }
  | { readonly kind: 'leaf'; readonly path: string; readonly node: LeafNode }
  | { readonly kind: 'hardlink'; readonly path: string; readonly target: string };

/**
 * Adds a tar archive (already decompressed) to a tree: a root file system, or the next layer of an image on those
 * before it. Nothing is unpacked: contents go to the spool, names only into the tree, where links are followed within
 * it and can lead nowhere else.
 * @throws BerthError `bad_package`, `too_large`, naming archive and entry.
 */
export async function addLayer(tree: FileTree, archive: AsyncIterable<Buffer>, options: LayerOptions): Promise<void> {
  const changes = await readChanges(archive, options);
  // Whiteouts are about the layers below only, wherever in the archive they stand.
  for (const change of changes) {
    if (change.kind === 'remove') tree.remove(tree.resolveParents(change.path));
    else if (change.kind === 'clear') tree.clear(tree.resolve(change.path));
  }
  for (const change of changes) applyChange(tree, change, options.what);
}

function applyChange(tree: FileTree, change: Change, what: string): void {
  switch (change.kind) {
    case 'remove':
    case 'clear':
      return;
    case 'dir':
      tree.directory(tree.resolveParents(change.path), change.meta);
      return;
    case 'leaf':
      tree.put(tree.resolveParents(change.path), change.node);
      return;
    case 'hardlink': {
      const node = tree.get(tree.resolveParents(change.target));
      if (node === undefined || node.type === 'dir') throw new BerthError('bad_package', `${what}: "${change.path}" is a hard link to "${change.target}", which is not a file of the image`);
      tree.put(tree.resolveParents(change.path), node);
    }
  }
}

async function readChanges(archive: AsyncIterable<Buffer>, options: LayerOptions): Promise<readonly Change[]> {
  const { spool, what } = options;
  const parser = new TarParser(what, defaultLimits.pathBytes);
  const changes: Change[] = [];
  let entry: TarEntry | undefined;
  let start = 0;
  for await (const chunk of archive) {
    throwIfCancelled(options.signal);
    for (const event of parser.push(chunk)) {
      if (event.kind === 'entry') {
        entry = event.entry;
        start = spool.bytes;
      } else if (event.kind === 'data') {
        spool.append(event.bytes, what);
      } else if (entry !== undefined) {
        const change = changeOf(entry, spool, start, options);
        if (change !== undefined) changes.push(change);
        if (changes.length > defaultLimits.entries) throw new BerthError('too_large', `${what}: more than ${defaultLimits.entries} entries`);
      }
    }
  }
  parser.end();
  spool.flush();
  return changes;
}

function changeOf(entry: TarEntry, spool: Spool, start: number, options: LayerOptions): Change | undefined {
  const { what } = options;
  const path = entryPath(entry.name, what);
  const slash = path.lastIndexOf('/');
  const [parent, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
  if (options.whiteouts && name === opaqueWhiteout) return { kind: 'clear', path: parent };
  if (options.whiteouts && name.startsWith(whiteoutPrefix)) {
    const removed = name.slice(whiteoutPrefix.length);
    // Names that aufs kept its own records under; they mean nothing here.
    if (removed.startsWith(whiteoutPrefix)) return undefined;
    return { kind: 'remove', path: entryPath(parent === '' ? removed : `${parent}/${removed}`, what) };
  }
  if (path === '' && entry.type !== 'dir') throw new BerthError('bad_package', `${what}: the root is not a directory`);
  if (entry.xattrs.includes('security.capability')) options.notes.add(notes.capability, path);
  switch (entry.type) {
    case 'dir':
      return { kind: 'dir', path, meta: metaOf(entry, path, options) };
    case 'file':
      return { kind: 'leaf', path, node: { ...metaOf(entry, path, options), type: 'file', content: spool.since(start) } };
    case 'symlink':
      return { kind: 'leaf', path, node: { ...metaOf(entry, path, options), mode: 0o777, type: 'symlink', target: entry.linkName } };
    case 'hardlink':
      return { kind: 'hardlink', path, target: entryPath(entry.linkName, what) };
    case 'charDevice':
    case 'blockDevice':
    case 'fifo':
      options.notes.add(notes.special, path);
      return undefined;
  }
}

/** Absolute names mean the root of the image; `..` is refused. */
function entryPath(name: string, what: string): string {
  return normalizeEntryPath(name.replace(/^\/+/, './'), defaultLimits, what);
}

function metaOf(entry: TarEntry, path: string, options: LayerOptions): Meta {
  if ((entry.mode & 0o6000) !== 0 && entry.type !== 'symlink') options.notes.add(notes.setId, path);
  return { mode: entry.mode & manifestModeMask, uid: entry.uid, gid: entry.gid, mtime: archiveTime(entry.mtime, options) };
}
