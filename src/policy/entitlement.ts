import { isPublic, parseDestination } from '../lib/network.ts';
import { matches } from '../lib/pattern.ts';
import { defaultRights, type EffectiveRights } from './default-rights.ts';
import { meet } from './meet.ts';
import type { Bound, Policy, PolicyRule, Rights } from './rights.ts';

/** Whose rights are asked about. */
export interface Subject {
  readonly app: string;
  /** Whether an authority vouches for its package. */
  readonly signed: boolean;
  readonly bound: Bound;
}

/** What an app may be granted at most, and what becomes of a request for more. */
export interface Entitlement {
  readonly rights: EffectiveRights;
  readonly degrade: PolicyRule['degrade'];
  /** Whence the rights are, for people: `10-broker.yaml`. */
  readonly origin: string;
}

/**
 * The rights of an app: those of the first rule that names it, in what it does not say the default ones; of these and
 * the bound of its authority the lesser, field by field.
 */
export function entitle(policy: Policy, { app, signed, bound }: Subject): Entitlement {
  const rule = policy.rules.find(({ apps, onlyUnsigned }) => apps.some((pattern) => matches(pattern, app)) && (!onlyUnsigned || (policy.allowUnsigned && !signed)));
  const said = withDefaults(rule?.rights ?? {});
  const origin = rule?.origin ?? `the default rights, since no rule of the policy names ${app}`;
  if (bound === undefined) return { rights: said, degrade: rule?.degrade ?? false, origin };
  return { rights: meet(said, reachable(said, bound)) as EffectiveRights, degrade: rule?.degrade ?? false, origin: `${origin}, ${limitOf(bound)}` };
}

function limitOf(bound: Rights): string {
  if (bound === defaultRights) return 'but no more than the default rights, since the file of its authority is gone or cannot be read';
  return 'within the bound of its authority';
}

function withDefaults(rights: Rights): EffectiveRights {
  return {
    ...defaultRights,
    ...rights,
    rlimits: { ...defaultRights.rlimits, ...rights.rlimits },
    bandwidth: { ...defaultRights.bandwidth, ...rights.bandwidth },
  };
}

/** Rights that name no destinations reach the public internet: of a bound only what lies in that is left. */
function reachable(rights: Rights, { outbound, ...bound }: Rights): Rights {
  if (outbound === undefined || rights.outbound !== undefined) return outbound === undefined ? bound : { ...bound, outbound };
  return { ...bound, outbound: outbound.filter((text) => parseDestination(text, 'outbound').every(isPublic)) };
}
