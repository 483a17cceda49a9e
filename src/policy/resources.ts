import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import type { Decisions } from './decisions.ts';
import type { EffectiveRights } from './default-rights.ts';
import { limits } from './profile.ts';
import type { Request } from './request.ts';
import type { Extras, Rights } from './rights.ts';

export interface ResourceGrant extends Pick<Extras, 'blockIo'> {
  /** `linux.resources` of the config that runs. */
  readonly resources: Readonly<Record<string, unknown>>;
}

/** `linux.resources`: memory, processes, processor time and block I/O as asked for, up to the rights; no devices. */
export function grantResources(request: Request | undefined, rights: EffectiveRights, decide: Decisions): ResourceGrant {
  const memory = grantMemory(request?.object('memory'), rights, decide);
  const pids = request?.object('pids');
  const resources = {
    devices: [{ allow: false, access: 'rwm' }],
    // OCI counts both together.
    memory: { limit: memory.limit, ...(memory.swapBytes === 0 ? {} : { swap: memory.limit + memory.swapBytes }) },
    pids: { limit: bounded(pids, 'limit', { default: limits.pids.default, most: rights.pids, right: 'pids' }, decide) },
    cpu: grantCpu(request?.object('cpu'), rights, decide),
  };
  return { resources, blockIo: grantBlockIo(request?.object('blockIO'), rights, decide) };
}

function grantMemory(memory: Request | undefined, rights: EffectiveRights, decide: Decisions): { readonly limit: number; readonly swapBytes: number } {
  memory?.ignore('checkBeforeUpdate');
  if (memory?.boolean('disableOOMKiller') === true) decide.refused(memory.at('disableOOMKiller'), true, 'an app that has no memory left is ended, not stopped');
  if (memory?.boolean('useHierarchy') === false) decide.limited(memory.at('useHierarchy'), false, 'memory counts for all that runs in an app', true);
  const limit = Math.max(limits.memoryBytes.least, bounded(memory, 'limit', { default: limits.memoryBytes.default, most: rights.memory, right: 'memory', format: formatSize }, decide));
  return { limit, swapBytes: grantSwap(memory, limit, rights.swap, decide) };
}

/** Bytes beyond memory. OCI counts both together. */
function grantSwap(memory: Request | undefined, limit: number, most: number, decide: Decisions): number {
  const both = positive(memory, 'swap');
  if (both === undefined) return 0;
  const path = memory!.at('swap');
  const asked = Math.max(0, both - limit);
  if (asked > most) decide.limited(path, both, `${both === Infinity ? 'without bound' : formatSize(asked)} beyond memory, more than the ${formatSize(most)} of the rights (rights: swap)`, limit + most);
  else decide.granted(path, both);
  return Math.min(asked, most);
}

function grantCpu(cpu: Request | undefined, rights: EffectiveRights, decide: Decisions): Readonly<Record<string, number>> {
  const shares = bounded(cpu, 'shares', { default: Math.min(limits.cpuShares.default, rights.cpuShares), most: rights.cpuShares, right: 'cpu-shares' }, decide);
  return { shares: Math.max(limits.cpuShares.least, shares), ...grantBandwidth(cpu, rights.cpus, decide) };
}

/** @param most processors' worth of time; undefined: no bound */
function grantBandwidth(cpu: Request | undefined, most: number | undefined, decide: Decisions): Readonly<Record<string, number>> {
  const asked = positive(cpu, 'quota');
  const period = cpu?.integer('period') || limits.cpuPeriod.default;
  if (asked !== undefined && asked < limits.cpuQuota.least) throw new BerthError('bad_package', `config.json: ${cpu!.at('quota')} is less than ${limits.cpuQuota.least} µs`);
  if (period < limits.cpuPeriod.least || period > limits.cpuPeriod.most) {
    throw new BerthError('bad_package', `config.json: ${cpu!.at('period')} is not from ${limits.cpuPeriod.least} to ${limits.cpuPeriod.most} µs`);
  }
  const ceiling = most === undefined ? Infinity : Math.max(limits.cpuQuota.least, Math.round(most * period));
  if (asked !== undefined && asked > ceiling) decide.limited(cpu!.at('quota'), cpu!.value('quota'), `more than the ${most} processors of the rights (rights: cpus)`, ceiling);
  else if (asked !== undefined) decide.granted(cpu!.at('quota'), cpu!.value('quota'));
  const quota = Math.min(asked ?? Infinity, ceiling);
  return quota === Infinity ? {} : { quota, period };
}

/** Rates are the operator's alone: a request could name a disk only by a number of the host's. */
function grantBlockIo(request: Request | undefined, { blockIo }: Pick<Rights, 'blockIo'>, decide: Decisions): NonNullable<Rights['blockIo']> {
  const most = blockIo?.weight ?? limits.blockIoWeight.default;
  const { least } = limits.blockIoWeight;
  const asked = request?.integer('weight');
  if (asked === undefined || asked === 0) return { ...blockIo, weight: most };
  if (asked < least || asked > limits.blockIoWeight.most) throw new BerthError('bad_package', `config.json: ${request!.at('weight')} is not from ${least} to ${limits.blockIoWeight.most}`);
  if (asked > most) decide.limited(request!.at('weight'), asked, `more than the ${most} of the rights (rights: block-io)`, most);
  else decide.granted(request!.at('weight'), asked);
  return { ...blockIo, weight: Math.min(asked, most) };
}

interface Bound {
  readonly default: number;
  readonly most: number;
  /** Its name in a policy. */
  readonly right: string;
  readonly format?: (value: number) => string;
}

function bounded(request: Request | undefined, name: string, { default: usual, most, right, format = String }: Bound, decide: Decisions): number {
  const value = positive(request, name);
  if (value === undefined) return Math.min(usual, most);
  const path = request!.at(name);
  if (value > most) decide.limited(path, request!.value(name), `more than the ${format(most)} of the rights (rights: ${right})`, most);
  else decide.granted(path, value);
  return Math.min(value, most);
}

/** A limit; 0 says nothing, -1 asks for none at all. */
function positive(request: Request | undefined, name: string): number | undefined {
  const value = request?.integer(name);
  if (value === undefined || value === 0) return undefined;
  if (value === -1) return Infinity;
  if (value < 0) throw new BerthError('bad_package', `config.json: ${request!.at(name)} is negative`);
  return value;
}
