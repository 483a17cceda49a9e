import { BerthError } from '../lib/errors.ts';
import type { ImageRow } from '../store/index.ts';
import type { Authority } from '../trust/index.ts';

/** To whom apps belong; plain data. */
export interface Ownership {
  /** Authorities by the apps that belong to them, also of apps that were removed. */
  readonly owners: ReadonlyMap<string, string>;
  /** Those that are known here. */
  readonly authorities: readonly Pick<Authority, 'name' | 'successors'>[];
}

type Signed = Pick<ImageRow, 'package' | 'version' | 'authority'>;

/**
 * An app that belongs to an authority takes versions from that one, or from one that its file names as a successor. What
 * belongs to nobody takes any that may come in.
 * @throws BerthError `untrusted`
 */
export function requireOwner({ package: app, version, authority }: Signed, { owners, authorities }: Ownership): void {
  const owner = owners.get(app);
  if (owner === undefined || owner === authority) return;
  const known = authorities.find(({ name }) => name === owner);
  if (authority !== undefined && known?.successors.includes(authority) === true) return;
  const [who, way] = authority === undefined ? ['is not signed', '--unsigned'] : [`is signed by ${authority}`, authority];
  const gone = known === undefined ? `, which this device does not know (any more)` : '';
  throw new BerthError('untrusted', `${app} belongs to authority ${owner}${gone}, and ${app} ${version} ${who}; \`berth authority hand-over ${app} ${way}\` lets it move`, {
    detail: { app, owner, ...(authority === undefined ? {} : { authority }) },
  });
}

/**
 * A payload comes from one authority, so that what one vendor has to say of a trial does not hold up another. What nobody
 * has signed counts as one more.
 * @throws BerthError `untrusted`
 */
export function requireOneAuthority(images: readonly Signed[]): void {
  const by = new Map<string, string[]>();
  for (const { package: app, authority = 'nobody' } of images) by.set(authority, [...(by.get(authority) ?? []), app]);
  if (by.size < 2) return;
  const parts = [...by].map(([authority, apps]) => `${apps.join(', ')} of ${authority}`);
  throw new BerthError('untrusted', `the payload mixes packages of several authorities: ${parts.join('; ')}. Install them one after the other, or allow it with --allow-mix`, { detail: Object.fromEntries(by) });
}
