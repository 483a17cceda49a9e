import type { DeviceGrant, DeviceRule } from '../policy/index.ts';
import type { Presence } from './presence.ts';

/**
 * Rules of the control group for an app's devices (OCI field `linux.resources.devices`). They are made when the app
 * starts and stay: on cgroup v2 they are a program in the kernel that no container tool changes later. So they leave room
 * for a device that is plugged in again, or for the first time: of its kind any minor number, and any number at all
 * while its kind is not known. They are the second line: which devices the app reaches is decided by the nodes in its
 * /dev, and it can make none itself, being in a user namespace.
 */
export function deviceRules(leases: readonly DeviceGrant[], presences: readonly Presence[]): readonly DeviceRule[] {
  const rules = new Map<string, DeviceRule>();
  for (const { device, access } of leases) {
    const presence = presences.find(({ declaration }) => declaration.name === device);
    if (presence === undefined) continue;
    const { type } = presence.declaration;
    const majors = new Set(presence.nodes.map(({ major }) => major));
    const found = majors.size === 0 ? [{ type, access }] : [...majors].map((major) => ({ type, major, access }));
    for (const rule of found) rules.set(JSON.stringify(rule), rule);
  }
  return [...rules.values()];
}
