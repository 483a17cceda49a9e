import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { finished, type Duplex, type Readable, type Writable } from 'node:stream';
import { chown } from 'node:fs/promises';
import * as v from 'valibot';
import { parseDigest } from '../lib/digest.ts';
import { asBerthError, BerthError, errorTable, type ErrorCode } from '../lib/errors.ts';
import type { Command } from '../lib/confinement.ts';
import { endOf } from '../lib/process.ts';
import type { TrustPolicy } from '../trust/index.ts';
import type { Admission, Terms } from './admission.ts';
import { emptyDirectory } from './byte-source.ts';
import { parseControl } from './control.ts';
import { gateDescriptor, Gatekeeper } from './gatekeeper.ts';
import { maxToldBytes, packageDirectory } from './payload.ts';
import { takeOver } from './take-over.ts';
import { arMagic, lookAgain } from './second-look.ts';
import type { PackageLimits, PackageReport, PayloadReport } from './types.ts';

/** How to start the program that calls `unpackWorkerMain`. */
export interface WorkerCommand extends Command {
  /** User and group of the host as which it works; undefined: as the caller. */
  readonly user?: number;
}

export interface UnpackPayloadOptions {
  readonly worker: WorkerCommand;
  readonly limits: PackageLimits;
  readonly signal?: AbortSignal;
  /** Who may vouch for packages. Without, nobody is asked. */
  readonly trust?: TrustPolicy;
  /**
   * Lets a package in, as `UnpackOptions.admit`; what it throws refuses the payload. Told what the child says before it
   * has decompressed anything of this package; at the end, the child is held to it.
   */
  readonly admit?: (admission: Admission) => Terms | Promise<Terms>;
  /** Told the bytes of the payload that were read so far. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Keeps the child small: measured with 150,000 files in 1 GB, its peak is 57 MB above that of an idle Node, without
 * them 150 MB; it is no slower.
 */
const workerEnvironment = { MALLOC_ARENA_MAX: '1', NODE_OPTIONS: '--max-semi-space-size=8 --max-old-space-size=96' } as const;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** What the packages say, and a few hundred bytes for each that do not depend on them. */
const maxAnswerBytes = maxToldBytes + 1024 * 1024;
const maxStderrBytes = 4096;

/** What the child answers on standard output: one JSON document. Control is the text of the stanza. */
const reportSchema = v.strictObject({
  digest: v.string(),
  control: v.string(),
  manifestGiven: v.boolean(),
  signatureBytes: v.optional(v.number()),
  packageBytes: v.number(),
  unpackedBytes: v.number(),
  entries: v.number(),
  files: v.number(),
  compression: v.picklist(['gz', 'xz', 'zst']),
  warnings: v.array(v.string()),
  scripts: v.array(v.string()),
  config: v.optional(v.string()),
  hasRootfs: v.boolean(),
});
const payloadSchema = v.strictObject({
  kind: v.picklist(['package', 'archive', 'swu']),
  bytes: v.number(),
  packages: v.array(v.strictObject({ name: v.string(), report: reportSchema })),
});
const answerSchema = v.union([
  v.strictObject({ payload: payloadSchema }),
  v.strictObject({ error: v.strictObject({ code: v.picklist(Object.keys(errorTable) as ErrorCode[]), message: v.string(), detail: v.optional(v.unknown()) }) }),
]);

/**
 * As `unpackPayload`, in a child process, so that the caller's process stays responsive and gets no larger. When the
 * source fails or the signal aborts, the child is killed; in every case of an error `target` is empty afterwards.
 * Without a `target`, all is checked and nothing written.
 * The source is the caller's: it is read no further after an error, but not destroyed.
 * @throws BerthError as `unpackPayload`; `internal` if the child died.
 */
export async function unpackPayloadInChild(source: Readable, target: string | undefined, options: UnpackPayloadOptions): Promise<PayloadReport> {
  const { worker, limits, trust, admit = () => ({}) } = options;
  // Below it, the child may do as it likes.
  if (target !== undefined && worker.user !== undefined) await chown(target, worker.user, worker.user);
  const child = spawn(worker.command, [...worker.args], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], env: { ...process.env, ...workerEnvironment } });
  const gatekeeper = new Gatekeeper(trust, admit);
  const job = { limits, ...(target === undefined ? {} : { target }), ...(trust === undefined ? {} : { trust }) };
  try {
    let start = Buffer.alloc(0);
    const onChunk = (chunk: Uint8Array): void => {
      if (start.length < arMagic.length) start = Buffer.concat([start, chunk]).subarray(0, arMagic.length);
    };
    const said = await converse(child, source, { ...options, onChunk }, async () => gatekeeper.serve(child.stdio[gateDescriptor] as Duplex, job));
    gatekeeper.requireNoRefusal();
    const report = gatekeeper.hold(payloadFrom(said, target));
    if (target !== undefined && worker.user !== undefined) takeOver(target, report.packages.length);
    for (const [index, found] of report.packages.entries()) {
      const comesFirst = index === 0 && start.equals(arMagic);
      if (trust !== undefined && !comesFirst) await lookAgain(found, { policy: trust, limits, idBase: gatekeeper.terms(index).idBase });
    }
    return report;
  } catch (error) {
    if (target !== undefined) await emptyDirectory(target);
    throw error;
  }
}

