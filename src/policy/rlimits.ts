import { BerthError } from '../lib/errors.ts';
import type { Decisions } from './decisions.ts';
import type { EffectiveRights } from './default-rights.ts';
import type { Request } from './request.ts';

interface ResourceLimit {
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

/** What an app has of these unless it asks for more, whatever `berthd` itself may; others are as `berthd` has them. */
const usual: Readonly<Record<string, number>> = { RLIMIT_CORE: 0, RLIMIT_MEMLOCK: 64 * 1024, RLIMIT_MSGQUEUE: 200 * 1024, RLIMIT_NICE: 0, RLIMIT_RTPRIO: 0, RLIMIT_SIGPENDING: 256 };

/** `process.rlimits`: those that are asked for, up to what the rights have of each. */
export function grantRlimits(requests: readonly Request[], { rlimits }: Pick<EffectiveRights, 'rlimits'>, decide: Decisions): readonly ResourceLimit[] {
  const granted = new Map<string, ResourceLimit>();
  const named = new Set<string>();
  for (const request of requests) {
    const type = request.string('type') ?? '';
    const soft = request.integer('soft') ?? 0;
    const hard = request.integer('hard') ?? soft;
    if (soft < 0 || soft > hard) throw new BerthError('bad_package', `config.json: ${request.at('soft')} is not from 0 to ${request.at('hard')}`);
    if (named.has(type)) throw new BerthError('bad_package', `config.json: ${request.at('type')} names ${type} a second time`);
    named.add(type);
    const most = Object.hasOwn(rlimits, type) ? rlimits[type]! : undefined;
    if (most === undefined) {
      decide.refused(request.path, request.all, `"${type}" is no limit of getrlimit(2)`);
      continue;
    }
    if (hard > most) decide.limited(request.at('hard'), hard, `more than the ${most} that the rights have of ${type} (rights: rlimits)`, most);
    else decide.granted(request.path, request.all);
    granted.set(type, { type, soft: Math.min(soft, most), hard: Math.min(hard, most) });
  }
  const others = Object.entries(usual).filter(([type]) => !granted.has(type));
  return [...granted.values(), ...others.map(([type, most]) => ({ type, soft: most, hard: most }))];
}
