import { isPlainAbsolutePath } from '../image/index.ts';
import { matches } from '../lib/pattern.ts';
import type { Decisions } from './decisions.ts';
import type { Request } from './request.ts';
import type { DeclaredDevice, DeviceGrant, Rights } from './rights.ts';
import { standardNames, standardNodes } from './standard-dev.ts';

/** What an app says of devices in its `config.json`. */
export interface AskedDevices {
  /** `linux.devices` */
  readonly nodes: readonly Request[];
  /** `linux.resources.devices` */
  readonly rules: readonly Request[];
}

/** A node that the request describes; its numbers are only looked at to find the rule that belongs to it. */
interface AskedNode {
  readonly path: string;
  readonly number: string;
}

const most = 64;

/**
 * The devices that an app gets while it holds the lease. An app asks for one in `linux.devices`, by the operator's name
 * for it (`/dev/<name>`) or by its path on the host; what the request says of type and numbers is not believed. Access
 * is what `linux.resources.devices` says for these numbers, reading and writing if it says nothing.
 * @param declared devices of this device
 */
export function grantDevices(asked: AskedDevices, rights: Pick<Rights, 'devices'>, declared: readonly DeclaredDevice[], decide: Decisions): readonly DeviceGrant[] {
  const described: AskedNode[] = asked.nodes.map((request) => ({ path: request.string('path') ?? '', number: numberOf(request) }));
  const access = grantRules(asked.rules, described, decide);
  const grants: DeviceGrant[] = [];
  for (const [index, request] of asked.nodes.entries()) {
    request.ignore('fileMode', 'uid', 'gid');
    const { path, number } = described[index]!;
    const refuse = (why: string): void => {
      decide.refused(request.path, request.all, why);
    };
    for (const { path: field, value } of request.rest()) decide.refused(field, value, 'Berth does not grant this field');
    // Of the nodes that are in every /dev, nothing has to be asked for.
    if (isStandard(path)) continue;
    if (!path.startsWith('/dev/') || !isPlainAbsolutePath(path)) refuse(`"${path}" is not a plain path below /dev`);
    else if (standardNames.has(path.split('/')[2]!)) refuse(`${path} is in the place of what every app has in its /dev`);
    else if (grants.length >= most) refuse(`only ${most} devices are granted to one app`);
    else {
      const found = find(path, declared);
      const why = whyNot(path, found, rights, grants);
      if (why === undefined) {
        const given: DeviceGrant = { device: found!.device.name, ...(found!.node === undefined ? {} : { node: found!.node }), path, access: access(number) };
        grants.push(given);
        decide.granted(request.path, request.all, { ...given });
      } else refuse(why);
    }
  }
  return grants;
}

function whyNot(path: string, found: Found | undefined, rights: Pick<Rights, 'devices'>, grants: readonly DeviceGrant[]): string | undefined {
  if (found === undefined) return `no device of this machine is declared as ${path}; the operator declares them in devices.d`;
  const { name, platform, fault } = found.device;
  if (fault !== undefined) return `the declaration of the device ${name} is broken, so nobody gets it; the operator sees with berth doctor what is wrong`;
  if (platform) return `the device ${name} is the platform's own and is never handed out`;
  if (!(rights.devices ?? []).some((pattern) => matches(pattern, name))) return `the device ${name} is not among the rights of the app; a rule in policy.d would have to name it in devices`;
  const clash = grants.find((other) => other.path === path || other.path.startsWith(`${path}/`) || path.startsWith(`${other.path}/`));
  return clash === undefined ? undefined : `it would be in the place of ${clash.path}, which the app asks for too`;
}

interface Found {
  readonly device: DeclaredDevice;
  readonly node?: string;
}

/** The operator's name first, then a path, then a device of a class. */
function find(path: string, declared: readonly DeclaredDevice[]): Found | undefined {
  const name = path.slice('/dev/'.length);
  const kernelName = name.slice(name.lastIndexOf('/') + 1);
  const named = declared.find((device) => device.name === name) ?? declared.find((device) => device.path === path);
  if (named !== undefined) return { device: named };
  const ofClass = declared.find((device) => device.match !== undefined && matches(device.match, kernelName));
  return ofClass === undefined ? undefined : { device: ofClass, node: kernelName };
}

function isStandard(path: string): boolean {
  const [, dev, name = '', ...below] = path.split('/');
  return dev === 'dev' && below.length === 0 && standardNames.has(name);
}

/** The access that the rules ask for, by device number. A rule that belongs to no device of the request is refused. */
function grantRules(rules: readonly Request[], described: readonly AskedNode[], decide: Decisions): (number: string) => DeviceGrant['access'] {
  const known = new Set([...described.map(({ number }) => number), ...standardNodes.map(({ major, minor }) => `c ${major}:${minor}`)]);
  const letters = new Map<string, string>();
  for (const rule of rules) {
    const number = numberOf(rule);
    const access = rule.string('access') ?? '';
    const allow = rule.boolean('allow') === true;
    for (const { path, value } of rule.rest()) decide.refused(path, value, 'Berth does not grant this field');
    // Nothing is allowed that no rule allows.
    if (!allow) continue;
    if (known.has(number) && !number.includes('-')) letters.set(number, (letters.get(number) ?? '') + access);
    else decide.refused(rule.path, rule.all, 'devices are not granted by number; the app asks for one by its path in linux.devices');
  }
  return (number) => {
    const asked = letters.get(number);
    const [reads, writes] = [asked?.includes('r') ?? true, asked?.includes('w') ?? true];
    if (reads === writes) return 'rw';
    return reads ? 'r' : 'w';
  };
}

/** `c 188:0`; `-` for what is not said, which is no number of a device. */
function numberOf(request: Request): string {
  const [type = '-', major = '-', minor = '-'] = [request.string('type'), request.integer('major'), request.integer('minor')];
  return `${type === 'u' ? 'c' : type} ${major}:${minor}`;
}
