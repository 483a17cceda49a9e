import type { Journal } from '../lib/journal.ts';
import type { UpdateRow, WritableStore } from '../store/index.ts';
import { maxBoots, readDeadline, resumed, type Deadline } from './deadline.ts';

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
export function judgeLeftover(row: Pick<UpdateRow, 'state' | 'reason' | 'trial'>, bootId: string, now: number): Leftover {
  if (!hasSwitched(row)) return { kind: 'undo' };
  if (row.state === 'rolling-back') return { kind: 'roll-back', reason: row.reason ?? '' };
  const before = readDeadline(row.trial);
  if (before === undefined) return { kind: 'roll-back', reason: 'what the database says of its trial cannot be read' };
  const deadline = resumed(before, bootId, now);
  if (deadline === 'too-many-boots') return { kind: 'roll-back', reason: `not proved within ${maxBoots} reboots of the device` };
  return deadline.leftMs > 0 ? { kind: 'resume', deadline } : { kind: 'roll-back', reason: 'not proved in time' };
}

/** What goes on once the supervisor knows the apps. */
export type Continued =
  | { readonly id: number; readonly leftover: Exclude<Leftover, { readonly kind: 'undo' }> }
  /** Apps that were being stopped for an update that was undone: whatever became of them, it was not of themselves. */
  | { readonly stopped: readonly string[] };

/**
 * Brings the database in order before apps start: an update that had not switched is undone, the reboot counts for one
 * that is tried. Says what it did, and gives what goes on: updates forward, or back; apps of undone ones again.
 */
export function recoverUpdates(
  store: Pick<WritableStore, 'book'>,
  { bootId, now, monotonic, journal }: { readonly bootId: string; readonly now: number; readonly monotonic: number; readonly journal: Journal },
): readonly Continued[] {
  const { book } = store;
  return book.underWay().flatMap((row): readonly Continued[] => {
    const { id, details } = row;
    const leftover = judgeLeftover(row, bootId, monotonic);
    if (leftover.kind === 'undo') {
      const stopped = row.state === 'switching' ? book.members(id).filter(({ oldImage }) => oldImage !== null).map(({ app }) => app) : [];
      const reason = 'berthd ended or power was cut before the switch; nothing was changed';
      book.end(id, { outcome: 'undone', code: 'cancelled', reason, endedAt: now, details });
      journal('notice', `update ${id} was undone: ${reason}`);
      return stopped.length === 0 ? [] : [{ stopped }];
    }
    if (leftover.kind === 'resume') {
      // Before any app starts: a version that brings the device down does not do so for ever.
      book.note(id, { trial: JSON.stringify(leftover.deadline) });
      journal('notice', `update ${id} is still tried, after ${leftover.deadline.boots} of at most ${maxBoots} reboots`);
    } else {
      journal('notice', `update ${id} is rolled back: ${leftover.reason}`);
    }
    return [{ id, leftover }];
  });
}
