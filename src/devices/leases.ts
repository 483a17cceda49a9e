import type { DeviceGrant } from '../policy/index.ts';

/** Who has what, and who waits for it. Plain data; every change gives a new book. */
export interface LeaseBook {
  readonly held: ReadonlyMap<string, readonly DeviceGrant[]>;
  /** Apps that wait, the first one first. */
  readonly queue: readonly Waiting[];
}

export interface Waiting {
  readonly app: string;
  readonly devices: readonly DeviceGrant[];
}

export const noLeases: LeaseBook = { held: new Map(), queue: [] };

/** How a device is lent, as its declaration says. */
export interface Terms {
  readonly sharing: 'exclusive' | 'shared';
  readonly busy: 'wait' | 'fail';
}

/** How a device is lent whose declaration is gone: as carefully as can be. */
export const strictest: Terms = { sharing: 'exclusive', busy: 'wait' };

export type LeaseAnswer =
  /** It has all that it asked for. */
  | { readonly kind: 'held' }
  /** It has nothing yet and waits in the queue, or is to fail: `holder` has the device, or waits for it longer. */
  | { readonly kind: 'queued' | 'refused'; readonly device: string; readonly holder: string };

/**
 * An app asks for all its devices at once, and gets all or none: nobody waits for one device while keeping others from
 * another, so that no two apps can wait for each other. What it had asked for before is forgotten.
 */
export function request(book: LeaseBook, app: string, devices: readonly DeviceGrant[], terms: (device: string) => Terms): { readonly book: LeaseBook; readonly answer: LeaseAnswer } {
  const place = book.queue.findIndex((waiting) => waiting.app === app);
  const ahead = place === -1 ? book.queue : book.queue.slice(0, place);
  const others = [...[...book.held].map(([name, had]) => ({ app: name, devices: had })), ...ahead].filter((other) => other.app !== app);
  const conflict = firstConflict(devices, others, terms);
  const without = release(withdraw(book, app), app);
  if (conflict === undefined) {
    const held = devices.length === 0 ? without.held : new Map([...without.held, [app, devices]]);
    return { book: { ...without, held }, answer: { kind: 'held' } };
  }
  if (terms(conflict.device).busy === 'fail') return { book: without, answer: { kind: 'refused', ...conflict } };
  const waiting: Waiting = { app, devices };
  const queue = place === -1 ? [...book.queue, waiting] : book.queue.with(place, waiting);
  return { book: { ...without, queue }, answer: { kind: 'queued', ...conflict } };
}

/** The app gives back all it has. */
export function release(book: LeaseBook, app: string): LeaseBook {
  return { ...book, held: new Map([...book.held].filter(([name]) => name !== app)) };
}

/** The app no longer waits. */
export function withdraw(book: LeaseBook, app: string): LeaseBook {
  return { ...book, queue: book.queue.filter((waiting) => waiting.app !== app) };
}

/** Apps in the queue that would get all they wait for if they asked now, in the order in which they should. */
export function due(book: LeaseBook, terms: (device: string) => Terms): readonly string[] {
  const others: { readonly app: string; readonly devices: readonly DeviceGrant[] }[] = [...book.held].map(([app, devices]) => ({ app, devices }));
  const apps: string[] = [];
  for (const waiting of book.queue) {
    if (firstConflict(waiting.devices, others, terms) === undefined) apps.push(waiting.app);
    others.push(waiting);
  }
  return apps;
}

function firstConflict(
  devices: readonly DeviceGrant[],
  others: readonly { readonly app: string; readonly devices: readonly DeviceGrant[] }[],
  terms: (device: string) => Terms,
): { readonly device: string; readonly holder: string } | undefined {
  for (const asked of devices) {
    if (terms(asked.device).sharing === 'shared') continue;
    const holder = others.find((other) => other.devices.some((had) => overlaps(asked, had)));
    if (holder !== undefined) return { device: asked.device, holder: holder.app };
  }
  return undefined;
}

/** One device of a class and the whole class overlap; two devices of it do not. */
function overlaps(a: DeviceGrant, b: DeviceGrant): boolean {
  return a.device === b.device && (a.node === undefined || b.node === undefined || a.node === b.node);
}
