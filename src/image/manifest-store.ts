import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';

const pageBytes = 64 * 1024;
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Where the bytes of a manifest are kept while a package is read: a file beside the bundle, or memory. */
export interface ManifestStore {
  append(bytes: Buffer): void;
  /** To be called before reading. */
  close(): void;
  chunks(): Iterable<Buffer>;
}

/** @throws an error of the file system (`EEXIST` if the file is there). */
export function fileManifestStore(path: string): ManifestStore {
  let file: number | undefined = openSync(path, createFlags, 0o644);
  return {
    append: (bytes) => {
      for (let done = 0; done < bytes.length;) done += writeSync(file!, bytes, done);
    },
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
    chunks: () => fileChunks(path),
  };
}

/** For a package that is only looked at: at most `limits.manifestBytes` in memory. */
export function memoryManifestStore(): ManifestStore {
  const parts: Buffer[] = [];
  return {
    append: (bytes) => parts.push(Buffer.from(bytes)),
    close: () => undefined,
    chunks: () => parts,
  };
}

/** A file page by page. The memory of a page is used again for the next one. */
export function* fileChunks(path: string): Generator<Buffer, void, undefined> {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const page = Buffer.allocUnsafe(pageBytes);
    for (;;) {
      const size = readSync(file, page);
      if (size === 0) return;
      yield page.subarray(0, size);
    }
  } finally {
    closeSync(file);
  }
}
