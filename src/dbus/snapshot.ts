import { appContract } from './contract.ts';
import type { AppInterface } from './app-object.ts';
import { Variant, type Value } from './value.ts';

/** The properties of an app at a moment. */
export interface Snapshot {
  /** Monotonic, milliseconds. */
  readonly at: number;
  readonly values: ReadonlyMap<string, Value>;
}

/** A deadline that moved by less has only come nearer with time. */
const deadlineSlackMs = 1000;

/** What properties are told about are those that may change. */
export function takeSnapshot(properties: AppInterface['properties'], at: number): Snapshot {
  const told = Object.entries(appContract.properties).filter(([, { emits }]) => emits === 'true');
  return { at, values: new Map(told.map(([name]) => [name, properties[name as keyof typeof properties]()])) };
}

/** Names and values of the properties that are others now, for PropertiesChanged. */
export function changedProperties(before: Snapshot, now: Snapshot): readonly (readonly [string, Variant])[] {
  const elapsed = now.at - before.at;
  const changed = [...now.values].filter(([name, value]) => {
    const old = before.values.get(name)!;
    return name === 'Deadline' ? isMoved(Number(old), Number(value), elapsed) : value !== old;
  });
  return changed.map(([name, value]) => [name, new Variant(appContract.properties[name as keyof typeof appContract.properties].type, value)]);
}

/** 0 is no deadline at all. */
function isMoved(oldMs: number, nowMs: number, elapsedMs: number): boolean {
  return (oldMs === 0) !== (nowMs === 0) || (nowMs !== 0 && Math.abs(oldMs - elapsedMs - nowMs) > deadlineSlackMs);
}
