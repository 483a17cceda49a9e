import type { Declaration } from './declaration.ts';
import type { Sight } from './look.ts';
import { numberOf, type DeviceNode } from './node.ts';

/** What there is to lend under a declaration. */
export interface Presence {
  readonly declaration: Declaration;
  /** Devices that are there and nobody else's. Of one that is the platform's, they are there but never lent. */
  readonly nodes: readonly DeviceNode[];
  /** Why something that is there is not lent. */
  readonly fault?: string;
}

/** Major numbers of the kernel's own memory and of consoles, `/dev/mem` and `/dev/console` among them (devices.txt of Linux). */
const kernelsOwn: ReadonlySet<string> = new Set(['c 1', 'c 5']);

/**
 * Whose each device is. A device belongs to one declaration only, however many names lead to it: to the platform's own
 * first, then to one that names it, then to one of a class.
 * @param isInUse the machine itself uses it; it is nobody's then
 * @param incomplete some declaration could not be read: devices of classes are then nobody's
 */
export function assign(sights: readonly (readonly [Declaration, Sight])[], incomplete: boolean, isInUse: (node: DeviceNode) => boolean = () => false): readonly Presence[] {
  const owners = new Map<string, string>();
  return sights.toSorted(([a], [b]) => rank(a) - rank(b)).map(([declaration, sight]) => {
    const problems = [declaration.fault, sight.fault].filter((fault) => fault !== undefined);
    const nodes = sight.nodes.filter((node) => {
      const number = numberOf(node);
      const why = declaration.platform ? undefined : whyNot(node, owners.get(number), isInUse);
      if (why === undefined) owners.set(number, declaration.name);
      else if (declaration.place.kind !== 'class') problems.push(why);
      return why === undefined;
    });
    if (declaration.place.kind === 'class' && incomplete && !declaration.platform) problems.push('a declaration that cannot be read may say that it is the platform\'s');
    const [fault] = problems;
    const isLent = fault === undefined || declaration.platform;
    return { declaration, nodes: isLent ? nodes : [], ...(fault === undefined ? {} : { fault }) };
  });
}

function whyNot(node: DeviceNode, owner: string | undefined, isInUse: (node: DeviceNode) => boolean): string | undefined {
  if (owner !== undefined) return `it is the same device as ${owner}`;
  if (kernelsOwn.has(`${node.type} ${node.major}`)) return 'it is one of the kernel\'s own';
  return isInUse(node) ? 'the machine itself uses it: it is mounted, swap, or a part of another device' : undefined;
}

function rank({ platform, place }: Declaration): number {
  if (platform) return 0;
  return place.kind === 'class' ? 2 : 1;
}
