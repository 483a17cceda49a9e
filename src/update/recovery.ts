import { asBerthError } from '../lib/errors.ts';
import type { Journal } from '../lib/journal.ts';
import type { MemberRow, UpdateEnd, UpdateRow, WritableStore } from '../store/index.ts';
import { maxBoots, readDeadline, resumed, type Deadline } from './deadline.ts';
import { isTrial } from './trial.ts';

/** What is to be done about an update that an earlier daemon left. */
export type Leftover =
  /** It had not switched: nothing of it stays. */
  | { readonly kind: 'undo' }
  /** Its trial goes on. */
  | { readonly kind: 'resume'; readonly deadline: Deadline }
  /** It is taken back. */
  | { readonly kind: 'roll-back'; readonly reason: string };

/** False while nothing that is named in `apps` has changed. */
export function hasSwitched({ state }: Pick<UpdateRow, 'state'>): boolean {
  return state !== 'open' && state !== 'switching';
}

/** Judges an update that is not over. @param now monotonic milliseconds in the boot of `bootId` */
export function judgeLeftover(row: Pick<UpdateRow, 'state' | 'reason' | 'trial'>, members: readonly Pick<MemberRow, 'trial'>[], bootId: string, now: number): Leftover {
  if (!hasSwitched(row)) return { kind: 'undo' };
  if (row.state === 'rolling-back') return { kind: 'roll-back', reason: row.reason ?? '' };
  const before = readDeadline(row.trial);
  if (before === undefined || !members.every(({ trial }) => trial === null || isTrial(trial))) return { kind: 'roll-back', reason: 'what the database says of its trial cannot be read' };
  const deadline = resumed(before, bootId, now);
  if (deadline === 'too-many-boots') return { kind: 'roll-back', reason: `not proved within ${maxBoots} reboots of the device` };
  return deadline.leftMs > 0 ? { kind: 'resume', deadline } : { kind: 'roll-back', reason: 'not proved in time' };
}

/** What goes on once the supervisor knows the apps. */
export type Continued =
  | { readonly id: number; readonly leftover: Exclude<Leftover, { readonly kind: 'undo' }> }
  /**
   * Apps that were being stopped for an update that is undone: whatever became of them, it was not of themselves. The
   * update is over once they have been taken care of, so that a daemon which is killed meanwhile is not the last to know.
   */
  | { readonly id: number; readonly stopped: readonly string[] };

/** The end of an update that had not switched. */
export function undone(details: string, now: number): UpdateEnd & { readonly reason: string } {
  return { outcome: 'undone', code: 'cancelled', reason: 'berthd ended or power was cut before the switch; nothing was changed', endedAt: now, details };
}

/**
 * Brings the database in order before apps start: an update that had not switched is undone, the reboot counts for one
 * that is tried. Says what it did, and gives what goes on: updates forward, or back; apps of undone ones again. A disk
 * that takes nothing is told, and keeps no app from running.
 */
export function recoverUpdates(
  store: Pick<WritableStore, 'book'>,
  { bootId, now, monotonic, journal }: { readonly bootId: string; readonly now: number; readonly monotonic: number; readonly journal: Journal },
): readonly Continued[] {
  const { book } = store;
  const keep = (id: number, write: () => void): void => {
    try {
      write();
    } catch (error) {
      journal('error', `what became of update ${id} cannot be written: ${asBerthError(error).message}`);
    }
  };
  return book.underWay().flatMap((row): readonly Continued[] => {
    const { id, details } = row;
    const members = book.members(id);
    const leftover = judgeLeftover(row, members, bootId, monotonic);
    if (leftover.kind === 'undo') {
      const end = undone(details, now);
      journal('notice', `update ${id} was undone: ${end.reason}`);
      const stopped = row.state === 'switching' ? members.filter(({ oldImage }) => oldImage !== null).map(({ app }) => app) : [];
      if (stopped.length > 0) return [{ id, stopped }];
      keep(id, () => {
        book.end(id, end);
      });
      return [];
    }
    if (leftover.kind === 'resume') {
      // Before any app starts: a version that brings the device down does not do so for ever.
      keep(id, () => {
        book.note(id, { trial: JSON.stringify(leftover.deadline) });
      });
      journal('notice', `update ${id} is still tried, after ${leftover.deadline.boots} of at most ${maxBoots} reboots`);
    } else {
      journal('notice', `update ${id} is rolled back: ${leftover.reason}`);
    }
    return [{ id, leftover }];
  });
}
