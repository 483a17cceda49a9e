import { BerthError } from '../lib/errors.ts';
import { idsPerApp } from '../lib/id-range.ts';
import type { Json } from '../lib/json.ts';
import { Decisions } from './decisions.ts';
import { defaultRights } from './default-rights.ts';
import { grantDevices } from './devices.ts';
import { grantMounts } from './mounts.ts';
import { grantProcess } from './process.ts';
import { maskedPaths, namespaces, readonlyPaths } from './profile.ts';
import { Request, wrong } from './request.ts';
import { grantResources } from './resources.ts';
import type { Extras } from './rights.ts';
import { seccompProfile } from './seccomp.ts';
import type { Grant, GrantContext } from './types.ts';

/** sethostname(2): `__NEW_UTS_LEN`. The name is the container's own, in its own namespace. */
const maxHostnameBytes = 64;
const hostnamePattern = /^[A-Za-z0-9.+-]{1,64}$/;

/** Beyond the config that runs, the fixed profile gives nothing. */
const noExtras: Extras = { network: { mode: 'none', ports: [] }, devices: [], busNames: [], volumes: [], hostPaths: [] };

const notKnown = 'Berth does not grant this field';

/**
 * The config that runs, built from known fields of the request and the fixed profile.
 * @param request the app's `config.json` (OCI runtime specification)
 * @throws BerthError `bad_package` with the JSON path of a field that is missing or of the wrong kind
 */
export function grant(request: Json, context: GrantContext): Grant {
  // The fixed profile withholds and tells; nothing is refused for it.
  const decide = new Decisions(true);
  const top = new Request(request);
  top.ignore('ociVersion', 'annotations');
  const hostname = top.string('hostname') ?? context.app.slice(0, maxHostnameBytes);
  if (!hostnamePattern.test(hostname)) throw wrong('hostname', 'a host name of at most 64 letters, digits, dots and hyphens');
  const root = top.object('root');
  if (root?.string('path') !== 'rootfs') throw new BerthError('bad_package', 'config.json: root.path is not "rootfs"');
  root.ignore('readonly');

  const requestedProcess = top.object('process');
  if (requestedProcess === undefined) throw new BerthError('bad_package', 'config.json: process is missing');
  const process = grantProcess(requestedProcess, context, decide);
  const mounts = grantMounts(top.objects('mounts'), context, decide);
  const linux = top.object('linux');
  const limits = linux?.object('resources');
  const devices = grantDevices({ nodes: linux?.objects('devices') ?? [], rules: limits?.objects('devices') ?? [] }, defaultRights, context.declared, decide);
  const resources = grantResources(limits, decide);
  checkNamespaces(linux?.objects('namespaces') ?? [], decide);
  linux?.ignore('maskedPaths', 'readonlyPaths', 'cgroupsPath', 'rootfsPropagation');

  for (const part of [top, root, requestedProcess, linux]) {
    for (const { path, value } of part?.rest() ?? []) decide.refused(path, value, notKnown);
  }
  const idMappings = [{ containerID: 0, hostID: context.idBase, size: idsPerApp }];
  const config = {
    ociVersion: '1.0.2',
    process,
    root: { path: context.rootfs, readonly: true },
    hostname,
    mounts,
    linux: {
      cgroupsPath: context.cgroupPath,
      namespaces: namespaces.map((type) => ({ type })),
      uidMappings: idMappings,
      gidMappings: idMappings,
      resources,
      maskedPaths,
      readonlyPaths,
      seccomp: seccompProfile(process.capabilities.bounding),
    },
  };
  return { config, decisions: decide.all, extras: { ...noExtras, devices } };
}

function checkNamespaces(requested: readonly Request[], decide: Decisions): void {
  for (const namespace of requested) {
    const type = namespace.string('type') ?? '';
    if (namespace.has('path')) {
      decide.refused(namespace.at('path'), namespace.value('path'), 'joining a namespace by path is never granted; the app gets its own');
    } else if (!(namespaces as readonly string[]).includes(type)) {
      decide.refused(namespace.at('type'), type, `no ${type} namespace in the fixed profile`);
    }
  }
}
