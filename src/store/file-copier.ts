import { closeSync, constants, copyFileSync, ftruncateSync, lstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { isErrno } from '../lib/errors.ts';
import { pathOf } from '../lib/directory.ts';

/** Read at once, and between two turns of whatever else the process does. */
const chunkBytes = 1024 * 1024;
/** Blocks of zeros of this size become holes. */
const blockBytes = 4096;
const zeros = Buffer.alloc(blockBytes);

/** Copies contents of files; shares the blocks on a file system that can (FICLONE, ioctl_ficlone(2)). */
export class FileCopier {
  readonly #pause: () => Promise<void>;
  readonly #chunk = Buffer.allocUnsafe(chunkBytes);
  #clones = true;

  /** @param pause lets the process do something else */
  constructor(pause: () => Promise<void>) {
    this.#pause = pause;
  }

  /**
   * Makes the file `to`, with the contents of an open one. Gives its size: not more than `size`, unless blocks were
   * shared.
   */
  async copy(source: number, size: number, to: Buffer): Promise<number> {
    return this.#clone(source, to) ? lstatSync(to).size : await this.#read(source, size, to);
  }

  #clone(source: number, to: Buffer): boolean {
    if (!this.#clones) return false;
    try {
      // Opens the source once more by its descriptor, which can lead to no other file. Leaves nothing if it fails.
      copyFileSync(pathOf(source), to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
      return true;
    } catch (error) {
      // Other errors are this file's: some files cannot be shared, and what is really wrong shows again in a moment.
      this.#clones = !isErrno(error, 'ENOTSUP', 'EXDEV', 'ENOSYS', 'ENOTTY');
      return false;
    }
  }

  async #read(source: number, size: number, to: Buffer): Promise<number> {
    const target = openSync(to, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      let position = 0;
      while (position < size) {
        const count = readSync(source, this.#chunk, 0, Math.min(chunkBytes, size - position), position);
        if (count === 0) break;
        this.#write(target, count, position);
        position += count;
        await this.#pause();
      }
      ftruncateSync(target, position);
      return position;
    } catch (error) {
      unlinkSync(to);
      throw error;
    } finally {
      closeSync(target);
    }
  }

  /** Writes the first `count` bytes of the chunk, without blocks of zeros: what is not written reads as zeros. */
  #write(target: number, count: number, position: number): void {
    let start = 0;
    for (let block = 0; block < count; block += blockBytes) {
      const end = Math.min(block + blockBytes, count);
      if (this.#chunk.compare(zeros, 0, end - block, block, end) !== 0) continue;
      this.#writeAll(target, start, block, position);
      start = end;
    }
    this.#writeAll(target, start, count, position);
  }

  #writeAll(target: number, start: number, end: number, position: number): void {
    for (let at = start; at < end; ) at += writeSync(target, this.#chunk, at, end - at, position + at);
  }
}
