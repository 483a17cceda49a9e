import { closeSync, constants, fstatSync, linkSync, lstatSync, mkdirSync, openSync, opendirSync, readlinkSync, symlinkSync, unlinkSync, type BigIntStats } from 'node:fs';
import { getSystemErrorMessage } from 'node:util';
import { directoryFlags, nameText, pathIn, pathOf, rawNames } from '../lib/directory.ts';
import { removeTree } from '../lib/durable.ts';
import { asBerthError, BerthError, isErrno, type ErrorCode } from '../lib/errors.ts';
import type { CopyLimits, CopyReport } from './copy.ts';
import { CopyTally } from './copy-tally.ts';
import { FileCopier } from './file-copier.ts';
import { hasAttributes, identity, setAttributes } from './inode.ts';

export interface CopyPassOptions {
  /** A directory. */
  readonly from: string;
  readonly to: string;
  readonly limits: CopyLimits;
  /** What has a ctime (nanoseconds) before is in the copy already, if it was copied from the directory of `origins`. */
  readonly settledBefore: bigint | undefined;
  /** An app runs that changes the tree meanwhile: what vanishes while it is looked at is passed over. */
  readonly changing: boolean;
  /** For each directory of the copy, by its inode, the directory it was copied from; kept up to date. */
  readonly origins: Map<bigint, string>;
  readonly pause: () => Promise<void>;
}

/** A name in the tree, with the directories that it lies in. */
interface Place {
  readonly parent?: Place;
  readonly name: string;
}

/** A directory on both sides. */
interface Pair {
  readonly source: number;
  readonly target: number;
  readonly place: Place | undefined;
  readonly depth: number;
  /** The copy was made from this very directory before. */
  readonly known: boolean;
}

/**
 * How the system says that a name is no more what it was a moment ago: gone, a link or no directory, a socket, a file
 * that another has a lease on (fcntl(2)).
 */
const changeErrors = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EAGAIN', 'EINVAL', 'ESTALE'];

/** O_NONBLOCK: neither a pipe nor a lease holds us up. */
const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * One walk through a tree that makes another one equal to it. Kept are modes, owners, times (to about 0.2 µs, what a
 * double holds), links of both kinds and holes; not sockets, pipes, devices, extended attributes and access control
 * lists.
 */
export class CopyPass {
  readonly #options: CopyPassOptions;
  readonly #tally: CopyTally;
  readonly #files: FileCopier;
  /** Files with several names: where the copy of the first one is, and its inode. */
  readonly #linked = new Map<string, { readonly place: Place; readonly ino: bigint }>();
  #root = -1;

  constructor(options: CopyPassOptions) {
    this.#options = options;
    this.#tally = new CopyTally(options.limits, options.from);
    this.#files = new FileCopier(options.pause);
  }

  async run(): Promise<CopyReport> {
    const source = openSync(this.#options.from, directoryFlags);
    try {
      await this.#intoDirectory(source, Buffer.from(this.#options.to), undefined, 0);
    } catch (error) {
      throw this.#explain(error, undefined);
    } finally {
      closeSync(source);
    }
    return this.#tally.report();
  }

  /** Makes or opens the copy of a directory, and goes through both. */
  async #intoDirectory(source: number, path: Buffer, place: Place | undefined, depth: number): Promise<void> {
    this.#tally.depth(depth);
    if (!(await this.#keepOnly(path, (there) => there.isDirectory()))) {
      mkdirSync(path, { mode: 0o700 });
      if (place !== undefined) this.#tally.copied();
    }
    const target = openSync(path, directoryFlags);
    try {
      if (place === undefined) this.#root = target;
      const stat = fstatSync(source, { bigint: true });
      const there = fstatSync(target, { bigint: true });
      const known = this.#options.origins.get(there.ino) === identity(stat);
      this.#options.origins.set(there.ino, identity(stat));
      const pair = { source, target, place, depth, known };
      if (!this.#isSettled(known, stat, there)) await this.#prune(pair);
      await this.#entries(pair);
      // Not touched without need: the last pass has to bring all that it touches to disk.
      if (!hasAttributes(fstatSync(target, { bigint: true }), stat)) setAttributes(path, stat);
    } finally {
      closeSync(target);
    }
  }

  /** Removes from the copy what is no more in the source; before anything is copied, which may need the room. */
  async #prune({ source, target }: Pair): Promise<void> {
    for (const name of namesIn(target)) {
      if (lstatSync(pathIn(source, name), { throwIfNoEntry: false }) === undefined) await removeTree(pathIn(target, name));
      await this.#options.pause();
    }
  }

  async #entries(pair: Pair): Promise<void> {
    for (const name of namesIn(pair.source)) {
      const place = { name, ...(pair.place === undefined ? {} : { parent: pair.place }) };
      try {
        await this.#entry(pair, place);
      } catch (error) {
        throw this.#explain(error, place);
      }
      await this.#options.pause();
    }
  }

