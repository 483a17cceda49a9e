import * as v from 'valibot';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../lib/digest.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { UpdateRow } from '../store/index.ts';
import { updatePhases, type UpdatedApp, type UpdateOutcome, type UpdatePhase, type UpdateProgress, type UpdateSource, type UpdateStatus } from './types.ts';

/** What is kept of an update for people: JSON in its row. */
export interface Details {
  readonly phases: readonly { readonly phase: UpdatePhase; readonly at: number }[];
  readonly bytes: number;
  readonly apps: readonly Omit<UpdatedApp, 'trial'>[];
}

const image = v.object({ version: v.string(), digest: v.custom<Digest>((value) => typeof value === 'string') });
const schema = v.object({
  phases: v.array(v.object({ phase: v.picklist(updatePhases), at: v.number() })),
  bytes: v.number(),
  apps: v.array(v.object({ app: v.string(), from: v.exactOptional(image), to: image })),
});

/** What an update does at this moment, told as it happens and kept for later. */
export class UpdateRecord {
  readonly id: number;
  readonly #clock: Clock;
  readonly #tell: (progress: UpdateProgress) => void;
  #details: Details;
  /** What it waits for, for people. */
  waitingFor: string | undefined;

  constructor(id: number, details: Details, clock: Clock, tell: (progress: UpdateProgress) => void) {
    this.id = id;
    this.#details = details;
    this.#clock = clock;
    this.#tell = tell;
  }

  get details(): Details {
    return this.#details;
  }

  get apps(): Details['apps'] {
    return this.#details.apps;
  }

  get phase(): UpdatePhase {
    return this.#details.phases.at(-1)?.phase ?? 'receiving';
  }

  enter(phase: UpdatePhase): void {
    if (this.#details.phases.at(-1)?.phase === phase) return;
    this.waitingFor = undefined;
    this.#details = { ...this.#details, phases: [...this.#details.phases, { phase, at: this.#clock.now() }] };
    this.#tell({ update: this.id, phase, bytes: this.#details.bytes });
  }

  received(bytes: number): void {
    this.#details = { ...this.#details, bytes };
    this.#tell({ update: this.id, phase: this.phase, bytes });
  }

  /** It is known which apps it changes, and from what. */
  concerns(apps: readonly Pick<UpdatedApp, 'app' | 'from' | 'to'>[]): void {
    this.#details = { ...this.#details, apps: apps.map(({ app, from, to }) => ({ app, ...(from === undefined ? {} : { from }), to })) };
  }

  /** As its row has it. */
  text(): string {
    return JSON.stringify(this.#details);
  }
}

export const noDetails: Details = { phases: [], bytes: 0, apps: [] };

/** Reads the details of a row; those that cannot be read count as none. */
export function readDetails(text: string): Details {
  try {
    return v.parse(schema, JSON.parse(text));
  } catch {
    return noDetails;
  }
}

/** An update for people, from its row, with what is known of it only while it is under way. */
export function statusOf(row: UpdateRow, details: Details, live: Pick<UpdateStatus, 'waitingFor' | 'leftMs'> & { readonly trials?: ReadonlyMap<string, UpdatedApp['trial']> } = {}): UpdateStatus {
  const { trials, waitingFor, leftMs } = live;
  return {
    id: row.id,
    source: row.source as UpdateSource,
    ...(row.origin === null ? {} : { origin: row.origin }),
    phase: details.phases.at(-1)?.phase ?? 'receiving',
    ...(row.outcome === null ? {} : { outcome: row.outcome as UpdateOutcome }),
    ...(row.reason === null || row.code === null ? {} : { reason: { code: row.code as ErrorCode, message: row.reason } }),
    startedAt: row.startedAt,
    ...(row.endedAt === null ? {} : { endedAt: row.endedAt }),
    phases: details.phases,
    bytes: details.bytes,
    apps: details.apps.map((app) => {
      const trial = trials?.get(app.app);
      return trial === undefined ? app : { ...app, trial };
    }),
    ...(waitingFor === undefined ? {} : { waitingFor }),
    ...(leftMs === undefined ? {} : { leftMs }),
  };
}
