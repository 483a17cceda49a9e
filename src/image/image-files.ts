import { lstatSync } from 'node:fs';
import { join, posix } from 'node:path';
import { BerthError, isErrno } from '../lib/errors.ts';
import { throwIfCancelled } from './cancel.ts';
import { type Content, plainContent, readSmall } from './content.ts';
import { defaultLimits } from './limits.ts';
import { Spool } from './spool.ts';
import { TarParser } from './tar-reader.ts';

/** Index, manifests and configurations of images are text of a few kilobytes. */
const maxDocumentBytes = 4 * 1024 * 1024;
const maxFiles = 10_000;

/** The files of an OCI image layout or of a `docker save` archive. */
export interface ImageFiles {
  /** Names where they are in messages. */
  readonly name: string;
  /** A regular file by its path inside; undefined if there is none. */
  get(path: string): Content | undefined;
}

/** An image as a folder of this machine. Paths come from the image: none that leads out is looked at. */
export function folderFiles(folder: string): ImageFiles {
  return {
    name: folder,
    get: (path) => {
      const file = join(folder, insidePath(path));
      try {
        const stats = lstatSync(file);
        return stats.isFile() ? { kind: 'span', file, offset: 0, size: stats.size } : undefined;
      } catch (error) {
        if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
        throw error;
      }
    },
  };
}

/** An image as a tar archive in any compression; its files are put into a private one. */
export async function archiveFiles(path: string, spoolPath: string, signal?: AbortSignal): Promise<ImageFiles> {
  const stats = lstatSync(path);
  const archive = plainContent({ kind: 'span', file: path, offset: 0, size: stats.size }, path);
  const found = new Map<string, Content | { readonly link: string }>();
  using spool = new Spool(spoolPath, defaultLimits.unpackedBytes);
  const parser = new TarParser(path, defaultLimits.pathBytes);
  let pending: { readonly name: string; readonly start: number } | undefined;
  for await (const chunk of archive) {
    throwIfCancelled(signal);
    for (const event of parser.push(chunk)) {
      if (event.kind === 'data') {
        spool.append(event.bytes, path);
      } else if (event.kind === 'end') {
        if (pending !== undefined) found.set(pending.name, spool.since(pending.start));
        pending = undefined;
      } else {
        const { type, name, linkName } = event.entry;
        const inside = insidePath(name);
        if (type === 'file') pending = { name: inside, start: spool.bytes };
        // Older `docker save` writes a layer that two images share once, and links to it.
        else if (type === 'symlink') found.set(inside, { link: insidePath(posix.join(posix.dirname(inside), linkName)) });
        else if (type === 'hardlink') found.set(inside, { link: insidePath(linkName) });
        if (found.size > maxFiles) throw new BerthError('too_large', `${path}: more than ${maxFiles} files; this is not an image`);
      }
    }
  }
  parser.end();
  spool.flush();
  return {
    name: path,
    get: (name) => {
      const entry = found.get(insidePath(name));
      const target = entry !== undefined && 'link' in entry ? found.get(entry.link) : entry;
      return target !== undefined && 'kind' in target ? target : undefined;
    },
  };
}

/** A small JSON document of an image. @throws BerthError `bad_package` naming it. */
export function readDocument(content: Content, name: string): { readonly bytes: Buffer; readonly value: unknown } {
  const bytes = readSmall(content, maxDocumentBytes, name);
  try {
    return { bytes, value: JSON.parse(bytes.toString('utf8')) };
  } catch (error) {
    throw new BerthError('bad_package', `${name}: not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** Normalised as if the image's folder were the root: `..` leads no further up. */
function insidePath(path: string): string {
  return posix.normalize(`/${path}`).slice(1).replace(/\/$/, '');
}
