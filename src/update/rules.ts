import type { TimeWindow } from './window.ts';

/** What the operator decides about updates; the defaults are for a device that nobody has configured. */
export interface UpdateRules {
  /** What a new version must do in its trial, where its image does not say: stay up this long… */
  readonly trialUptimeMs: number;
  /** …and prove itself within this time of the switch. */
  readonly trialDeadlineMs: number;
  /** No image has more time than this, since other updates wait for a trial. */
  readonly trialDeadlineMaxMs: number;
  /** The most that any app may put an update off, in all. */
  readonly deferMaxMs: number;
  /** The most data of an app that is copied before an update. */
  readonly snapshotBytes: number;
  /** Images that are kept for each app besides the current one. */
  readonly retain: number;
  /** When updates may switch; empty: always. */
  readonly windows: readonly TimeWindow[];
}

export const defaultRules: UpdateRules = {
  trialUptimeMs: 10_000,
  trialDeadlineMs: 5 * 60_000,
  trialDeadlineMaxMs: 24 * 3_600_000,
  deferMaxMs: 24 * 3_600_000,
  snapshotBytes: 1024 ** 3,
  retain: 1,
  windows: [],
};
