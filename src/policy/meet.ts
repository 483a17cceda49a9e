import { commonDestination, formatDestination, parseDestination, parsePortRange } from '../lib/network.ts';
import { matches } from '../lib/pattern.ts';
import type { BusNameRight, HostPathRight, Rights } from './rights.ts';

type Lesser<T> = (a: T, b: T) => T;
type Figures = Readonly<Record<string, number | undefined>>;

/** The lesser of two values of each field. A field of {@link Rights} that is not in this table does not compile. */
const lessers: { readonly [K in keyof Required<Rights>]: Lesser<NonNullable<Rights[K]>> } = {
  capabilities: listOf(equal),
  memory: Math.min,
  swap: Math.min,
  pids: Math.min,
  cpuShares: Math.min,
  cpus: Math.min,
  blockIo: figures,
  rlimits: (a, b) => figures(a, b) as Readonly<Record<string, number>>,
  tmpfs: Math.min,
  data: Math.min,
  networks: listOf(equal),
  ports: listOf(ports),
  outbound: (a, b) => listOf(destination)(a.flatMap(plainDestination), b.flatMap(plainDestination)),
  bandwidth: figures,
  devices: listOf(pattern),
  hostPaths: listOf(hostPath),
  busNames: listOf(busName),
  sysctls: listOf(pattern),
};

/**
 * What both allow: the lesser in each field. A field that one does not have is as the other says.
 *
 * Of two patterns the narrower one counts; two that only overlap have nothing in common.
 */
export function meet(a: Rights, b: Rights): Rights {
  const fields = Object.keys(lessers).flatMap((key) => {
    const value = lesserOf(key as keyof Rights, a, b);
    return value === undefined ? [] : [[key, value] as const];
  });
  return Object.fromEntries(fields) as Rights;
}

function lesserOf<K extends keyof Rights>(key: K, a: Rights, b: Rights): Rights[K] | undefined {
  // A field that only one has meets itself, so that lists are always in the same order.
  const [first, second] = [a[key] ?? b[key], b[key] ?? a[key]];
  const lesser: Lesser<NonNullable<Rights[K]>> = lessers[key];
  return first === undefined || second === undefined ? undefined : lesser(first as NonNullable<Rights[K]>, second as NonNullable<Rights[K]>);
}

function figures(a: Figures, b: Figures): Figures {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].toSorted();
  return Object.fromEntries(names.map((name) => [name, Math.min(a[name] ?? Infinity, b[name] ?? Infinity)] as const).filter(([, value]) => value !== Infinity));
}

/** What two lists have in common: of each pair what `common` gives, without what others of them cover, in a fixed order. */
function listOf<T>(common: (x: T, y: T) => T | undefined): Lesser<readonly T[]> {
  const covers = (x: T, y: T): boolean => {
    const both = common(x, y);
    return both !== undefined && textOf(both) === textOf(y);
  };
  return (a, b) => {
    const found = new Map(a.flatMap((x) => b.flatMap((y) => common(x, y) ?? [])).map((item) => [textOf(item), item] as const));
    const items = [...found.values()];
    return items
      .filter((item) => !items.some((other) => other !== item && covers(other, item)))
      .toSorted((x, y) => (textOf(x) < textOf(y) ? -1 : 1));
  };
}

function textOf(item: unknown): string {
  return JSON.stringify(item);
}

function equal<T>(x: T, y: T): T | undefined {
  return x === y ? x : undefined;
}

/** `*` in a pattern is matched only by `*` in the other, so what matches the narrower one matches both. */
function pattern(x: string, y: string): string | undefined {
  if (matches(x, y)) return y;
  return matches(y, x) ? x : undefined;
}

function ports(x: string, y: string): string | undefined {
  const [a, b] = [parsePortRange(x, 'ports'), parsePortRange(y, 'ports')];
  const [first, last] = [Math.max(a.first, b.first), Math.min(a.last, b.last)];
  if (a.protocol !== b.protocol || first > last) return undefined;
  return `${first === last ? first : `${first}-${last}`}/${a.protocol}`;
}

/** `*` is two destinations. */
function plainDestination(text: string): readonly string[] {
  return parseDestination(text, 'outbound').map(formatDestination);
}

function destination(x: string, y: string): string | undefined {
  const common = commonDestination(parseDestination(x, 'outbound')[0]!, parseDestination(y, 'outbound')[0]!);
  return common === undefined ? undefined : formatDestination(common);
}

function hostPath(x: HostPathRight, y: HostPathRight): HostPathRight | undefined {
  const path = isBelow(y.path, x.path) ? y.path : isBelow(x.path, y.path) ? x.path : undefined;
  return path === undefined ? undefined : { path, access: x.access === 'write' && y.access === 'write' ? 'write' : 'read' };
}

function isBelow(path: string, top: string): boolean {
  return path === top || top === '/' || path.startsWith(`${top}/`);
}

/** Being a name includes nothing of talking to it. */
function busName(x: BusNameRight, y: BusNameRight): BusNameRight | undefined {
  const name = x.access === y.access ? pattern(x.name, y.name) : undefined;
  return name === undefined ? undefined : { name, access: x.access };
}
