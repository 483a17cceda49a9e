import type { Digest } from '../lib/digest.ts';
import { closeness } from './names.ts';
import type { Authority, CompareVersions, Identity, Recall } from './types.ts';

const relationPattern = /^(<<|<=|=|>=|>>) *(\S+)$/;

const holds: Readonly<Record<string, (order: number) => boolean>> = {
  '<<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '=': (order) => order === 0,
  '>=': (order) => order >= 0,
  '>>': (order) => order > 0,
};

/** Whether a text is a relation to a version, as far as can be told without knowing versions. */
export function isRelation(text: string): boolean {
  return relationPattern.test(text);
}

/**
 * The recalls that count for an image: those by the authority that vouches for it, or whose app it is. Nobody's image is
 * everybody's who may sign an app of its name.
 */
export function recallsBy(entitled: readonly (string | undefined)[], recalls: readonly Recall[]): readonly Recall[] {
  return entitled.every((name) => name === undefined) ? recalls : recalls.filter(({ authority }) => entitled.includes(authority));
}

/** Why a version must not run any more. */
export function recalledBecause({ name, version }: Identity, { authority, reason }: Recall): string {
  return `${name} ${version} was recalled by ${authority}: ${reason}`;
}

/**
 * The recall that stops this version, if there is one. A recall concerns only apps that its authority may sign; that
 * of an authority which this device does not know (any more) was judged when it was taken, and still holds.
 */
export function recallOf(image: Identity & { readonly digest: Digest }, recalls: readonly Recall[], authorities: readonly Authority[], compare: CompareVersions): Recall | undefined {
  return recalls.find((recall) => {
    const authority = authorities.find(({ name }) => name === recall.authority);
    return (authority === undefined || closeness(authority.apps, image.name) >= 0) && means(recall, image, compare);
  });
}

function means({ digest, app, versions }: Recall, image: Identity & { readonly digest: Digest }, compare: CompareVersions): boolean {
  if (app !== undefined && app !== image.name) return false;
  if (digest !== undefined) return digest === image.digest;
  if (app === undefined) return false;
  if (versions === undefined) return true;
  const [, operator = '', version = ''] = relationPattern.exec(versions) ?? [];
  return holds[operator]?.(compare(image.version, version)) ?? false;
}
