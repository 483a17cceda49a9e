import { closeSync, constants, fchmodSync, fchownSync, futimesSync, lchownSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, statfsSync, symlinkSync, writeSync } from 'node:fs';
import type { Free } from './no-space.ts';
import type { EntryMeta } from './path-model.ts';

/** Every parent of a rootfs: the container's user may pass through, and look at nothing. */
const bundleMode = 0o711;
const mountPointMeta: Readonly<EntryMeta> = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
/** Nothing is opened that is there already, and no link is followed. */
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Writes a bundle's tree. It trusts its paths: that each lies in directories made here before, and is new, is for
 * the caller to know (`PathModel`). Calls are synchronous, since for thousands of small files that is several times
 * as fast; they belong in a process of their own.
 */
export class BundleWriter {
  readonly #bundle: string;
  readonly #chown: boolean;
  /** Whose a new entry is before it is given to somebody. */
  readonly #owner: Pick<EntryMeta, 'uid' | 'gid'>;
  #file: number | undefined;

  /** Makes the directory `bundle`. `chown`: give entries to their users and groups, for which one must be root. */
  constructor(bundle: string, chown: boolean) {
    this.#bundle = bundle;
    this.#chown = chown;
    mkdirSync(bundle, 0o700);
    const made = lstatSync(bundle);
    // Entries below get the same, also where a directory hands its group down (mkdir(2)). Under fakeroot(1), what root
    // made seems to be another's: then every entry is given, so that fakeroot learns whose it is.
    this.#owner = chown && process.geteuid?.() === 0 && made.uid !== 0 ? { uid: NaN, gid: NaN } : made;
  }

  /** A directory that only this process can look into until {@link finishDir}. */
  dir(path: string): void {
    mkdirSync(this.#place(path), 0o700);
  }

  openFile(path: string): void {
    this.#file = openSync(this.#place(path), createFlags, 0o600);
  }

  /** The next bytes of the file opened last. */
  write(bytes: Buffer): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.#file!, bytes, done);
  }

  closeFile(meta: Readonly<EntryMeta>): void {
    this.#setMeta(this.#file!, meta);
    this.abandon();
  }

  /** Closes a file that is half written, if one is. */
  abandon(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) closeSync(file);
  }

  symlink(path: string, target: string, meta: Readonly<EntryMeta>): void {
    const full = this.#place(path);
    symlinkSync(target, full);
    if (this.#chown) lchownSync(full, meta.uid, meta.gid);
    lutimesSync(full, meta.mtime, meta.mtime);
  }

  /** `target` is the path of a file written here. */
  hardlink(path: string, target: string): void {
    linkSync(this.#place(target), this.#place(path));
  }

  /** Gives a directory its attributes, when nothing more is made in it. */
  finishDir(path: string, meta: Readonly<EntryMeta>): void {
    const directory = openSync(this.#place(path), directoryFlags);
    try {
      this.#setMeta(directory, meta);
    } finally {
      closeSync(directory);
    }
  }

  /** A directory that is no entry of the package, only a place to mount on; root's unless `owner` is given. */
  mountPoint(path: string, owner?: Pick<EntryMeta, 'uid' | 'gid'>): void {
    this.dir(path);
    this.finishDir(path, { ...mountPointMeta, ...owner });
  }

  /** An empty file that is no entry of the package, only a place to mount on. */
  mountFile(path: string): void {
    this.openFile(path);
    this.closeFile({ ...mountPointMeta, mode: 0o644 });
  }

  /** Opens the bundle itself to those who pass through. */
  finish(): void {
    const directory = openSync(this.#bundle, directoryFlags);
    try {
      fchmodSync(directory, bundleMode);
    } finally {
      closeSync(directory);
    }
  }

  /** What is left on the file system of the bundle for this process. */
  free(): Free {
    const { bfree, bavail, bsize, files, ffree } = statfsSync(this.#bundle);
    const blocks = process.geteuid?.() === 0 ? bfree : bavail;
    return { bytes: blocks * bsize, inodes: files === 0 ? undefined : ffree };
  }

  #place(path: string): string {
    return `${this.#bundle}/${path}`;
  }

  #setMeta(file: number, meta: Readonly<EntryMeta>): void {
    // In this order: a change of owner may clear permission bits.
    if (this.#chown && (meta.uid !== this.#owner.uid || meta.gid !== this.#owner.gid)) fchownSync(file, meta.uid, meta.gid);
    fchmodSync(file, meta.mode);
    futimesSync(file, meta.mtime, meta.mtime);
  }
}
