import { asBerthError, BerthError } from '../lib/errors.ts';
import type { InstanceExit, InstanceRecord } from '../runtime/index.ts';
import type { AppRow } from '../store/index.ts';
import { Alarm } from './alarm.ts';
import { Instance, WorkQueue } from './instance.ts';
import { killTimeoutMs, outlivesKill } from './kill.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { type Action, type MachineEvent, machine, machineEvents, obeysPolicy, type Phase, phases } from './machine.ts';
import { type Profile, profile } from './plan.ts';
import { explainEnd, failedStart, intentions, limitReached, lostByReboot } from './reason.ts';
import { type AppRecord, begunAnew, judgeAtBoot, type LentInstance } from './records.ts';
import { decideRestart, leaveIt, noRestarts, type RestartMemory, type Verdict } from './restart.ts';
import { startUp } from './startup.ts';
import { Teller } from './teller.ts';
import type { Tools } from './tools.ts';
import type { LastExit, Reason } from './types.ts';
import { type Awaited, everythingAwaited, type View, Waiters } from './waiters.ts';
import { Watch } from './watch.ts';

/** The machine of one app in motion: takes what happens, does what the table says, and keeps what must be durable. */
export class Actor {
  readonly name: string;
  readonly #tools: Tools;
  readonly #image: AppRow['image'];
  readonly #teller: Teller;
  readonly #ledger: Ledger;
  readonly #work: WorkQueue;
  readonly #waiters = new Waiters();
  /** For `stop-timeout`, `kill-timeout` or `due`, whichever the phase waits for. */
  readonly #alarm: Alarm;
  #profile: Profile;
  #phase: Phase = 'stopped';
  #reason: Reason | undefined;
  #instance: Instance | undefined;
  #watch: Watch | undefined;
  #memory: RestartMemory = noRestarts;
  #backoffMs = 0;
  #nextStartAt: number | undefined;
  /** Set while the instance outlives SIGKILL. */
  #stuck: BerthError | undefined;
  #detached = false;

