import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import * as v from 'valibot';
import type { Command } from '../lib/confinement.ts';
import { BerthError, errorTable, type ErrorCode } from '../lib/errors.ts';
import { endOf } from '../lib/process.ts';

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
  readonly worker: Command & Partial<Disposable>;
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
   * @throws BerthError as {@link first}; `conflict` or `io` if something changes the directory even now
   */
  last(): Promise<CopyReport>;
}

/** The passes of a copy, as the child is told them. */
export const copyPasses = ['first', 'last'] as const;

type CopyPassName = (typeof copyPasses)[number];

/** What the child answers to each of them: one line of JSON. */
const answerSchema = v.union([
  v.strictObject({ report: v.strictObject({ bytes: v.number(), entries: v.number(), copied: v.number(), leftOut: v.number() }) }),
  v.strictObject({ error: v.strictObject({ code: v.picklist(Object.keys(errorTable) as ErrorCode[]), message: v.string(), detail: v.optional(v.unknown()) }) }),
]);

export type CopyAnswer = v.InferOutput<typeof answerSchema>;

/** Keeps the child small. */
const workerEnvironment = { MALLOC_ARENA_MAX: '1', NODE_OPTIONS: '--max-semi-space-size=1 --max-old-space-size=96' } as const;

const maxStderr = 4096;

/** Starts a child process that copies `from` to `to`. */
export function openCopy(options: CopyOptions): DataCopy {
  return new ChildCopy(options);
}

class ChildCopy implements DataCopy {
  readonly #from: string;
  readonly #worker: CopyOptions['worker'];
  readonly #signal: AbortSignal | undefined;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #answers: AsyncIterator<string>;
  /** Resolves when the child is gone, with how it ended. */
  readonly #end: Promise<string>;
  readonly #kill = (): void => {
    this.#child.kill('SIGKILL');
  };

  constructor({ worker, from, to, limits, signal }: CopyOptions) {
    this.#from = from;
    this.#worker = worker;
    this.#signal = signal;
    const child = spawn(worker.command, [...worker.args, JSON.stringify({ from, to, limits })], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...workerEnvironment },
    });
    this.#child = child;
    // A child that is gone reads nothing; how it ended is told below.
    child.stdin.on('error', () => undefined);
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(0, maxStderr);
    });
    this.#end = new Promise((resolve) => {
      child.once('error', (error) => resolve(`cannot be started: ${error.message}`));
      child.once('close', (code, killedBy) => {
        resolve(`${endOf(code, killedBy).text}${stderr === '' ? '' : `: ${stderr.trim()}`}`);
      });
    });
    signal?.addEventListener('abort', this.#kill, { once: true });
    if (signal?.aborted === true) this.#kill();
  }

  first(): Promise<CopyReport> {
    return this.#pass('first');
  }

  last(): Promise<CopyReport> {
    return this.#pass('last');
  }

  async #pass(name: CopyPassName): Promise<CopyReport> {
    this.#child.stdin.write(`${name}\n`);
    const line = await this.#answers.next();
    if (line.done === true) {
      const how = await this.#end;
      if (this.#signal?.aborted === true) throw new BerthError('cancelled', `copying ${this.#from} was cancelled`, { cause: this.#signal.reason });
      throw new BerthError('internal', `the process that copies ${this.#from} ${how}`);
    }
    const answer = parseAnswer(line.value);
    if ('error' in answer) throw new BerthError(answer.error.code, answer.error.message, { detail: answer.error.detail });
    return answer.report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#kill);
    this.#kill();
    await this.#end;
    this.#worker[Symbol.dispose]?.();
  }
}

/** The child has read an app's files: what it says is checked like any other input. */
function parseAnswer(line: string): CopyAnswer {
  try {
    return v.parse(answerSchema, JSON.parse(line));
  } catch (error) {
    throw new BerthError('internal', 'the process that copies data gave no answer that can be read', { cause: error });
  }
}