/** Feeds the child and waits until it is gone. Gives what it said. */
async function converse(child: Child, source: Readable, { signal, onProgress, onChunk }: UnpackPayloadOptions & { readonly onChunk: (chunk: Uint8Array) => void }, serveGate: () => Promise<void>): Promise<string> {
  let bytes = 0;
  let failure: BerthError | undefined;
  const fail = (error: BerthError): void => {
    failure ??= error;
    child.kill('SIGKILL');
  };
  const onAbort = (): void => fail(new BerthError('cancelled', 'unpacking was cancelled'));
  const onData = (chunk: Uint8Array): void => {
    bytes += chunk.length;
    onChunk(chunk);
    onProgress?.(bytes);
  };
  const stdout = collect(child.stdout, maxAnswerBytes);
  const stderr = collect(child.stderr, maxStderrBytes);
  // A child that refuses the package reads no further; its answer tells why.
  child.stdin.on('error', () => undefined);
  const unwatch = finished(source, { writable: false }, (error) => {
    if (error !== undefined && error !== null) fail(sourceError(error, bytes));
  });
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const end = new Promise<{ code: number | null; killedBy: NodeJS.Signals | null }>((resolve, reject) => {
      child.once('error', (error) => reject(new BerthError('internal', `the process that unpacks packages cannot be started: ${error.message}`, { cause: error })));
      child.once('close', (code, killedBy) => resolve({ code, killedBy }));
    });
    if (signal?.aborted === true) onAbort();
    const gate = serveGate().catch((error: unknown) => {
      fail(asBerthError(error));
    });
    source.on('data', onData);
    source.pipe(child.stdin);
    const { code, killedBy } = await end;
    await gate;
    if (failure !== undefined) throw failure;
    if (code !== 0) throw died(code, killedBy, stderr());
    return stdout();
  } finally {
    source.unpipe(child.stdin);
    source.off('data', onData);
    source.pause();
    unwatch();
    signal?.removeEventListener('abort', onAbort);
  }
}

function sourceError(error: Error, bytes: number): BerthError {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') return asBerthError(error);
  return new BerthError('io', `the payload broke off after ${bytes} bytes`, { cause: error });
}

function died(code: number | null, signal: NodeJS.Signals | null, stderr: string): BerthError {
  const { killedBy, text } = endOf(code, signal);
  const hint = killedBy === 'SIGKILL' ? ' (was memory short?)' : '';
  return new BerthError('internal', `the process that unpacks packages ${text}${hint}; nothing of the payload was kept${stderr === '' ? '' : `: ${stderr.trim()}`}`);
}

function collect(stream: Readable, maxBytes: number): () => string {
  const parts: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < maxBytes) parts.push(chunk.subarray(0, maxBytes - size));
    size += chunk.length;
  });
  return () => Buffer.concat(parts).toString('utf8');
}

/** The child has read hostile input: what it says is checked like any other input. */
function payloadFrom(text: string, target: string | undefined): PayloadReport {
  let answer: v.InferOutput<typeof answerSchema>;
  try {
    answer = v.parse(answerSchema, JSON.parse(text));
  } catch (error) {
    throw new BerthError('internal', 'the process that unpacks packages gave no answer that can be read', { cause: error });
  }
  if ('error' in answer) throw new BerthError(answer.error.code, answer.error.message, { detail: answer.error.detail });
  const { kind, bytes, packages } = answer.payload;
  return {
    kind,
    bytes,
    packages: packages.map(({ name, report }, index) => ({
      directory: target === undefined ? undefined : packageDirectory(target, index),
      name,
      report: reportFrom(report),
    })),
  };
}

function reportFrom({ digest, control, signatureBytes, config, ...rest }: v.InferOutput<typeof reportSchema>): PackageReport {
  return {
    ...rest,
    digest: parseDigest(digest),
    control: parseControl(Buffer.from(control)),
    ...(signatureBytes === undefined ? {} : { signatureBytes }),
    ...(config === undefined ? {} : { config }),
  };
}
