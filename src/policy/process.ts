import { BerthError } from '../lib/errors.ts';
import { idsPerApp } from '../lib/id-range.ts';
import { allowedCapabilities, busVariable, rlimitCeilings } from './profile.ts';
import type { Decisions } from './decisions.ts';
import type { Request } from './request.ts';
import type { GrantContext } from './types.ts';

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

type CapabilitySet = 'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient';

export interface GrantedProcess extends Readonly<Record<string, unknown>> {
  readonly capabilities: Readonly<Record<CapabilitySet, readonly string[]>>;
}

/** `process` of the config that runs (OCI runtime specification, "Process"). */
export function grantProcess(request: Request, context: Pick<GrantContext, 'busPath'>, decide: Decisions): GrantedProcess {
  const args = request.strings('args') ?? [];
  if (args.length === 0 || args[0] === '') {
    throw new BerthError('bad_package', `config.json: ${request.at('args')} names no program to run`);
  }
  const cwd = request.string('cwd') ?? '/';
  if (!cwd.startsWith('/')) throw new BerthError('bad_package', `config.json: ${request.at('cwd')} is not an absolute path`);
  const env = request.strings('env') ?? [];
  for (const [index, entry] of env.entries()) {
    if (!/^[^=]+=/.test(entry)) throw new BerthError('bad_package', `config.json: ${request.at('env')}[${index}] is not of the form NAME=value`);
  }
  requireNoZeros(request.at('args'), args);
  requireNoZeros(request.at('env'), env);
  requireNoZeros(request.at('cwd'), [cwd]);
  if (request.boolean('terminal') === true) {
    decide.refused(request.at('terminal'), true, 'apps run without a terminal; `berth exec` gives one command its own');
  }
  request.ignore('noNewPrivileges', 'consoleSize');
  const user = request.object('user');
  const additionalGids = user?.integers('additionalGids') ?? [];
  if (additionalGids.some((gid) => !isIdentity(gid))) throw new BerthError('bad_package', `config.json: ${user!.at('additionalGids')} are not all groups from 0 to ${idsPerApp - 1}`);
  const umask = user?.integer('umask');
  if (umask !== undefined && (umask < 0 || umask > 0o777)) throw new BerthError('bad_package', `config.json: ${user!.at('umask')} is not a umask`);
  const granted = {
    terminal: false,
    user: {
      uid: identity(user, 'uid'),
      gid: identity(user, 'gid'),
      ...(umask === undefined ? {} : { umask }),
      ...(additionalGids.length === 0 ? {} : { additionalGids }),
    },
    args,
    env: withDefaults(env, [defaultPath, ...(context.busPath === undefined ? [] : [busVariable])]),
    cwd,
    noNewPrivileges: true,
    capabilities: grantCapabilities(request.object('capabilities'), decide),
    rlimits: grantRlimits(request.objects('rlimits'), decide),
  };
  for (const { path, value } of user?.rest() ?? []) decide.refused(path, value, 'Berth does not grant this field');
  return granted;
}

/** The environment with those variables in front that it does not set itself. */
function withDefaults(env: readonly string[], defaults: readonly string[]): readonly string[] {
  const names = new Set(env.map(nameOf));
  return [...defaults.filter((entry) => !names.has(nameOf(entry))), ...env];
}

function nameOf(entry: string): string {
  return entry.slice(0, entry.indexOf('='));
}

function identity(user: Request | undefined, name: 'uid' | 'gid'): number {
  const id = user?.integer(name) ?? 0;
  if (!isIdentity(id)) throw new BerthError('bad_package', `config.json: ${user!.at(name)} is not a user or group from 0 to ${idsPerApp - 1}`);
  return id;
}

/** One of those that the app's user namespace has. */
function isIdentity(id: number): boolean {
  return id >= 0 && id < idsPerApp;
}

/** The kernel takes these as texts that end with a zero byte. */
function requireNoZeros(path: string, texts: readonly string[]): void {
  if (texts.some((text) => text.includes('\0'))) throw new BerthError('bad_package', `config.json: ${path} holds a zero byte`);
}

/** One set for all: what is asked for in `bounding` and allowed. Ambient and inheritable sets stay empty. */
function grantCapabilities(request: Request | undefined, decide: Decisions): GrantedProcess['capabilities'] {
  const bounding = request?.strings('bounding') ?? [];
  for (const name of ['effective', 'permitted', 'inheritable', 'ambient']) request?.strings(name);
  bounding.forEach((capability, index) => {
    if (!allowedCapabilities.has(capability)) {
      decide.refused(`${request!.at('bounding')}[${index}]`, capability, `${capability} is not in the fixed profile`);
    }
  });
  const granted = bounding.filter((capability) => allowedCapabilities.has(capability));
  return { bounding: granted, effective: granted, permitted: granted, inheritable: [], ambient: [] };
}

function grantRlimits(requests: readonly Request[], decide: Decisions): readonly Readonly<Record<string, unknown>>[] {
  const granted = [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }];
  for (const request of requests) {
    const type = request.string('type') ?? '';
    const soft = request.integer('soft') ?? 0;
    const hard = request.integer('hard') ?? soft;
    if (soft < 0 || soft > hard) throw new BerthError('bad_package', `config.json: ${request.at('soft')} is not from 0 to ${request.at('hard')}`);
    const ceiling = rlimitCeilings.get(type);
    if (ceiling === undefined) decide.refused(request.path, request.all, `${type} is not granted`);
    else if (hard > ceiling) decide.refused(request.at('hard'), hard, `more than ${ceiling}`);
    else if (type !== 'RLIMIT_CORE') granted.push({ type, soft, hard });
  }
  return granted;
}
