import * as v from 'valibot';

/** The trial goes on over this many reboots; at one more it is rolled back. */
export const maxBoots = 2;

/** The deadline of a trial as kept in the database: no clock is needed that survives a reboot. */
export interface Deadline {
  readonly bootId: string;
  /** When it is over, in monotonic milliseconds of that boot. */
  readonly at: number;
  /** What was left when this was written; counts after a reboot. */
  readonly leftMs: number;
  /** Reboots since the switch. */
  readonly boots: number;
}

const schema = v.object({ bootId: v.string(), at: v.number(), leftMs: v.number(), boots: v.number() });

/** Undefined for what cannot be read. */
export function readDeadline(text: string | null): Deadline | undefined {
  try {
    return v.parse(schema, JSON.parse(text ?? ''));
  } catch {
    return undefined;
  }
}

export function newDeadline(bootId: string, now: number, leftMs: number): Deadline {
  return { bootId, at: now + leftMs, leftMs, boots: 0 };
}

/** The same, as of now. */
export function noted(deadline: Deadline, now: number): Deadline {
  return { ...deadline, leftMs: Math.max(deadline.at - now, 0) };
}

/** The deadline as a daemon that starts finds it; `now` is monotonic in the boot of `bootId`. */
export function resumed(deadline: Deadline, bootId: string, now: number): Deadline | 'too-many-boots' {
  if (deadline.bootId === bootId) return noted(deadline, now);
  if (deadline.boots >= maxBoots) return 'too-many-boots';
  return { bootId, at: now + deadline.leftMs, leftMs: deadline.leftMs, boots: deadline.boots + 1 };
}

/** How often the time left is put on disk: a power cut gives the trial that much more time, each write wears flash. */
export function noteEveryMs(deadlineMs: number): number {
  return Math.max(deadlineMs / 10, 10_000);
}
