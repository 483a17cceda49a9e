import { type LaunchSettings, parseSettings } from '../image/index.ts';
import { asBerthError, type BerthError } from '../lib/errors.ts';
import type { InstanceSpec } from '../runtime/index.ts';
import type { AppRow } from '../store/index.ts';
import type { DeviceGrant, DeviceLoan, NetworkGrant, Decision } from '../policy/index.ts';

/** All that the supervisor must know to run an app. */
export interface LaunchPlan {
  readonly settings: LaunchSettings;
  /** What the app's config asks for and gets less of, which the policy tolerates. */
  readonly degraded: readonly Decision[];
  /** How it is on a network; absent: not at all. */
  readonly network?: NetworkGrant;
  /** User of the host that is its root. */
  readonly hostUser?: number;
  /** Most bytes of its data; absent: no bound. */
  readonly dataBytes?: number;
  /** Names in `Depends`, of apps or of anything else: those that are not apps on this device do not matter here. */
  readonly dependsOn: readonly string[];
  /** Devices that it needs a lease of to run. */
  readonly devices: readonly DeviceGrant[];
  /** What to run, as an instance with this id; `loan`: the devices it was lent. May make what the instance needs on the host. */
  readonly spec: (instanceId: string, loan?: DeviceLoan) => Promise<InstanceSpec>;
}

/**
 * Makes the plan from an app's row: reads the image, asks the policy. Called at boot, when an app is admitted, and anew
 * for each start, so that a start sees the policy of the moment.
 * @throws BerthError when the app cannot be run as it is; it is not tried again until a person starts it.
 */
export type Prepare = (app: AppRow) => LaunchPlan;

/** The part of a plan that is kept between starts. */
export interface Profile extends Pick<LaunchPlan, 'settings' | 'degraded' | 'network' | 'hostUser' | 'dataBytes' | 'dependsOn'> {
  /** Why there is no plan; the rest is then made of defaults. */
  readonly fault?: BerthError;
}

/** The profile of an app; never throws, so that one broken image disturbs nobody. */
export function profile(prepare: Prepare, row: AppRow): Profile {
  try {
    return profileOf(prepare(row));
  } catch (error) {
    return { settings: parseSettings({}), degraded: [], dependsOn: [], fault: asBerthError(error) };
  }
}

/** Lets go of the rest of the plan, which may be large. */
export function profileOf({ settings, degraded, network, hostUser, dataBytes, dependsOn }: LaunchPlan): Profile {
  return { settings, degraded, dependsOn, ...(network === undefined ? {} : { network }), ...(hostUser === undefined ? {} : { hostUser }), ...(dataBytes === undefined ? {} : { dataBytes }) };
}
