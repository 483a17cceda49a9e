import type { DeviceStatus } from '../devices/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Lifecycle } from '../lifecycle/index.ts';
import type { PolicyReport } from '../policy/index.ts';
import type { Store } from '../store/index.ts';
import type { Authorities, DoctorReport, Updates } from '../update/index.ts';

/** What the daemon says of itself. */
export interface VersionInfo {
  readonly version: string;
  /** The OCI runtime in use. */
  readonly runtime: string;
  readonly node: string;
  readonly kernel: string;
  readonly architecture: string;
}

/** A package that is not here, as far as its rights are concerned. */
export interface PolicyRequest {
  readonly app: string;
  /** Text of its `config.json`. */
  readonly config: string;
  /** Whether an authority vouches for it. */
  readonly signed: boolean;
}

/** What the routes act on: the two façades, read-only queries of the store, and what the daemon knows of its host. */
export interface Api {
  readonly lifecycle: Lifecycle;
  readonly updates: Updates;
  readonly store: Pick<Store, 'apps' | 'images'>;
  readonly devices: () => Promise<readonly DeviceStatus[]>;
  readonly policy: {
    /** What becomes of what an installed app asks for. */
    readonly ofApp: (name: string) => PolicyReport;
    /** What would become of it if a package came with this `config.json`. */
    readonly ofRequest: (request: PolicyRequest) => PolicyReport;
  };
  readonly authorities: Authorities;
  readonly doctor: () => Promise<DoctorReport>;
  readonly version: VersionInfo;
  readonly clock: Clock;
}
