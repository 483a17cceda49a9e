import type { DeviceLender } from '../devices/index.ts';
import type { Clock } from '../lib/clock.ts';
import type { Runtime } from '../runtime/index.ts';
import type { Store } from '../store/index.ts';
import type { DataUse } from './data-watch.ts';
import type { News } from './events.ts';
import type { Prepare } from './plan.ts';

/** What every actor works with. */
export interface Tools {
  readonly store: Pick<Store, 'app' | 'image' | 'updateApp'>;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly prepare: Prepare;
  readonly devices: DeviceLender;
  readonly bootId: string;
  /** An update holds the app: nothing starts it. */
  readonly isHeld: (name: string) => boolean;
  readonly newInstanceId: () => string;
  /** What is known of an app's data. */
  readonly dataUse: (name: string) => DataUse | undefined;
  /** Measures an app's data before it starts. */
  readonly primeData: (name: string, limitBytes: number | undefined) => Promise<void>;
  readonly tell: (news: News) => void;
}
