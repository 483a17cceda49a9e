import { closeSync, constants, fchmodSync, fchownSync, futimesSync, lchownSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import type { Free } from './no-space.ts';
import type { EntryMeta } from './path-model.ts';
import { freeFor } from './room.ts';
import type { ManifestEntry } from './types.ts';

/** Every parent of a rootfs: the container's user may pass through, and look at nothing. */
const bundleMode = 0o711;
const mountPointMeta: Readonly<EntryMeta> = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
/** Nothing is opened that is there already, and no link is followed. */
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Whose the entries are: of the users and groups of the host that follow `idBase`, for which one must be root; of such
 * that are only known later; or of whoever unpacks.
 */
export type Owners = { readonly idBase: number } | 'later' | 'unpacker';

/**
 * Writes a bundle's tree. It trusts its paths: that each lies in directories made here before, and is new, is for
 * the caller to know (`PathModel`). Calls are synchronous, since for thousands of small files that is several times
 * as fast; they belong in a process of their own.
 */
export class BundleWriter {
  readonly #bundle: string;
  #owners: Owners;
  /** Whose a new entry is before it is given to somebody. */
  readonly #owner: Pick<EntryMeta, 'uid' | 'gid'>;
  #file: number | undefined;

  /** Makes the directory `bundle`. */
  constructor(bundle: string, owners: Owners) {
    this.#bundle = bundle;
    this.#owners = owners;
    mkdirSync(bundle, 0o700);
    const made = lstatSync(bundle);
    // Entries below get the same, also where a directory hands its group down (mkdir(2)). Under fakeroot(1), what root
    // made seems to be another's: then every entry is given, so that fakeroot learns whose it is.
    this.#owner = owners !== 'unpacker' && process.geteuid?.() === 0 && made.uid !== 0 ? { uid: NaN, gid: NaN } : made;
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
    this.#give(meta, (uid, gid) => lchownSync(full, uid, gid));
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

  /** Gives the files and links that are here to their owners, if those were not known before; directories get theirs when they are finished. */
  settleOwners(idBase: number, forEach: (visit: (entry: ManifestEntry) => void) => void): void {
    if (this.#owners !== 'later') return;
    this.#owners = { idBase };
    forEach((entry) => {
      if (entry.type === 'file' || entry.type === 'symlink') this.#give(entry, (uid, gid) => lchownSync(this.#place(entry.path), uid, gid));
    });
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

  /** What is left on the file system of the bundle, without what is kept for its administrator. */
  free(): Free {
    return freeFor(this.#bundle);
  }

  #place(path: string): string {
    return `${this.#bundle}/${path}`;
  }

  #give(meta: Pick<EntryMeta, 'uid' | 'gid'>, chown: (uid: number, gid: number) => void): void {
    if (typeof this.#owners === 'string') return;
    const [uid, gid] = [this.#owners.idBase + meta.uid, this.#owners.idBase + meta.gid];
    if (uid !== this.#owner.uid || gid !== this.#owner.gid) chown(uid, gid);
  }

  #setMeta(file: number, meta: Readonly<EntryMeta>): void {
    // In this order: a change of owner may clear permission bits.
    this.#give(meta, (uid, gid) => fchownSync(file, uid, gid));
    fchmodSync(file, meta.mode);
    futimesSync(file, meta.mtime, meta.mtime);
  }
}
