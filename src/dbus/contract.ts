/** What an interface offers, as data: calls are checked against it, and introspection prints it. */

export interface Argument {
  readonly name: string;
  /** Signature of one complete type. */
  readonly type: string;
}

export interface MethodContract {
  readonly in?: readonly Argument[];
  readonly out?: readonly Argument[];
  readonly doc?: string;
}

/** All are read-only. `const`: never changes while an instance of the app runs. */
export interface PropertyContract {
  readonly type: string;
  readonly emits: 'true' | 'const';
  readonly doc?: string;
}

export interface InterfaceContract {
  readonly name: string;
  readonly doc?: string;
  readonly methods: Readonly<Record<string, MethodContract>>;
  readonly signals?: Readonly<Record<string, readonly Argument[]>>;
  readonly properties?: Readonly<Record<string, PropertyContract>>;
}

/** Where an app finds itself on its bus. */
export const appPath = '/org/berth/App1';
export const appName = 'org.berth.App1';

/** The contract in `dbus/org.berth.App1.xml`. */
export const appContract = {
  name: appName,
  doc: 'An app and its own update, on the bus of this one app.',
  methods: {
    Confirm: { doc: 'The new version runs well. Error org.berth.Error.Conflict outside a trial.' },
    Fail: {
      in: [{ name: 'reason', type: 's' }],
      doc: 'The new version does not run well: the whole payload is rolled back, and the reason recorded (at most 1,000 characters of it). Error org.berth.Error.Conflict outside a trial.',
    },
    Watchdog: { doc: 'The app lives. Error org.berth.Error.Conflict if its image declares no watchdog.' },
    Defer: {
      in: [{ name: 'seconds', type: 'u' }],
      out: [{ name: 'granted', type: 'u' }],
      doc: 'Asks that no update stops the app for so many seconds; 0 takes an earlier wish back. Gives the seconds granted. Error org.freedesktop.DBus.Error.AccessDenied if its image does not declare that it may.',
    },
  },
  properties: {
    Version: { type: 's', emits: 'true', doc: 'Version of the app.' },
    Trial: { type: 'b', emits: 'true', doc: 'The version is tried, and not confirmed yet.' },
    Deadline: { type: 't', emits: 'true', doc: 'Milliseconds until the trial is rolled back; 0 outside one. Its passing by itself is not signalled.' },
    Pending: { type: 's', emits: 'true', doc: 'Version of an update that waits to replace this one; empty if none does.' },
    WatchdogInterval: { type: 't', emits: 'const', doc: 'The app must call Watchdog at least once in so many milliseconds; 0 if it need not.' },
  },
} as const satisfies InterfaceContract;

export const peerContract = {
  name: 'org.freedesktop.DBus.Peer',
  methods: { Ping: {}, GetMachineId: { out: [{ name: 'id', type: 's' }] } },
} as const satisfies InterfaceContract;

export const introspectableContract = {
  name: 'org.freedesktop.DBus.Introspectable',
  methods: { Introspect: { out: [{ name: 'xml', type: 's' }] } },
} as const satisfies InterfaceContract;

export const propertiesContract = {
  name: 'org.freedesktop.DBus.Properties',
  methods: {
    Get: { in: [{ name: 'interface', type: 's' }, { name: 'property', type: 's' }], out: [{ name: 'value', type: 'v' }] },
    GetAll: { in: [{ name: 'interface', type: 's' }], out: [{ name: 'properties', type: 'a{sv}' }] },
    Set: { in: [{ name: 'interface', type: 's' }, { name: 'property', type: 's' }, { name: 'value', type: 'v' }] },
  },
  signals: { PropertiesChanged: [{ name: 'interface', type: 's' }, { name: 'changed', type: 'a{sv}' }, { name: 'invalidated', type: 'as' }] },
} as const satisfies InterfaceContract;

/** What is here of the interface of a message bus (D-Bus specification, "Message Bus Specification"). */
export const busPath = '/org/freedesktop/DBus';
export const busContract = {
  name: 'org.freedesktop.DBus',
  methods: {
    Hello: { out: [{ name: 'name', type: 's' }] },
    AddMatch: { in: [{ name: 'rule', type: 's' }] },
    RemoveMatch: { in: [{ name: 'rule', type: 's' }] },
    ListNames: { out: [{ name: 'names', type: 'as' }] },
    ListActivatableNames: { out: [{ name: 'names', type: 'as' }] },
    NameHasOwner: { in: [{ name: 'name', type: 's' }], out: [{ name: 'owned', type: 'b' }] },
    GetNameOwner: { in: [{ name: 'name', type: 's' }], out: [{ name: 'owner', type: 's' }] },
    ListQueuedOwners: { in: [{ name: 'name', type: 's' }], out: [{ name: 'owners', type: 'as' }] },
    StartServiceByName: { in: [{ name: 'name', type: 's' }, { name: 'flags', type: 'u' }], out: [{ name: 'result', type: 'u' }] },
    RequestName: { in: [{ name: 'name', type: 's' }, { name: 'flags', type: 'u' }], out: [{ name: 'result', type: 'u' }] },
    ReleaseName: { in: [{ name: 'name', type: 's' }], out: [{ name: 'result', type: 'u' }] },
    GetId: { out: [{ name: 'id', type: 's' }] },
    GetConnectionUnixUser: { in: [{ name: 'name', type: 's' }], out: [{ name: 'uid', type: 'u' }] },
    GetConnectionUnixProcessID: { in: [{ name: 'name', type: 's' }], out: [{ name: 'pid', type: 'u' }] },
    GetConnectionCredentials: { in: [{ name: 'name', type: 's' }], out: [{ name: 'credentials', type: 'a{sv}' }] },
  },
  properties: {
    Features: { type: 'as', emits: 'const' },
    Interfaces: { type: 'as', emits: 'const' },
  },
} as const satisfies InterfaceContract;
