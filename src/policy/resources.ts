import { BerthError } from '../lib/errors.ts';
import { limits } from './profile.ts';
import type { Decisions } from './decisions.ts';
import type { Request } from './request.ts';

/** `linux.resources` of the config that runs: bounded memory, processes and processor share; no devices but those that are lent (`loan.ts`). */
export function grantResources(request: Request | undefined, decide: Decisions): Readonly<Record<string, unknown>> {
  const memory = request?.object('memory');
  const cpu = request?.object('cpu');
  const pids = request?.object('pids');
  const granted = {
    devices: [{ allow: false, access: 'rwm' }],
    memory: { limit: Math.max(limits.memoryBytes.least, positive(memory, 'limit') ?? limits.memoryBytes.default) },
    pids: { limit: bounded(pids, 'limit', limits.pids, decide) },
    cpu: {
      shares: Math.max(limits.cpuShares.least, bounded(cpu, 'shares', limits.cpuShares, decide)),
      ...grantBandwidth(cpu),
    },
  };
  for (const part of [request, memory, cpu, pids]) {
    for (const { path, value } of part?.rest() ?? []) decide.refused(path, value, 'Berth does not grant this limit');
  }
  return granted;
}

function grantBandwidth(cpu: Request | undefined): Readonly<Record<string, number>> {
  const quota = positive(cpu, 'quota');
  const period = positive(cpu, 'period') ?? 100_000;
  if (quota !== undefined && quota < limits.cpuQuota.least) throw new BerthError('bad_package', `config.json: ${cpu!.at('quota')} is less than ${limits.cpuQuota.least} µs`);
  if (period < limits.cpuPeriod.least || period > limits.cpuPeriod.most) {
    throw new BerthError('bad_package', `config.json: ${cpu!.at('period')} is not from ${limits.cpuPeriod.least} to ${limits.cpuPeriod.most} µs`);
  }
  return quota === undefined ? {} : { quota, period };
}

/** A limit above 0; 0 and -1 mean that none is asked for. */
function positive(request: Request | undefined, name: string): number | undefined {
  const value = request?.integer(name);
  if (value === undefined || value === 0 || value === -1) return undefined;
  if (value < 0) throw new BerthError('bad_package', `config.json: ${request!.at(name)} is negative`);
  return value;
}

function bounded(request: Request | undefined, name: string, limit: { readonly default: number; readonly most: number }, decide: Decisions): number {
  const value = positive(request, name);
  if (value !== undefined && value > limit.most) decide.limited(request!.at(name), value, `more than ${limit.most}; limited to that`, limit.most);
  return Math.min(value ?? limit.default, limit.most);
}
