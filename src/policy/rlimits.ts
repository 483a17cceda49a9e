import { BerthError } from '../lib/errors.ts';
import type { Decisions } from './decisions.ts';
import type { EffectiveRights } from './default-rights.ts';
import type { Request } from './request.ts';

interface ResourceLimit {
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

/** `process.rlimits`: those that are asked for, up to what the rights have of each. Cores are never written. */
export function grantRlimits(requests: readonly Request[], { rlimits }: Pick<EffectiveRights, 'rlimits'>, decide: Decisions): readonly ResourceLimit[] {
  const granted = new Map<string, ResourceLimit>();
  for (const request of requests) {
    const type = request.string('type') ?? '';
    const soft = request.integer('soft') ?? 0;
    const hard = request.integer('hard') ?? soft;
    if (soft < 0 || soft > hard) throw new BerthError('bad_package', `config.json: ${request.at('soft')} is not from 0 to ${request.at('hard')}`);
    if (granted.has(type)) throw new BerthError('bad_package', `config.json: ${request.at('type')} names ${type} a second time`);
    const most = Object.hasOwn(rlimits, type) ? rlimits[type]! : undefined;
    if (most === undefined) {
      decide.refused(request.path, request.all, `"${type}" is no limit of getrlimit(2)`);
      continue;
    }
    if (hard > most) decide.limited(request.at('hard'), hard, `more than the ${most} that the rights have of ${type} (rights: rlimits)`, most);
    else decide.granted(request.path, request.all);
    granted.set(type, { type, soft: Math.min(soft, most), hard: Math.min(hard, most) });
  }
  granted.set('RLIMIT_CORE', { type: 'RLIMIT_CORE', soft: 0, hard: 0 });
  return [...granted.values()];
}
