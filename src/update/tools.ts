import type { LaunchSettings, PackageLimits, WorkerCommand } from '../image/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Command } from '../lib/confinement.ts';
import type { Journal } from '../lib/journal.ts';
import type { Lifecycle, Ruling } from '../lifecycle/index.ts';
import type { AppRow, ImageRow, WritableStore } from '../store/index.ts';
import type { Provided } from './dependencies.ts';
import type { UpdateRules } from './rules.ts';
import type { TrustKeeper } from './trust-keeper.ts';

/** How to start the children that do what berthd itself should not. */
export interface Workers {
  /** Unpacks payloads. */
  unpack(): Promise<WorkerCommand>;
  /** Copies an app's data between two directories, which are there. Its namespaces last until it is disposed of. */
  copy(app: string, from: string, to: string): Promise<Command & Disposable>;
}

/** What updates work with. */
export interface UpdatesOptions {
  readonly store: WritableStore;
  readonly lifecycle: Lifecycle;
  /** Resolves when the lifecycle knows what runs from before. */
  readonly ready: Promise<void>;
  readonly workers: Workers;
  readonly limits: PackageLimits;
  readonly rules: UpdateRules;
  readonly architectures: readonly string[];
  /** Read at each install, so that a changed `platform.d` counts at once. */
  readonly platform: () => Promise<readonly Provided[]>;
  /** What the operator says about an image that is to be installed. @throws BerthError while nobody knows */
  readonly rule: (image: ImageRow) => Ruling;
  /** What an image that an app has or had says; of one that is damaged, the defaults. */
  readonly settings: (app: Pick<AppRow, 'image'>) => LaunchSettings;
  /** Takes away what an app left outside the store. */
  readonly forget: (app: string) => Promise<void>;
  readonly logDirectory: string;
  readonly bootId: string;
  /** Who may vouch for packages, and what was recalled. */
  readonly trust: TrustKeeper;
  readonly clock: Clock;
  readonly journal: Journal;
}
