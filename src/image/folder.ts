import { isUtf8 } from 'node:buffer';
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BerthError } from '../lib/errors.ts';
import { throwIfCancelled } from './cancel.ts';
import { manifestModeMask } from './manifest.ts';
import { notes, type Notes } from './notes.ts';
import type { FileNode, FileTree, Meta } from './tree.ts';

/**
 * Modification times, in seconds since 1970. Those of files in a folder say when somebody copied them, so without
 * `SOURCE_DATE_EPOCH` all are {@link fixedTime}; with it, later ones become it (reproducible-builds.org,
 * "SOURCE_DATE_EPOCH"). Those inside archives are part of the input, and only the latter holds for them.
 */
export interface TimeRule {
  readonly sourceDateEpoch?: number;
}

/** 1980-01-01: no tool finds it implausible. */
export const fixedTime = 315_532_800;

export function folderTime(mtimeMs: number, rule: TimeRule): number {
  return rule.sourceDateEpoch === undefined ? fixedTime : archiveTime(mtimeMs / 1000, rule);
}

export function archiveTime(mtime: number, rule: TimeRule): number {
  return Math.max(0, Math.min(Math.floor(mtime), rule.sourceDateEpoch ?? Number.MAX_SAFE_INTEGER));
}

/** Time of what no input has. */
export function impliedTime(rule: TimeRule): number {
  return rule.sourceDateEpoch ?? fixedTime;
}

/** What is decided for all files of a folder, whatever it says itself. */
export interface FolderOptions extends TimeRule {
  readonly notes: Notes;
  readonly signal?: AbortSignal;
  /** Default 0:0, since whoever owns files on a build machine means nothing on a device. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Names at the top of the folder that are not packed. */
  readonly except?: readonly string[];
}

/**
 * Adds what is in a folder of this machine, at `to` in the tree. Links are kept as they are and never followed; files
 * with more than one name in the folder become hard links.
 */
export async function addFolder(tree: FileTree, folder: string, to: string, options: FolderOptions): Promise<void> {
  const linked = new Map<string, FileNode>();
  const pending = [{ host: folder, path: to, top: true }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    throwIfCancelled(options.signal);
    const { host, path, top } = next;
    const stats = lstatSync(host);
    if (path !== '' || !top) tree.directory(path, metaOf(stats, path, options));
    for (const name of await namesIn(host)) {
      if (top && options.except?.includes(name) === true) continue;
      const childPath = path === '' ? name : `${path}/${name}`;
      const childHost = join(host, name);
      const child = lstatSync(childHost);
      if (child.isDirectory()) pending.push({ host: childHost, path: childPath, top: false });
      else addLeaf(tree, childHost, childPath, child, linked, options);
    }
  }
}

/** Adds one file or link of this machine. */
export function addFile(tree: FileTree, host: string, path: string, options: FolderOptions): void {
  addLeaf(tree, host, path, lstatSync(host), new Map(), options);
}

function addLeaf(tree: FileTree, host: string, path: string, stats: Stats, linked: Map<string, FileNode>, options: FolderOptions): void {
  const meta = metaOf(stats, path, options);
  if (stats.isSymbolicLink()) {
    const target = utf8(readlinkSync(host, { encoding: 'buffer' }), host);
    tree.put(path, { ...meta, mode: 0o777, type: 'symlink', target });
  } else if (stats.isFile()) {
    const inode = `${stats.dev}:${stats.ino}`;
    const node = linked.get(inode) ?? { ...meta, type: 'file' as const, content: { kind: 'span' as const, file: host, offset: 0, size: stats.size } };
    if (stats.nlink > 1) linked.set(inode, node);
    tree.put(path, node);
  } else {
    options.notes.add(notes.special, path);
  }
}

function metaOf(stats: Stats, path: string, options: FolderOptions): Meta {
  if ((stats.mode & 0o6000) !== 0 && !stats.isSymbolicLink()) options.notes.add(notes.setId, path);
  return {
    mode: stats.mode & manifestModeMask,
    uid: options.owner?.uid ?? 0,
    gid: options.owner?.gid ?? 0,
    mtime: folderTime(stats.mtimeMs, options),
  };
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder, { encoding: 'buffer' })).map((name) => utf8(name, folder));
}

function utf8(bytes: Buffer, where: string): string {
  if (!isUtf8(bytes)) throw new BerthError('bad_package', `${where}: the name "${bytes.toString('latin1')}" is not UTF-8; rename it`);
  return bytes.toString('utf8');
}
