import { isPlainAbsolutePath } from '../image/index.ts';
import { BerthError } from '../lib/errors.ts';
import { idsPerApp } from '../lib/id-range.ts';
import { grantCapabilities, type CapabilitySets } from './capability-sets.ts';
import type { Decisions } from './decisions.ts';
import { appOomScore, busVariable } from './profile.ts';
import type { Request } from './request.ts';
import { grantRlimits } from './rlimits.ts';
import type { GrantContext } from './types.ts';

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface GrantedProcess extends Readonly<Record<string, unknown>> {
  readonly capabilities: CapabilitySets;
}

/** `process` of the config that runs (OCI runtime specification, "Process"). */
export function grantProcess(request: Request, context: Pick<GrantContext, 'busPath' | 'entitlement'>, decide: Decisions): GrantedProcess {
  const args = request.strings('args') ?? [];
  if (args.length === 0 || args[0] === '') {
    throw new BerthError('bad_package', `config.json: ${request.at('args')} names no program to run`);
  }
  const cwd = request.string('cwd') ?? '/';
  if (cwd !== '/' && !isPlainAbsolutePath(cwd)) throw new BerthError('bad_package', `config.json: ${request.at('cwd')} is not a plain absolute path`);
  // Open files of the OCI runtime are there when it goes to this directory.
  if (/^\/(proc|sys|dev)(\/|$)/.test(cwd)) throw new BerthError('bad_package', `config.json: ${request.at('cwd')} lies where the kernel's own file systems are`);
  const env = request.strings('env') ?? [];
  for (const [index, entry] of env.entries()) {
    if (!/^[^=]+=/.test(entry)) throw new BerthError('bad_package', `config.json: ${request.at('env')}[${index}] is not of the form NAME=value`);
  }
  requireNoZeros(request.at('args'), args);
  requireNoZeros(request.at('env'), env);
  if (request.boolean('terminal') === true) {
    decide.refused(request.at('terminal'), true, 'apps run without a terminal; `berth exec` gives one command its own');
  }
  if (request.boolean('noNewPrivileges') === false) decide.limited(request.at('noNewPrivileges'), false, 'no app gains privileges by running a program', true);
  // Of a terminal, which there is not.
  request.ignore('consoleSize');
  const { rights } = context.entitlement;
  const oomScoreAdj = grantOomScore(request, decide);
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
    capabilities: grantCapabilities(request.object('capabilities'), rights, decide),
    rlimits: grantRlimits(request.objects('rlimits'), rights, decide),
    oomScoreAdj,
  };
  return granted;
}

/** An app may offer to be killed before others for want of memory (proc(5), `oom_score_adj`), not after them. */
function grantOomScore(request: Request, decide: Decisions): number {
  const asked = request.integer('oomScoreAdj');
  if (asked === undefined) return appOomScore;
  const path = request.at('oomScoreAdj');
  if (Math.abs(asked) > 1000) throw new BerthError('bad_package', `config.json: ${path} is not from -1000 to 1000`);
  const given = Math.max(asked, appOomScore);
  if (asked < 0) decide.limited(path, asked, 'no app is spared before others when memory runs out', given);
  else decide.granted(path, asked, given);
  return given;
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

function isIdentity(id: number): boolean {
  return id >= 0 && id < idsPerApp;
}

/** The kernel takes these as texts that end with a zero byte. */
function requireNoZeros(path: string, texts: readonly string[]): void {
  if (texts.some((text) => text.includes('\0'))) throw new BerthError('bad_package', `config.json: ${path} holds a zero byte`);
}
