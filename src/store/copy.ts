import type { WorkerCommand } from '../image/index.ts';
import { BerthError } from '../lib/errors.ts';

/** Upper bounds of what is copied; one more is refused as `too_large`. */
export interface CopyLimits {
  /** Sum of apparent sizes (`st_size`), so that a sparse file counts for all that its copy may take. */
  readonly bytes: number;
  /** Names in all directories together. */
  readonly entries: number;
  /** Directories inside one another. Two or three descriptors are open for each. */
  readonly depth: number;
}

/** What a pass found and did. */
export interface CopyReport {
  /** Apparent size of all that is in the copy; a file with several names counts once. */
  readonly bytes: number;
  /** Names in the copy. */
  readonly entries: number;
  /** Of those, files, links and directories that this pass wrote anew. */
  readonly copied: number;
  /** Sockets, pipes and devices, which are not copied. */
  readonly leftOut: number;
}

export interface CopyOptions {
  /** How to start the program that calls `copyWorkerMain` with the arguments after these. */
  readonly worker: WorkerCommand;
  /** Directory that an app may be changing. If there is none, the copy is none either. */
  readonly from: string;
  /** On the same file system or another; what is there already is made to match. Its parent must be there. */
  readonly to: string;
  readonly limits: CopyLimits;
  /** Ends the child; what is under way rejects with `cancelled`. */
  readonly signal?: AbortSignal;
}

/** A copy of a directory in the making, by a child process. Whoever gives it up removes what is at `to`. */
export interface DataCopy extends AsyncDisposable {
  /**
   * Copies while the app runs: names that come and go meanwhile may be lacking or old.
   * @throws BerthError `too_large` (detail `{ what: 'bytes' | 'entries' | 'depth', limit }`), `no_space`, `io`, `cancelled`
   */
  first(): Promise<CopyReport>;
  /**
   * Brings the copy up to date after the app has stopped; all of it if {@link first} was not called. The copy is exact
   * and durable when it resolves.
   * @throws BerthError as {@link first}
   */
  last(): Promise<CopyReport>;
}

/** Starts a child process that copies `from` to `to`. */
export function openCopy(options: CopyOptions): DataCopy {
  throw new BerthError('unsupported', `copying ${options.from} is not there yet`);
}
