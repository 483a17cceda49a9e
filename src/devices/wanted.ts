import type { DeviceGrant } from '../policy/index.ts';
import type { DeviceNode } from './node.ts';
import type { Presence } from './presence.ts';

/** A node in an app's /dev. */
export interface LentNode {
  /** Below /dev. */
  readonly path: string;
  readonly node: DeviceNode;
  readonly access: DeviceGrant['access'];
}

/** What an app's /dev must hold now besides the standard nodes: all of its leases that are there. */
export function wantedNodes(leases: readonly DeviceGrant[], presences: readonly Presence[]): readonly LentNode[] {
  return leases.flatMap((lease) => {
    const presence = presences.find(({ declaration }) => declaration.name === lease.device);
    if (presence === undefined || presence.declaration.platform) return [];
    const path = lease.path.slice('/dev/'.length);
    const isWholeClass = presence.declaration.place.kind === 'class' && lease.node === undefined;
    return presence.nodes
      .filter((node) => lease.node === undefined || node.name === lease.node)
      .map((node) => ({ path: isWholeClass ? `${path}/${node.name}` : path, node, access: lease.access }));
  });
}

/** What is to be done to a /dev, in this order: nothing stale is left before anything is given. */
export interface Changes {
  /** Paths below /dev. */
  readonly remove: readonly string[];
  readonly make: readonly LentNode[];
}

export function changes(has: ReadonlyMap<string, LentNode>, wanted: readonly LentNode[]): Changes {
  const byPath = new Map(wanted.map((lent) => [lent.path, lent]));
  return {
    remove: [...has].filter(([path, lent]) => !isSame(byPath.get(path), lent)).map(([path]) => path),
    make: [...byPath.values()].filter((lent) => !isSame(has.get(lent.path), lent)),
  };
}

function isSame(a: LentNode | undefined, b: LentNode): boolean {
  return a?.node.identity === b.node.identity && a.access === b.access;
}
