import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Signal } from '../lib/emitter.ts';
import { asBerthError } from '../lib/errors.ts';
import { isAlive } from '../lib/process.ts';
import { judge, parseExitFile, type Sighting } from './exit.ts';
import { ifThere, readIfThere } from './files.ts';
import { bundleFiles } from './places.ts';
import type { Room } from './room.ts';
import type { InstanceExit, InstanceRecord } from './types.ts';

interface Watched {
  readonly record: InstanceRecord;
  /** Monotonic time when the first process was first seen gone. */
  goneSince?: number;
  /** True while what a lost conmon left is being ended. */
  isEnding: boolean;
  readonly stop: () => void;
}

/** The running instances: each is watched until it ends, which is told exactly once. */
export class Instances {
  readonly ended = new Signal<InstanceExit>();
  readonly #room: Room;
  readonly #watched = new Map<string, Watched>();

  constructor(room: Room) {
    this.#room = room;
  }

  get(id: string): InstanceRecord | undefined {
    return this.#watched.get(id)?.record;
  }

  /** True if an instance of the app other than `id` runs. */
  hasOther(app: string | undefined, id: string): boolean {
    return [...this.#watched.values()].some(({ record }) => record.app === app && record.id !== id);
  }

  /** Watches from now on. An end, even one that was already, is told after the caller's turn. */
  watch(record: InstanceRecord): void {
    const { exits, pulse } = this.#room;
    const look = (): void => {
      // First, since how much conmon has written can be asked only while it is there.
      this.#room.logs.check(record.app);
      this.#look(watched);
    };
    const ends = [exits.on(record.id, look), pulse.add(look)];
    const watched: Watched = { record, isEnding: false, stop: () => { for (const end of ends) end(); } };
    this.#watched.set(record.id, watched);
    setImmediate(look);
  }

  /** What can be said of an instance now: an end, or undefined if it goes on. */
  exitOf(record: InstanceRecord, sighting: Sighting): InstanceExit | undefined {
    const { id, app } = record;
    const judgement = judge(sighting);
    if (judgement === 'lost') return { id, app, at: this.#room.clock.now(), oom: this.#hasOom(record), cause: 'lost' };
    if (judgement !== 'ended') return undefined;
    const path = join(this.#room.places.exits, id);
    return { id, app, at: Math.round(statSync(path).mtimeMs), ...parseExitFile(readIfThere(path) ?? ''), oom: this.#hasOom(record), cause: 'ended' };
  }

  /** What can be seen of an instance now. */
  sight(record: InstanceRecord, initGoneMs = 0): Sighting {
    const initAlive = isAlive(record.init);
    const monitorAlive = isAlive(record.monitor);
    return { initAlive, monitorAlive, initGoneMs, exitFile: readIfThere(join(this.#room.places.exits, record.id)) !== undefined };
  }

  /** conmon is gone: its instance has nobody to read its output and report its end, so it is ended. */
  async endOrphan(record: InstanceRecord): Promise<InstanceExit> {
    const { id, app } = record;
    await this.#room.cgroups.end(app, 'app');
    return { id, app, at: this.#room.clock.now(), oom: this.#hasOom(record), cause: 'monitor-lost' };
  }

  /** Stops watching; instances go on. */
  close(): void {
    for (const { stop } of this.#watched.values()) stop();
    this.#watched.clear();
  }

  #look(watched: Watched): void {
    const { record } = watched;
    if (this.#watched.get(record.id) !== watched || watched.isEnding) return;
    const now = this.#room.clock.monotonic();
    const sighting = this.sight(record, now - (watched.goneSince ?? now));
    if (!sighting.initAlive) watched.goneSince ??= now;
    const exit = this.exitOf(record, sighting);
    if (exit !== undefined) {
      this.#finish(watched, exit);
      return;
    }
    const judgement = judge(sighting);
    if (judgement === 'end-monitor') ifThere(() => process.kill(record.monitor.pid, 'SIGKILL'));
    if (judgement === 'end-instance') void this.#finishOrphan(watched);
  }

  async #finishOrphan(watched: Watched): Promise<void> {
    watched.isEnding = true;
    try {
      this.#finish(watched, await this.endOrphan(watched.record));
    } catch (error) {
      // The next look tries again.
      this.#room.journal('error', `${watched.record.app} lost its monitor (conmon) and could not be ended: ${asBerthError(error).message}`);
    } finally {
      watched.isEnding = false;
    }
  }

  #finish(watched: Watched, exit: InstanceExit): void {
    // A closed runtime tells nothing any more.
    if (!this.#watched.delete(exit.id)) return;
    watched.stop();
    this.#room.logs.release(exit.app);
    this.ended.emit(exit);
  }

  #hasOom({ id, app }: InstanceRecord): boolean {
    // conmon may end before it sees the kernel's event, so the kernel's own count is looked at too.
    return readIfThere(bundleFiles(this.#room.places, id).oom) !== undefined || this.#room.cgroups.hasOomKills(app);
  }
}
