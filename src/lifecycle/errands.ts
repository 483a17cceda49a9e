import { asBerthError, BerthError } from '../lib/errors.ts';
import type { InstanceExit, InstanceSpec } from '../runtime/index.ts';
import type { AppRow } from '../store/index.ts';
import { Alarm } from './alarm.ts';
import type { DataHolder } from './data-watch.ts';
import { killTimeoutMs, outlivesKill } from './kill.ts';
import { Teller } from './teller.ts';
import type { Tools } from './tools.ts';
import type { RunOnceOptions, RunOnceResult } from './types.ts';

/** Commands that run in place of apps. */
export class Errands {
  readonly #tools: Tools;
  readonly #running = new Set<Promise<RunOnceResult>>();
  readonly #writing = new Set<Writing>();

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  /**
   * Runs one and waits for its end. Nothing of it is left when this settles.
   * @throws BerthError as `Lifecycle.runOnce` says
   */
  async run(row: AppRow, command: readonly string[], options: RunOnceOptions): Promise<RunOnceResult> {
    const running = runOnce(this.#tools, row, command, options, this.#writing);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** What the watch over data must know of those that run. */
  holders(): readonly DataHolder[] {
    return [...this.#writing].map(({ holder }) => holder);
  }

  /** Ends what runs in place of an app whose data takes too much: why, for people. */
  overfull(app: string, why: string): void {
    for (const { holder, end } of this.#writing) if (holder.app === app) end(why);
  }

  /** None runs any more, however they ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running);
  }
}

/** One that runs, and how to end it. */
interface Writing {
  readonly holder: DataHolder;
  readonly end: (why: string) => void;
}

/**
 * Runs a command in place of an app's own, in an instance that the database never hears of: if `berthd` dies meanwhile,
 * the sweep of the next one takes it away. Nothing of the instance is left when this settles.
 * @throws BerthError saying why it could not be run; `cancelled` if the signal aborted it; `timeout` if it outlives SIGKILL;
 * `no_space` if it wrote more data than the app may have
 */
async function runOnce(tools: Tools, row: AppRow, command: readonly string[], { timeoutMs, signal }: RunOnceOptions, writing: Set<Writing>): Promise<RunOnceResult> {
  const { runtime, clock, prepare, newInstanceId } = tools;
  const what = `app ${row.name}: ${command[0]}`;
  const requireWanted = (): void => {
    if (signal?.aborted === true) throw new BerthError('cancelled', `${what} was broken off`);
  };
  requireWanted();
  const id = newInstanceId();
  const plan = prepare(row);
  const spec = withCommand(await plan.spec(id), command);
  await tools.primeData(row.name, plan.dataBytes);
  requireWanted();

  await using ends = new AsyncDisposableStack();
  const ended = Promise.withResolvers<InstanceExit>();
  ends.defer(runtime.onExit((exit) => {
    if (exit.id === id) ended.resolve(exit);
  }));
  ends.defer(async () => takeAway(tools, row.name, id));
  await runtime.start(spec);

  const alarm = new Alarm(clock);
  const kill = (): void => {
    alarm.set(killTimeoutMs, () => {
      ended.reject(outlivesKill(what));
    });
    runtime.signal(id, 'SIGKILL').catch(ended.reject);
  };
  let timedOut = false;
  alarm.set(timeoutMs, () => {
    timedOut = true;
    kill();
  });
  let overfull: string | undefined;
  const written: Writing = {
    holder: { app: row.name, instance: id, generation: row.dataGeneration, ...(plan.dataBytes === undefined ? {} : { limitBytes: plan.dataBytes }) },
    end: (why) => {
      overfull ??= why;
      kill();
    },
  };
  writing.add(written);
  signal?.addEventListener('abort', kill);
  ends.defer(() => {
    alarm.cancel();
    writing.delete(written);
    signal?.removeEventListener('abort', kill);
  });
  // It may have come while the instance was being made.
  if (signal?.aborted === true) kill();

  const exit = await ended.promise;
  requireWanted();
  if (overfull !== undefined) throw new BerthError('no_space', `${what} was ended: ${overfull}`);
  return {
    ...(exit.exitCode === undefined ? {} : { exitCode: exit.exitCode }),
    ...(exit.signal === undefined ? {} : { signal: exit.signal }),
    timedOut,
  };
}

async function takeAway({ runtime, tell }: Tools, app: string, id: string): Promise<void> {
  try {
    await runtime.remove(id);
  } catch (error) {
    new Teller(tell, app).warn(`what is left of a command in its place cannot be taken away: ${asBerthError(error).message}`);
  }
}

/** The same instance with another `process.args` (OCI runtime specification, `process`). */
function withCommand(spec: InstanceSpec, command: readonly string[]): InstanceSpec {
  const { process } = spec.config as { readonly process: object };
  return { ...spec, config: { ...spec.config, process: { ...process, args: command } } };
}
