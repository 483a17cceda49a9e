import * as v from 'valibot';
import type { Digest } from '../lib/digest.ts';
import type { DeviceGrant } from '../policy/index.ts';
import type { InstanceRecord } from '../runtime/index.ts';
import type { AppState, DesiredState } from '../store/index.ts';
import { type LastExit, reasonCodes } from './types.ts';

/** How the last instance ended, with what a later `berthd` must know of it. */
export interface EndRecord {
  readonly exit: LastExit;
  /** The image that it ran. */
  readonly image?: Digest;
  /** The boot in which it ended. */
  readonly bootId: string;
  /** The restart policy left it ended: not started again before the next boot of the device or a person's start. */
  readonly final: boolean;
}

/** An instance with the devices that it was started with: they are lent for as long as it runs. */
export interface LentInstance extends InstanceRecord {
  readonly devices?: readonly DeviceGrant[];
}

/** The supervisor's part of an app's row, read. */
export interface AppRecord {
  readonly desired: DesiredState;
  readonly restarts: number;
  readonly failed: boolean;
  readonly instance: LentInstance | undefined;
  readonly lastEnd: EndRecord | undefined;
}

const processIdentity = v.object({ pid: v.number(), startTime: v.number() });

const instanceRecord = v.object({
  id: v.string(),
  app: v.string(),
  bootId: v.string(),
  init: processIdentity,
  monitor: processIdentity,
  startedAt: v.number(),
  devices: v.exactOptional(v.array(v.object({
    device: v.string(),
    node: v.exactOptional(v.string()),
    path: v.pipe(v.string(), v.startsWith('/dev/')),
    access: v.picklist(['r', 'w', 'rw']),
  }))),
});

const reason = v.object({
  code: v.picklist(reasonCodes),
  message: v.string(),
  at: v.number(),
});

const endRecord = v.object({
  exit: v.object({
    id: v.string(),
    app: v.string(),
    at: v.number(),
    exitCode: v.exactOptional(v.number()),
    signal: v.exactOptional(v.string()),
    oom: v.boolean(),
    cause: v.picklist(['ended', 'monitor-lost', 'lost']),
    reason,
  }),
  image: v.exactOptional(v.custom<Digest>((value) => typeof value === 'string' && value.startsWith('sha256:'), 'not a digest')),
  bootId: v.string(),
  final: v.boolean(),
});

/** Reads a row. Columns that cannot be read count as empty: `fault` names them, and the app goes on without. */
export function readState(state: AppState): { readonly record: AppRecord; readonly faults: readonly string[] } {
  const faults: string[] = [];
  const read = <T>(column: string, text: string | null, schema: v.GenericSchema<unknown, T>): T | undefined => {
    if (text === null) return undefined;
    try {
      return v.parse(schema, JSON.parse(text));
    } catch (error) {
      faults.push(`${column}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const { desired, restarts, failed } = state;
  const instance = read<LentInstance>('instance', state.instance, instanceRecord);
  const lastEnd = read<EndRecord>('last_exit', state.lastExit, endRecord);
  return { record: { desired, restarts, failed, instance, lastEnd }, faults };
}

/** A change of the record as the row's columns take it. */
export function writeState(change: Partial<AppRecord>): Partial<AppState> {
  const { instance, lastEnd, ...plain } = change;
  return {
    ...plain,
    ...('instance' in change ? { instance: json(instance) } : {}),
    ...('lastEnd' in change ? { lastExit: json(lastEnd) } : {}),
  };
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

/** What a person's start makes of it: no earlier end keeps the app down any more. */
export function begunAnew({ lastEnd }: AppRecord): Partial<AppRecord> {
  return { failed: false, ...(lastEnd?.final === true ? { lastEnd: { ...lastEnd, final: false } } : {}) };
}

/** What is to change because the app has another image now: the end of an instance of the other one keeps nothing down. */
export function outdated(record: AppRecord, image: Digest): Partial<AppRecord> {
  const before = record.lastEnd?.image;
  return before === undefined || before === image ? {} : begunAnew(record);
}

/**
 * What to do about an app when `berthd` starts: `adopt` its instance; `lost`: it ran when the machine went down, run it
 * again; `start` it; `rest`: leave it stopped or failed.
 */
export function judgeAtBoot(record: AppRecord, bootId: string): 'adopt' | 'lost' | 'start' | 'rest' {
  if (record.instance?.bootId === bootId) return 'adopt';
  if (record.instance !== undefined) return 'lost';
  if (record.desired === 'stopped' || record.failed) return 'rest';
  return record.lastEnd?.final === true && record.lastEnd.bootId === bootId ? 'rest' : 'start';
}
