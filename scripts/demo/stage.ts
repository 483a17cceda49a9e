import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BerthError } from '../../src/lib/errors.ts';
import { run } from '../../src/lib/process.ts';
import type { AppStatus } from '../../src/lifecycle/index.ts';
import { noteBerthd, place } from './place.ts';
import { programs } from './programs.ts';

/** What the tour plays on: a `berthd` of its own, and `berth` as a person would use it. */
export class Stage {
  readonly #signal: AbortSignal;
  #berthd: ChildProcess | undefined;

  /** `signal`: everything that waits rejects when it aborts. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  get berthdPid(): number {
    return this.#berthd!.pid!;
  }

  /** Starts berthd and waits until it serves its socket. */
  async startBerthd(): Promise<void> {
    const log = openSync(place.log, 'a');
    // In a session of its own, so that Ctrl-C reaches the demonstration only.
    const child = spawn(programs.berthd, ['--root', place.root, '--run', place.run, '--config', place.config], {
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    this.#berthd = child;
    await once(child, 'spawn');
    noteBerthd(child.pid!);
    await this.until('berthd to serve its socket', async () => {
      if (!this.#runs()) throw new BerthError('unavailable', 'berthd ended at once');
      return (await this.#quietly('ps')).code === 0;
    });
  }

  /** Resolves when berthd ends by itself or somebody else's doing. */
  async berthdEnded(): Promise<void> {
    if (this.#runs()) await once(this.#berthd!, 'exit', { signal: this.#signal });
  }

  /** Ends berthd with a signal and waits until it has ended. */
  async endBerthd(signal: NodeJS.Signals): Promise<void> {
    if (!this.#runs()) return;
    const ended = once(this.#berthd!, 'exit');
    this.#berthd!.kill(signal);
    await ended;
  }

  #runs(): boolean {
    return this.#berthd !== undefined && this.#berthd.exitCode === null && this.#berthd.signalCode === null;
  }

  /** Runs `berth` with its output on the terminal, after showing the command. Gives the exit code. */
  async show(...args: string[]): Promise<number> {
    process.stdout.write(`\n$ berth ${args.map(quote).join(' ')}\n`);
    const child = spawn(programs.berth, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd: place.packages, env: berthEnvironment(), signal: this.#signal });
    const [code] = (await once(child, 'exit')) as [number | null];
    this.#signal.throwIfAborted();
    return code ?? 1;
  }

  /** As {@link show}, for a command that must succeed. @throws BerthError `runtime` if it does not. */
  async must(...args: string[]): Promise<void> {
    const code = await this.show(...args);
    if (code !== 0) throw new BerthError('runtime', `berth ${args.join(' ')} ended with exit code ${code}`);
  }

  /** State of an app. */
  async status(app: string): Promise<AppStatus> {
    const { code, stdout, stderr } = await this.#quietly('--json', 'show', app);
    if (code !== 0) throw new BerthError('runtime', `berth show ${app}: ${stderr.trim()}`);
    return JSON.parse(stdout) as AppStatus;
  }

  /** Waits until something holds of an app; gives its state then. */
  async untilApp(app: string, what: string, holds: (status: AppStatus) => boolean): Promise<AppStatus> {
    let status = await this.status(app);
    await this.until(`${app} ${what}`, async () => holds((status = await this.status(app))));
    return status;
  }

  /** Asks again until the answer is yes. @throws BerthError `timeout` after a minute, naming what was waited for. */
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (!(await holds())) {
      if (performance.now() > deadline) throw new BerthError('timeout', `waited a minute for ${what}`);
      await this.pause(100);
    }
  }

  /** Time for the apps to do something, or for people to read. */
  async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#signal });
  }

  /** Stops all apps in order, then berthd. `signal` cuts it short. */
  async close(signal: AbortSignal): Promise<void> {
    if (this.#berthd === undefined) return;
    await run(programs.berth, ['shutdown-apps'], { env: berthEnvironment(), signal });
    await this.endBerthd('SIGTERM');
  }

  /** What `berth` prints, without showing it. */
  async output(...args: string[]): Promise<string> {
    return (await this.#quietly(...args)).stdout;
  }

  async #quietly(...args: string[]): ReturnType<typeof run> {
    return run(programs.berth, args, { env: berthEnvironment(), signal: this.#signal });
  }
}

function berthEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, BERTH_HOST: `unix://${place.socket}` };
}

function quote(argument: string): string {
  return /^[A-Za-z0-9_./:=-]+$/.test(argument) ? argument : `'${argument}'`;
}
