import { numberOf, type DeviceNode } from './node.ts';
import type { Presence } from './presence.ts';
import type { DeviceNews } from './types.ts';

/** What came and went between two looks; both in the same order or not. */
export function compare(before: readonly Presence[], after: readonly Presence[]): readonly DeviceNews[] {
  return after.flatMap(({ declaration, nodes }) => {
    const had = before.find((presence) => presence.declaration === declaration)?.nodes ?? [];
    const differing = (from: readonly DeviceNode[], other: readonly DeviceNode[]): readonly DeviceNode[] =>
      from.filter((node) => !other.some(({ identity }) => identity === node.identity));
    return [
      ...differing(had, nodes).map((node) => news('device.left', declaration.name, node, 'is gone')),
      ...differing(nodes, had).map((node) => news('device.arrived', declaration.name, node, 'is there')),
    ];
  });
}

function news(type: 'device.arrived' | 'device.left', device: string, node: DeviceNode, what: string): DeviceNews {
  return { type, message: `the device ${device} (${node.name}, ${numberOf(node)}) ${what}`, detail: { device, node: node.name, number: numberOf(node) } };
}
