import { appName, busContract, busPath } from './contract.ts';
import { CallError } from './errors.ts';
import type { Served, ServedObject } from './serve.ts';

/** Names on an app's bus, on which every client sees itself and Berth, and nobody else. */
export const busName = 'org.freedesktop.DBus';
export const berthConnection = ':1.0';
export const clientConnection = ':1.1';

const owners: ReadonlyMap<string, string> = new Map([
  [busName, busName],
  [appName, berthConnection],
  [berthConnection, berthConnection],
  [clientConnection, clientConnection],
]);

/** Result of StartServiceByName: DBUS_START_REPLY_ALREADY_RUNNING. */
const alreadyRunning = 2;

/**
 * Who answers what is sent to this name; none is needed on a bus of two.
 * @throws CallError `ServiceUnknown` if Berth does not
 */
export function answererOf(destination: string = berthConnection): string {
  const owner = owners.get(destination);
  if (owner === undefined || owner === clientConnection) throw new CallError('ServiceUnknown', `there is no ${destination} on the bus of an app`);
  return owner;
}

/** What clients ask of a message bus before and between their own calls, as far as it has an answer here. */
export function busObject(id: string): ServedObject {
  const refuseNames = (): never => {
    throw new CallError('AccessDenied', 'no names are given on the bus of an app');
  };
  const bus: Served<typeof busContract> = {
    contract: busContract,
    methods: {
      Hello: () => [clientConnection],
      // Every client gets the few signals that there are.
      AddMatch: () => [],
      RemoveMatch: () => [],
      ListNames: () => [[...owners.keys()]],
      ListActivatableNames: () => [[]],
      NameHasOwner: (name: string) => [owners.has(name)],
      GetNameOwner: (name: string) => [ownerOf(name)],
      ListQueuedOwners: (name: string) => [[ownerOf(name)]],
      StartServiceByName: (name: string) => {
        answererOf(name);
        return [alreadyRunning];
      },
      RequestName: refuseNames,
      ReleaseName: refuseNames,
      GetId: () => [id],
      GetConnectionUnixUser: (name: string) => {
        ownerOf(name);
        throw new CallError('Failed', 'users are not told on the bus of an app');
      },
      GetConnectionUnixProcessID: (name: string) => {
        ownerOf(name);
        throw new CallError('UnixProcessIdUnknown', 'process numbers are not told on the bus of an app');
      },
      GetConnectionCredentials: (name: string) => {
        ownerOf(name);
        return [[]];
      },
    },
    properties: { Features: () => [], Interfaces: () => [] },
  };
  return { path: busPath, interfaces: [bus] };
}

function ownerOf(name: string): string {
  const owner = owners.get(name);
  if (owner === undefined) throw new CallError('NameHasNoOwner', `there is no ${name} on the bus of an app`);
  return owner;
}