  /** @param predecessor what this one takes the place of, after an install: its work is finished first */
  constructor(tools: Tools, row: AppRow, predecessor?: Actor) {
    this.name = row.name;
    this.#tools = tools;
    this.#image = row.image;
    this.#alarm = new Alarm(tools.clock);
    this.#work = predecessor === undefined ? new WorkQueue() : predecessor.#work;
    this.#teller = new Teller(tools.tell, row.name);
    const { ledger, faults } = openLedger(tools.store, row);
    this.#ledger = ledger;
    for (const fault of faults) this.#teller.warn(`a column of its row cannot be read and counts as empty: ${fault}`);
    this.#profile = profile(tools.prepare, row);
    const { record } = this;
    this.#reason = record.lastEnd?.exit.reason;
    if (!record.failed || record.desired === 'stopped' || record.instance !== undefined) return;
    this.#phase = 'failed';
    if (this.#reason !== undefined) this.#reason = limitReached(this.#reason, this.#profile.settings);
  }

  get phase(): Phase {
    return this.#phase;
  }

  get record(): AppRecord {
    return this.#ledger.record;
  }

  get profile(): Profile {
    return this.#profile;
  }

  /** What looks after its instance, since that one ran for the first time. */
  get watch(): Watch | undefined {
    return this.#watch;
  }

  get instance(): Instance | undefined {
    return this.#instance;
  }

  /** Why the phase is as it is, where that needs a reason. */
  get reason(): Reason | undefined {
    return this.#reason;
  }

  /** When it will be started again, wall clock; in `backoff` only. */
  get nextStartAt(): number | undefined {
    return this.#nextStartAt;
  }

  /**
   * Gives the machine a command and waits for what comes of it.
   * @param stopTimeoutMs from the stop signal to SIGKILL, if not the app's own
   * @throws BerthError `conflict` if it makes no sense now; `cancelled` if something else came in between
   */
  async command(event: MachineEvent, awaited: Awaited, stopTimeoutMs?: number): Promise<void> {
    if (stopTimeoutMs !== undefined && this.#instance !== undefined) this.#instance.stopTimeoutMs = stopTimeoutMs;
    this.#dispatch(event);
    await this.until(awaited);
  }

  async until(awaited: Awaited): Promise<void> {
    if (this.#stuck !== undefined) throw this.#stuck;
    await this.#waiters.add(awaited, this.name, this.#view());
  }

  /** What is left of ended instances is taken away. */
  async settled(): Promise<void> {
    await this.#work.settled();
  }

  /** All that is known is on disk. @throws what the store throws */
  save(): void {
    this.#ledger.save({});
  }

  /** Its data takes more of the disk than it may; nothing if it is on its way out already. */
  overfull(why: string): void {
    if (this.#phase === 'running') this.#dispatch('overfull', why);
  }

  /** Kills what runs, as the time for the shutdown is over. */
  shutdownNow(): void {
    this.#dispatch('shutdown-deadline');
  }

  /** Lets go of it: what runs goes on; an instance that is being made is finished and recorded. */
  async detach(): Promise<void> {
    this.#detached = true;
    this.#alarm.cancel();
    this.#watch?.end();
    this.#waiters.fail(everythingAwaited, new BerthError('unavailable', `app ${this.name}: berthd is ending`));
    await this.#work.settled();
  }

  /** Takes over the instance that the row names, if any. True if the app is to be started, in its turn. */
  async takeOver(): Promise<boolean> {
    const { record } = this.#ledger;
    const verdict = judgeAtBoot(record, this.#tools.bootId);
    if (verdict === 'adopt') return this.#adopt(record.instance!);
    if (verdict === 'lost') {
      const { id, bootId } = record.instance!;
      const exit = lostByReboot(this.name, id, this.#tools.clock.now());
      this.#keep({ instance: undefined, lastEnd: { exit, image: this.#image, bootId, final: false } });
      this.#reason = exit.reason;
      return record.desired === 'running';
    }
    return verdict === 'start';
  }

  /** The runtime tells that an instance has ended. */
  exited(exit: InstanceExit): void {
    const instance = this.#instance;
    if (instance?.id !== exit.id) return;
    if (instance.record === undefined) instance.early = exit;
    else this.#end(this.#explained(instance, exit));
  }

  async #adopt(record: LentInstance): Promise<boolean> {
    const { runtime } = this.#tools;
    const instance = new Instance(runtime, this.#work, record.id);
    this.#instance = instance;
    const found = await runtime.adopt(record).catch(asBerthError);
    const { desired } = this.#ledger.record;
    if (found instanceof BerthError) {
      // Nobody knows it any more, so the sweep takes away whatever is left of it before it is started anew.
      this.#teller.warn(`its instance cannot be taken over and is replaced: ${found.message}`);
      this.#instance = undefined;
      this.#keep({ instance: undefined });
      return desired === 'running';
    }
    // Ended while nobody looked: as if it had ended now, but what follows has to wait for its turn.
    if (typeof found === 'object') {
      if (desired === 'stopped') instance.asked = { because: 'stopped', message: intentions.stopped };
      const end = this.#explained(instance, found);
      const verdict = desired === 'stopped' ? leaveIt(this.#memory) : this.#judge(end);
      const again = verdict.kind === 'restart' || verdict.kind === 'wait';
      if (again) this.#act['count-restart']();
      this.#recordEnd(end, verdict);
      return again;
    }
    this.#tools.devices.keep(this.name, record.devices ?? []);
    instance.frozen = found === 'paused';
    this.#alive(instance, record, instance.frozen ? 'adopted-suspended' : 'adopted');
    // A stop was under way when the berthd before this one ended.
    if (desired === 'stopped' && this.#instance === instance) this.#dispatch('stop');
    return false;
  }

  async #launch(instance: Instance): Promise<void> {
    if (this.#detached) return;
    // Stopped or held before anything was made.
    if (this.#phase !== 'starting' || this.#tools.isHeld(this.name)) {
      this.#instance = undefined;
      this.#dispatch(this.#phase === 'starting' ? 'held' : 'ended-done');
      return;
    }
    const startup = await startUp(this.#tools, this.name, instance.id);
    this.#profile = startup.profile ?? this.#profile;
    if (startup.kind === 'queued') this.#queue(startup.error);
    else if (startup.kind === 'failed') this.#startFailed(instance, startup.error, startup);
    else {
      this.#keep({ instance: startup.record });
      this.#alive(instance, startup.record, 'started');
    }
  }

  /** Another app has a device that it needs. */
  #queue({ message }: BerthError): void {
    this.#instance = undefined;
    this.#reason = { code: 'device-busy', message, at: this.#tools.clock.now() };
    this.#waiters.fail(['started', 'ready'], new BerthError('busy', `app ${this.name} ${message}`));
    this.#dispatch('queue');
  }

  /** What it waits for in the queue for a device would be its own now. */
  deviceDue(): void {
    if (this.#phase === 'queued' && !this.#detached) this.#dispatch('due');
  }

  #alive(instance: Instance, record: InstanceRecord, event: 'started' | 'adopted' | 'adopted-suspended'): void {
    instance.record = record;
    this.#dispatch(event);
    if (instance.early !== undefined) this.exited(instance.early);
  }

  #startFailed(instance: Instance, error: BerthError, { mayTryAgain }: { mayTryAgain: boolean }): void {
    if (obeysPolicy(this.#phase)) this.#waiters.fail(['started', 'ready'], error);
    const end = failedStart(this.name, instance.id, error, this.#tools.clock.now());
    this.#end(end, mayTryAgain ? undefined : { kind: 'failed', limit: false, memory: this.#memory });
  }

  #explained(instance: Instance, exit: InstanceExit): LastExit {
    void this.#follow(instance.remove(async () => this.#tools.devices.release(this.name, this.#tools.isHeld(this.name))), 'what is left of its instance cannot be taken away');
    return { ...exit, reason: explainEnd(exit, instance.asked, this.#profile.settings.stopSignal, this.#stopTimeoutMs(instance)) };
  }

  #end(end: LastExit, given?: Verdict): void {
    const verdict = obeysPolicy(this.#phase) ? (given ?? this.#judge(end)) : leaveIt(this.#memory);
    this.#recordEnd(end, verdict);
    this.#dispatch(`ended-${verdict.kind}`);
  }

  #judge(end: LastExit): Verdict {
    const now = this.#tools.clock.monotonic();
    const wellMs = now - (this.#watch?.wellSince ?? now);
    return decideRestart({ ...end, code: end.reason.code, wellMs }, this.#profile.settings, this.#memory, now);
  }

  /** One write: the instance is gone, why, and what follows. */
  #recordEnd(end: LastExit, verdict: Verdict): void {
    const atLimit = verdict.kind === 'failed' && verdict.limit;
    this.#watch?.end();
    this.#watch = undefined;
    this.#instance = undefined;
    this.#stuck = undefined;
    this.#memory = verdict.memory;
    this.#backoffMs = verdict.kind === 'wait' ? verdict.afterMs : 0;
    this.#reason = atLimit ? limitReached(end.reason, this.#profile.settings) : end.reason;
    const final = verdict.kind === 'done' && obeysPolicy(this.#phase);
    this.#keep({ instance: undefined, lastEnd: { exit: end, image: this.#image, bootId: this.#tools.bootId, final }, ...(atLimit ? { failed: true } : {}) });
    this.#teller.ended(end);
    this.#waiters.fail(['ready'], new BerthError('unavailable', `app ${this.name}: ${end.reason.message}`));
  }

  /** @throws BerthError `conflict` for a command that makes no sense now; what the store throws, then nothing is done */
  #dispatch(event: MachineEvent, message?: string): void {
    const from = this.#phase;
    const step = machine[from][event];
    if (step === 'refused') throw new BerthError('conflict', `app ${this.name} is ${phases[from].shown}; only one that runs can be suspended or resumed`);
    if (step === 'impossible') {
      this.#teller.warn(`"${machineEvents[event]}" cannot happen while it is ${from}; left out`);
      return;
    }
    this.#makeDurable(step.actions);
    this.#phase = step.to ?? from;
    if (step.because !== undefined) {
      const asked = { because: step.because, message: message ?? intentions[step.because] };
      if (this.#instance !== undefined) this.#instance.asked = asked;
      this.#reason = { code: asked.because, message: asked.message, at: this.#tools.clock.now() };
    }
    for (const action of step.actions) this.#act[action]();
    if (this.#phase !== from) this.#entered(from);
    this.#waiters.review(this.name, this.#view());
  }

  /** What is desired is on disk before anything is done; but a full disk must not keep an app from being stopped. */
  #makeDurable(actions: readonly Action[]): void {
    if (actions.includes('desire-running')) this.#ledger.save({ desired: 'running', restarts: 0, ...begunAnew(this.record) });
    if (actions.includes('desire-stopped')) this.#keep({ desired: 'stopped' });
  }

  readonly #act: Readonly<Record<Action, () => void>> = {
    'desire-running': () => undefined,
    'desire-stopped': () => undefined,
    reset: () => {
      this.#memory = noRestarts;
      this.#reason = undefined;
    },
    'count-restart': () => {
      this.#ledger.note({ restarts: this.#ledger.record.restarts + 1 });
    },
    launch: () => {
      const instance = new Instance(this.#tools.runtime, this.#work, this.#tools.newInstanceId());
      this.#instance = instance;
      void this.#follow(this.#work.add(async () => this.#launch(instance)), 'its start failed unexpectedly');
    },
    ask: () => {
      const signal = this.#profile.settings.stopSignal;
      void this.#follow(this.#instance?.signal(signal), `${signal} cannot be sent`);
    },
    kill: () => {
      this.#stuck = undefined;
      void this.#follow(this.#instance?.signal('SIGKILL'), 'SIGKILL cannot be sent');
    },
    pause: () => {
      void this.#follow(this.#instance?.pause(), 'it cannot be suspended', ['suspended'], 'pause-failed');
    },
    thaw: () => {
      void this.#follow(this.#instance?.thaw(), 'it cannot be resumed', ['resumed', 'started'], 'resume-failed');
    },
    'arm-stop': () => {
      this.#arm(this.#stopTimeoutMs(this.#instance), 'stop-timeout');
    },
    'arm-kill': () => {
      this.#arm(killTimeoutMs, 'kill-timeout');
    },
    'arm-backoff': () => {
      this.#arm(this.#backoffMs, 'due');
      this.#nextStartAt = this.#tools.clock.now() + this.#backoffMs;
    },
    disarm: () => {
      this.#alarm.cancel();
    },
    'give-up-waiting': () => {
      this.#stuck = outlivesKill(`app ${this.name}`);
      this.#waiters.fail(everythingAwaited, this.#stuck);
    },
  };

  /** Work that goes on beside the machine; its failure is told, to those who wait and to the machine. */
  async #follow(work: Promise<void> | undefined, problem: string, awaited: readonly Awaited[] = [], event?: 'pause-failed' | 'resume-failed'): Promise<void> {
    const instance = this.#instance;
    try {
      await work;
      this.#waiters.review(this.name, this.#view());
    } catch (error) {
      const { code, message } = asBerthError(error);
      this.#teller.warn(`${problem}: ${message}`);
      this.#waiters.fail(awaited, new BerthError(code, `app ${this.name}: ${problem}: ${message}`, { cause: error }));
      if (event !== undefined && this.#instance === instance) this.#dispatch(event);
    }
  }

  /** After a change of phase: it is watched while it runs, and people are told. */
  #entered(from: Phase): void {
    const to = this.#phase;
    if (to !== 'backoff') this.#nextStartAt = undefined;
    if (from === 'queued' && to !== 'starting') this.#tools.devices.withdraw(this.name);
    if (to === 'running') {
      this.#reason = undefined;
      if (this.#watch === undefined) this.#beginWatch();
      else this.#watch.resume();
    } else if (to === 'suspended') this.#watch?.hold();
    else this.#watch?.end();
    this.#teller.moved(from, to, this.#reason);
  }

  #beginWatch(): void {
    if (this.#detached) return;
    const { id } = this.#instance!;
    const { clock, runtime } = this.#tools;
    this.#watch = new Watch({
      settings: this.#profile.settings,
      clock,
      exec: async (spec) => runtime.exec(id, spec),
      changed: (health, output) => {
        this.#teller.health(health, output);
        if (health !== 'unhealthy') this.#waiters.review(this.name, this.#view());
      },
      ailing: (because, message) => {
        this.#dispatch(because, message);
      },
    });
  }

  #stopTimeoutMs(instance: Instance | undefined): number {
    return instance?.stopTimeoutMs ?? this.#profile.settings.stopTimeoutMs;
  }

  #view(): View {
    return { phase: this.#phase, frozen: this.#instance?.frozen ?? false, health: this.#watch?.health ?? 'none' };
  }

  /** Writes what is a fact already, whether the disk takes it or not. */
  #keep(change: Partial<AppRecord>): void {
    const fault = this.#ledger.keep(change);
    if (fault !== undefined) this.#teller.warn(`its state cannot be written to the database, and is lost if berthd ends now: ${fault.message}`);
  }

  #arm(ms: number, event: MachineEvent): void {
    if (this.#detached) return;
    this.#alarm.set(ms, () => {
      this.#dispatch(event);
    });
  }
}
