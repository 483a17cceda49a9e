import * as v from 'valibot';
import { isPlainAbsolutePath } from '../image/index.ts';
import { standardNames } from '../policy/index.ts';

/** Where a declared device is found. */
export type Place =
  /** A node that has this name for good: `/dev/ttyS1`. */
  | { readonly kind: 'path'; readonly path: string }
  /** A link that follows the device, whatever the kernel calls it this time: `/dev/serial/by-id/…`. */
  | { readonly kind: 'link'; readonly path: string }
  /** All devices of a class of the kernel (`/sys/class/<class>`) whose names match. */
  | { readonly kind: 'class'; readonly class: string; readonly match: string };

/** A device as the operator declares it. */
export interface Declaration {
  /** By which policies and apps call it. */
  readonly name: string;
  /** File, for messages. */
  readonly origin: string;
  readonly description: string;
  readonly place: Place;
  /** `c`haracter or `b`lock, as in mknod(1); what is found of the other type is not lent. */
  readonly type: 'c' | 'b';
  /** `exclusive`: to one running app at a time. */
  readonly sharing: 'exclusive' | 'shared';
  /** What a second app is told that asks for it while another has it: wait for it, or fail to start. */
  readonly busy: 'wait' | 'fail';
  /** The platform's own: never lent, whatever a policy says. */
  readonly platform: boolean;
  /** What is wrong with the declaration; nobody gets the device then. */
  readonly fault?: string;
}

const name = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'not a name of at most 63 letters, digits, dots, hyphens and underscores'),
  v.check((text) => !standardNames.has(text), 'a name that is taken in every /dev'),
);
const path = v.pipe(v.string(), v.check(isPlainAbsolutePath, 'not a plain absolute path'));

/** One entry of `devices:` in a file of `devices.d`; exactly one of `path`, `link` and `class` is there. */
export const deviceEntry = v.pipe(
  v.strictObject({
    'name': name,
    'description': v.optional(v.string(), ''),
    'path': v.optional(path),
    'link': v.optional(path),
    'class': v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+$/, 'not the name of a directory in /sys/class'))),
    /** Names of the kernel's in that class, `*` standing for any text. */
    'match': v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9*._:!-]+$/, 'not a name of a device, with * for any text'))),
    'type': v.optional(v.picklist(['char', 'block'])),
    'sharing': v.optional(v.picklist(['exclusive', 'shared']), 'exclusive'),
    'busy': v.optional(v.picklist(['wait', 'fail']), 'wait'),
    'platform': v.optional(v.boolean(), false),
  }),
  v.check((entry) => [entry.path, entry.link, entry.class].filter((place) => place !== undefined).length === 1, 'exactly one of path, link and class says where the device is'),
  v.check((entry) => entry.match === undefined || entry.class !== undefined, 'match goes with class'),
  v.check((entry) => entry.class === undefined || entry.type === undefined, 'type does not go with class, which says it'),
);

export function declarationOf(entry: v.InferOutput<typeof deviceEntry>, origin: string): Declaration {
  const { description, sharing, busy, platform } = entry;
  const place = placeOf(entry)!;
  const isBlock = place.kind === 'class' ? place.class === 'block' : entry.type === 'block';
  return { name: entry.name, origin, description, place, type: isBlock ? 'b' : 'c', sharing, busy, platform };
}

/**
 * The declaration of an entry that is wrong: it keeps its device from everybody, so that a slip of the pen in the
 * declaration of a device of the platform's does not lend that device to an app. Undefined if not even its place can be read.
 */
export function brokenDeclaration(entry: unknown, origin: string, fault: string): Declaration | undefined {
  const loose = v.safeParse(looseEntry, entry);
  const place = loose.success ? placeOf(loose.output) : undefined;
  if (!loose.success || place === undefined) return undefined;
  return { name: loose.output.name, origin, description: '', place, type: 'c', sharing: 'exclusive', busy: 'wait', platform: true, fault };
}

const looseEntry = v.object({
  name: v.optional(v.string(), '?'),
  path: v.optional(path),
  link: v.optional(path),
  class: v.optional(v.string()),
  match: v.optional(v.string()),
});

function placeOf(entry: { readonly path?: string | undefined; readonly link?: string | undefined; readonly class?: string | undefined; readonly match?: string | undefined }): Place | undefined {
  if (entry.path !== undefined) return { kind: 'path', path: entry.path };
  if (entry.link !== undefined) return { kind: 'link', path: entry.link };
  if (entry.class !== undefined) return { kind: 'class', class: entry.class, match: entry.match ?? '*' };
  return undefined;
}

/** Where a declaration looks, for people. */
export function describePlace(place: Place): string {
  return place.kind === 'class' ? `${place.class}/${place.match}` : place.path;
}
