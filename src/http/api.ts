import type { DeviceStatus } from '../devices/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Lifecycle } from '../lifecycle/index.ts';
import type { Store } from '../store/index.ts';
import type { DoctorReport, Updates } from '../update/index.ts';

/** What the daemon says of itself. */
export interface VersionInfo {
  readonly version: string;
  /** The OCI runtime in use. */
  readonly runtime: string;
  readonly node: string;
  readonly kernel: string;
  readonly architecture: string;
}

/** What the routes act on: the two façades, read-only queries of the store, and what the daemon knows of its host. */
export interface Api {
  readonly lifecycle: Lifecycle;
  readonly updates: Updates;
  readonly store: Pick<Store, 'apps' | 'images'>;
  readonly devices: () => Promise<readonly DeviceStatus[]>;
  readonly doctor: () => Promise<DoctorReport>;
  readonly version: VersionInfo;
  readonly clock: Clock;
}
