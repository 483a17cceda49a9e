import { constants } from 'node:os';
import type { InstanceExit } from './types.ts';

/** What can be seen of an instance at one moment. */
export interface Sighting {
  /** conmon has written how it ended. Must be looked for after the processes. */
  readonly exitFile: boolean;
  readonly monitorAlive: boolean;
  readonly initAlive: boolean;
  /** How long the first process has been seen gone, in milliseconds; 0 while it is alive. */
  readonly initGoneMs: number;
}

/**
 * What to do about it. `wait`: all is well, or conmon is about to report. `ended`: read the exit file. `end-instance`:
 * conmon is gone, end what it held. `lost`: both are gone and nobody saw how. `end-monitor`: conmon hangs; end it.
 */
export type Judgement = 'wait' | 'ended' | 'end-instance' | 'lost' | 'end-monitor';

/** conmon reports within milliseconds; after this long it never will (it was stopped, or hangs on a disk). */
export const monitorGraceMs = 10_000;

export function judge(sighting: Sighting): Judgement {
  if (sighting.exitFile) return 'ended';
  if (!sighting.monitorAlive) return sighting.initAlive ? 'end-instance' : 'lost';
  return !sighting.initAlive && sighting.initGoneMs >= monitorGraceMs ? 'end-monitor' : 'wait';
}

const signalNames: ReadonlyMap<number, string> = new Map(
  // Of two names for one number, the first is the usual one (SIGABRT, not SIGIOT).
  Object.entries(constants.signals)
    .map(([name, number]) => [number, name] as const)
    .toReversed(),
);

/**
 * How the first process ended, from conmon's exit file: a decimal code, where 128 + n stands for signal n. A program
 * that itself exits with such a code cannot be told apart from one that was killed.
 */
export function parseExitFile(text: string): Pick<InstanceExit, 'exitCode' | 'signal'> {
  const code = /^\d{1,3}$/.test(text.trim()) ? Number(text) : undefined;
  if (code === undefined) return {};
  const signal = signalNames.get(code - 128);
  return signal === undefined ? { exitCode: code } : { signal };
}
