import type { Clock } from '../lib/clock.ts';
import type { Journal } from '../lib/journal.ts';
import type { BusNames } from './bus-names/index.ts';
import type { Cgroups } from './cgroups.ts';
import type { DirectoryWatch } from './directory-watch.ts';
import type { Logs } from './logs.ts';
import type { Networks } from './network/index.ts';
import type { OciRuntime } from './oci-runtime.ts';
import type { Places } from './places.ts';
import type { Pulse } from './pulse.ts';

/** What the parts of the runtime work with. */
export interface Room {
  readonly places: Places;
  readonly oci: OciRuntime;
  /** Path of conmon. */
  readonly conmon: string;
  readonly cgroups: Cgroups;
  readonly logs: Logs;
  readonly networks: Networks;
  readonly busNames: BusNames;
  readonly pulse: Pulse;
  readonly exits: DirectoryWatch;
  readonly syncs: DirectoryWatch;
  readonly execs: DirectoryWatch;
  readonly clock: Clock;
  readonly journal: Journal;
  /** Directories of the host of which no app sees anything. */
  readonly forbidden: readonly string[];
  /** `/proc/sys/kernel/random/boot_id`. */
  readonly bootId: string;
}
