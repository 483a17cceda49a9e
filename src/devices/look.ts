import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isErrno } from '../lib/errors.ts';
import type { Declaration, Place } from './declaration.ts';
import { splitNumber, type DeviceNode } from './node.ts';
import { matches } from '../lib/pattern.ts';

/** Where the host's devices are looked for. */
export interface HostPlaces {
  /** Directory of nodes: `/dev`. */
  readonly dev: string;
  /** The kernel's objects: `/sys`. */
  readonly sys: string;
  /** `/proc` */
  readonly proc: string;
  /** Is there while udev has not yet seen to all that came and went, its links included: `/run/udev/queue` (udev(7)). */
  readonly udevQueue: string;
}

export const hostPlaces: HostPlaces = { dev: '/dev', sys: '/sys', proc: '/proc', udevQueue: '/run/udev/queue' };

/** What a declaration leads to now. */
export interface Sight {
  /** Whatever it is that is there; so that a device of the platform's is known even if its declaration has a fault. */
  readonly nodes: readonly DeviceNode[];
  /** Why what is there is not lent. */
  readonly fault?: string;
}

/** Looks for the devices of a declaration. What is not there is no error; what cannot be looked at is a fault. */
export function lookAt({ place, type }: Pick<Declaration, 'place' | 'type'>, places: HostPlaces): Sight {
  try {
    const sight = place.kind === 'class' ? { nodes: devicesOfClass(place, type, places) } : deviceAt(place, places);
    const { nodes } = sight;
    const wrong = nodes.find((node) => node.type !== type);
    if (wrong === undefined) return sight;
    const [is, said] = wrong.type === 'b' ? ['a block', 'block'] : ['a character', 'char'];
    return { nodes, fault: `it is ${is} device; its declaration must say type: ${said}` };
  } catch (error) {
    // It went away meanwhile.
    if (isErrno(error, 'ENOENT')) return { nodes: [] };
    return { nodes: [], fault: `it cannot be looked at: ${(error as Error).message}` };
  }
}

function deviceAt({ kind, path }: Exclude<Place, { readonly kind: 'class' }>, { sys }: HostPlaces): Sight {
  const stat = ifThere(() => statSync(path, { bigint: true }));
  if (stat === undefined) return { nodes: [] };
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) return { nodes: [], fault: `${path} is no device` };
  const type = stat.isBlockDevice() ? 'b' : 'c';
  const { major, minor } = splitNumber(stat.rdev);
  const identity = kernelIdentity(sys, type, major, minor) ?? `node ${stat.dev}:${stat.ino}`;
  const nodes = [{ name: basename(realpathSync(path)), type, major, minor, identity: `${type} ${major}:${minor} ${identity}` } as const];
  if (kind === 'path' && lstatSync(path).isSymbolicLink()) return { nodes, fault: `${path} is a link; its declaration must say link` };
  return { nodes };
}

function devicesOfClass(place: { readonly class: string; readonly match: string }, type: 'c' | 'b', { sys }: HostPlaces): readonly DeviceNode[] {
  const directory = join(sys, 'class', place.class);
  const names = ifThere(() => readdirSync(directory)) ?? [];
  return names.filter((name) => matches(place.match, name)).toSorted().flatMap((name) => {
    // sysfs(5): absent for what is no device of its own, such as a network interface.
    const number = /^(\d+):(\d+)\n$/.exec(ifThere(() => readFileSync(join(directory, name, 'dev'), 'latin1')) ?? '');
    const stat = number === null ? undefined : ifThere(() => statSync(join(directory, name), { bigint: true }));
    if (number === null || stat === undefined) return [];
    const [major, minor] = [Number(number[1]), Number(number[2])];
    // The kernel writes `!` for a slash.
    return [{ name: name.replaceAll('!', '-'), type, major, minor, identity: `${type} ${major}:${minor} sys ${stat.ino}` }];
  });
}

/** sysfs gives every object an inode number of its own, which no later one gets again in this boot. */
function kernelIdentity(sys: string, type: 'c' | 'b', major: number, minor: number): string | undefined {
  const stat = ifThere(() => statSync(join(sys, 'dev', type === 'b' ? 'block' : 'char', `${major}:${minor}`), { bigint: true }));
  return stat === undefined ? undefined : `sys ${stat.ino}`;
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    // ENODEV: it went away while its file was read.
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENODEV')) return undefined;
    throw error;
  }
}
