import { type FileHandle, open } from 'node:fs/promises';
import { sha256Stream, type Digest } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { idsPerApp } from '../lib/id-range.ts';
import { throwIfCancelled } from './cancel.ts';
import { compressionLevels, Compressor } from './compressor.ts';
import { type Content, contentSize, readContent } from './content.ts';
import type { Compression } from './decompress.ts';
import { checkEntryPath, checkLinkTarget } from './entry-path.ts';
import { defaultLimits } from './limits.ts';
import { formatManifestEntry, formatManifestHeader } from './manifest.ts';
import { tarEnd, tarEntrySize, tarHeaderBytes, tarPaddingBytes } from './tar-writer.ts';
import type { FileTree, PackEntry } from './tree.ts';
import type { Control, ManifestEntry } from './types.ts';
import type { Workspace } from './workspace.ts';

/** How far packing has come. */
export interface PackProgress {
  /** Bytes of the data archive before compression. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** The entry being packed. */
  readonly path: string;
}

export interface PackOptions {
  /** Default `zst`. */
  readonly compression?: Compression;
  /** Default and range: `compressionLevels`. */
  readonly level?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PackProgress) => void;
}

/** The data member and the content manifest, as files in the workspace. */
export interface PackedData {
  readonly digest: Digest;
  readonly manifest: Content;
  readonly data: Content;
  /** Name of the data member. */
  readonly dataName: string;
  readonly entries: number;
  readonly files: number;
  /** Sum of the sizes of regular files. */
  readonly unpackedBytes: number;
}

/**
 * Writes the compressed data archive and, in the same pass, the content manifest: each file is read once, and what the
 * manifest says is what was packed.
 */
export async function packData(tree: FileTree, control: Control, work: Workspace, options: PackOptions = {}): Promise<PackedData> {
  const compression = options.compression ?? 'zst';
  const level = checkLevel(compression, options.level);
  const totalBytes = archiveSize(tree);

  const dataPath = work.path('data');
  const manifestPath = work.path('manifest');
  await using dataFile = await open(dataPath, 'wx', 0o600);
  await using manifestFile = await open(manifestPath, 'wx', 0o600);
  const data = new Compressor(compression, level, totalBytes, dataFile, options.signal);
  const manifest = new ManifestFile(manifestFile);
  let [entries, files, unpackedBytes] = [0, 0, 0];
  try {
    await manifest.write(formatManifestHeader(control.fields));
    for (const entry of tree.entries()) {
      const step = (): void => {
        throwIfCancelled(options.signal);
        options.onProgress?.({ doneBytes: data.bytes, totalBytes, path: entry.path });
      };
      step();
      await manifest.write(formatManifestEntry(await packEntry(entry, data, step)));
      entries += 1;
      if (entry.type !== 'file') continue;
      files += 1;
      unpackedBytes += contentSize(entry.content);
    }
    await data.write(tarEnd);
    await data.end();
  } catch (error) {
    await data.abandon();
    // What was aborted in the middle of a write tells so in words of its own.
    throwIfCancelled(options.signal);
    throw error;
  }
  const digest = await manifest.end();
  const span = (file: string, size: number): Content => ({ kind: 'span', file, offset: 0, size });
  return {
    digest,
    manifest: span(manifestPath, manifest.bytes),
    data: span(dataPath, (await dataFile.stat()).size),
    dataName: `data.tar.${compression}`,
    entries,
    files,
    unpackedBytes,
  };
}

/** Size of the data archive. @throws BerthError for a path or link that every device would refuse. */
function archiveSize(tree: FileTree): number {
  let bytes = tarEnd.length;
  for (const entry of tree.entries()) {
    checkEntryPath(entry.path, defaultLimits, 'cannot be packed');
    if (entry.type === 'symlink') checkLinkTarget(entry.target, `cannot be packed: ${entry.path}`);
    if (Math.max(entry.uid, entry.gid) >= idsPerApp) throw new BerthError('bad_package', `cannot be packed: ${entry.path} belongs to user ${entry.uid} and group ${entry.gid}; an app has those from 0 to ${idsPerApp - 1}`);
    bytes += tarEntrySize(entry);
  }
  return bytes;
}

function checkLevel(compression: Compression, level: number | undefined): number {
  const { min, max, fallback } = compressionLevels[compression];
  if (level === undefined) return fallback;
  if (Number.isInteger(level) && level >= min && level <= max) return level;
  throw new BerthError('usage', `level ${level}: ${compression} has levels ${min} to ${max}`);
}

/** `step` is called after each block of a file. */
async function packEntry(entry: PackEntry, data: Compressor, step: () => void): Promise<ManifestEntry> {
  await data.write(tarHeaderBytes(entry));
  if (entry.type !== 'file') return entry;
  const hash = sha256Stream();
  for (const block of readContent(entry.content)) {
    hash.update(block);
    await data.write(block);
    step();
  }
  const size = contentSize(entry.content);
  await data.write(tarPaddingBytes(size));
  const { path, mode, uid, gid, mtime } = entry;
  return { type: 'file', path, mode, uid, gid, mtime, size, sha256: hash.digest('hex') };
}

const batchBytes = 64 * 1024;

/** The manifest's lines, hashed and written in batches. */
class ManifestFile {
  readonly #file: FileHandle;
  readonly #hash = sha256Stream();
  #lines = '';
  bytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(line: string): Promise<void> {
    this.#lines += line;
    if (this.#lines.length >= batchBytes) await this.#flush();
  }

  async end(): Promise<Digest> {
    await this.#flush();
    return `sha256:${this.#hash.digest('hex')}`;
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#lines);
    this.#lines = '';
    this.#hash.update(bytes);
    this.bytes += bytes.length;
    await this.#file.writeFile(bytes);
  }
}
