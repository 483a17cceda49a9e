import type { DeviceGrant, DeviceLoan } from '../policy/index.ts';
import type { Declaration } from './declaration.ts';
import type { LeaseAnswer } from './leases.ts';

export const deviceEventTypes = ['device.arrived', 'device.left', 'device.lent', 'device.returned'] as const;

/** Something that happened to a device, for the events of `berthd`. */
export interface DeviceNews {
  readonly type: (typeof deviceEventTypes)[number] | 'app.warning';
  readonly app?: string;
  readonly message: string;
  readonly detail?: unknown;
}

/** A declared device as people see it. */
export interface DeviceStatus {
  readonly name: string;
  readonly description: string;
  /** Path, link, or `<class>/<pattern>`. */
  readonly place: string;
  readonly sharing: Declaration['sharing'];
  readonly busy: Declaration['busy'];
  readonly platform: boolean;
  /** What is there, empty if nothing is: `ttyUSB0`, `c 188:0`. */
  readonly nodes: readonly { readonly name: string; readonly number: string }[];
  /** Why nobody gets it although it may be there. */
  readonly fault?: string;
  readonly holders: readonly Holder[];
  /** Apps that wait for it, the first one first. */
  readonly waiting: readonly string[];
}

export interface Holder {
  readonly app: string;
  /** In its container. */
  readonly path: string;
  readonly access: DeviceGrant['access'];
}

/** A device that an app holds. */
export interface LeaseStatus extends Holder {
  readonly device: string;
  /** The node is in its /dev. */
  readonly present: boolean;
}

/** What the supervisor asks of whoever lends devices. */
export interface DeviceLender {
  /** Asks for all that an app may have; what it held or waited for before is replaced. */
  request(app: string, devices: readonly DeviceGrant[]): LeaseAnswer;
  /**
   * Makes the /dev of an app that holds leases, for its start; undefined if it holds none.
   * @throws BerthError if it cannot be made
   */
  lend(app: string): Promise<DeviceLoan | undefined>;
  /** An app runs that an earlier daemon started with these. */
  keep(app: string, devices: readonly DeviceGrant[]): void;
  /** What the app has now. */
  leases(app: string): readonly LeaseStatus[];
  /**
   * The app has ended: its /dev is taken away, then those who wait are told. Never throws; a fault is told.
   * @param reserved it is about to be started again and keeps its leases until then, or until it is released again
   */
  release(app: string, reserved?: boolean): Promise<void>;
  /** The app no longer waits. */
  withdraw(app: string): void;
  /** All that run were taken over: takes away what is left of others. Never throws; a fault is told. */
  sweep(): Promise<void>;
  /** Called with each app that waits when it would get what it waits for. */
  onDue(listener: (app: string) => void): () => void;
}