  async #entry(pair: Pair, place: Place): Promise<void> {
    const path = pathIn(pair.source, place.name);
    const stat = this.#look(() => lstatSync(path, { bigint: true }));
    if (stat === undefined) return;
    this.#tally.name();
    const copy = pathIn(pair.target, place.name);
    if (stat.isDirectory()) {
      const source = this.#look(() => openSync(path, directoryFlags));
      if (source === undefined) return;
      try {
        await this.#intoDirectory(source, copy, place, pair.depth + 1);
      } finally {
        closeSync(source);
      }
    } else if (stat.isFile() || stat.isSymbolicLink()) {
      await this.#fileOrLink(pair, place, stat);
    } else {
      this.#tally.leftOut();
      await removeTree(copy);
    }
  }

  async #fileOrLink(pair: Pair, place: Place, stat: BigIntStats): Promise<void> {
    const copy = pathIn(pair.target, place.name);
    const linked = stat.nlink > 1n ? this.#linked.get(identity(stat)) : undefined;
    if (linked !== undefined) {
      if (await this.#keepOnly(copy, (there) => there.ino === linked.ino)) return;
      if (this.#look(() => this.#link(linked.place, copy)) !== undefined) this.#tally.copied();
      return;
    }
    if (await this.#keepOnly(copy, (there) => this.#isSettled(pair.known, stat, there))) {
      this.#tally.bytes(Number(stat.size));
    } else if (stat.isFile()) {
      if (!(await this.#file(pair, place))) return;
    } else if (!this.#symlink(pair, place, stat)) return;
    if (stat.nlink > 1n) this.#linked.set(identity(stat), { place, ino: lstatSync(copy, { bigint: true }).ino });
  }

  async #file(pair: Pair, place: Place): Promise<boolean> {
    const copy = pathIn(pair.target, place.name);
    const source = this.#look(() => openSync(pathIn(pair.source, place.name), fileFlags));
    if (source === undefined) return false;
    try {
      const stat = fstatSync(source, { bigint: true });
      if (!stat.isFile()) {
        if (this.#options.changing) return false;
        throw this.#fault('conflict', place, 'it changes, although nothing should run that changes it');
      }
      const size = Number(stat.size);
      this.#tally.bytes(size);
      this.#tally.bytes((await this.#files.copy(source, size, copy)) - size);
      setAttributes(copy, stat);
    } finally {
      closeSync(source);
    }
    this.#tally.copied();
    return true;
  }

  #symlink(pair: Pair, place: Place, stat: BigIntStats): boolean {
    const copy = pathIn(pair.target, place.name);
    const to = this.#look(() => readlinkSync(pathIn(pair.source, place.name), { encoding: 'buffer' }));
    if (to === undefined) return false;
    this.#tally.bytes(to.length);
    symlinkSync(to, copy);
    setAttributes(copy, stat);
    this.#tally.copied();
    return true;
  }

  /** Gives a file of the copy one more name. Its own path may be longer than a path may be, so it is walked. */
  #link(place: Place, copy: Buffer): true {
    const parents: string[] = [];
    for (let parent = place.parent; parent !== undefined; parent = parent.parent) parents.push(parent.name);
    let directory = openSync(pathIn(this.#root, '.'), directoryFlags);
    try {
      for (const name of parents.toReversed()) {
        const inner = openSync(pathIn(directory, name), directoryFlags);
        closeSync(directory);
        directory = inner;
      }
      linkSync(pathIn(directory, place.name), copy);
      return true;
    } finally {
      closeSync(directory);
    }
  }

  /** False if nothing is at `path` of the copy; what is not to be kept is removed. */
  async #keepOnly(path: Buffer, isKept: (there: BigIntStats) => boolean): Promise<boolean> {
    const there = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (there === undefined) return false;
    if (isKept(there)) return true;
    if (there.isDirectory()) await removeTree(path);
    else unlinkSync(path);
    return false;
  }

  /**
   * True if a file, or the names in a directory, are in the copy as they are. Attributes are compared too, since the wall
   * clock may have been set back and forth meanwhile.
   * @param known the directory was copied before: the file's own, or the directory itself
   */
  #isSettled(known: boolean, stat: BigIntStats, there: BigIntStats): boolean {
    const { settledBefore } = this.#options;
    return known && settledBefore !== undefined && stat.ctimeNs < settledBefore && hasAttributes(there, stat);
  }

  /** Looks at something of the app's. Undefined if it has changed meanwhile, which only a running app may do. */
  #look<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!this.#options.changing || !isErrno(error, ...changeErrors)) throw error;
      return undefined;
    }
  }

  #explain(error: unknown, place: Place | undefined): BerthError {
    if (error instanceof BerthError) return error;
    const { errno, message } = error as NodeJS.ErrnoException;
    return this.#fault(asBerthError(error).code, place, errno === undefined ? message : getSystemErrorMessage(errno), error);
  }

  #fault(code: ErrorCode, place: Place | undefined, why: string, cause?: unknown): BerthError {
    const names: string[] = [];
    for (let at = place; at !== undefined; at = at.parent) names.push(nameText(at.name));
    const { from, to } = this.#options;
    return new BerthError(code, `cannot copy ${JSON.stringify(names.toReversed().join('/'))} from ${from} to ${to}: ${why}`, { cause });
  }
}

function* namesIn(directory: number): Generator<string> {
  using entries = opendirSync(pathOf(directory), rawNames);
  for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) yield entry.name;
}
