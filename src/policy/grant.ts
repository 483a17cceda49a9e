import { BerthError } from '../lib/errors.ts';
import type { Json } from '../lib/json.ts';
import { judgeAnnotations } from './annotations.ts';
import { grantBusNames } from './bus-names.ts';
import { Decisions } from './decisions.ts';
import { grantLinux } from './linux.ts';
import { grantMounts } from './mounts.ts';
import { grantNetwork } from './network.ts';
import { whyNeverGranted } from './never-granted.ts';
import { grantProcess } from './process.ts';
import { Request, wrong } from './request.ts';
import type { Grant, GrantContext } from './types.ts';
import { grantDataBytes, grantVolumes } from './volumes.ts';

/** sethostname(2): `__NEW_UTS_LEN`. The name is the container's own, in its own namespace. */
const maxHostnameBytes = 64;
const hostnamePattern = /^[A-Za-z0-9.+-]{1,64}$/;

/**
 * The config that runs, built from known fields only, and what became of each field of the request. What the profile
 * that every app has answers as well or better is no decision; what asks for less protection is.
 * @param request the app's `config.json` (OCI runtime specification 1.0 to 1.2)
 * @throws BerthError `bad_package` with the JSON path of a field that is missing or of the wrong kind
 */
export function grant(request: Json, context: GrantContext): Grant {
  const { app, settings, entitlement: { rights, degrade } } = context;
  const decide = new Decisions(degrade);
  const top = new Request(request);
  top.string('ociVersion');
  const hostname = top.string('hostname') ?? app.slice(0, maxHostnameBytes);
  if (!hostnamePattern.test(hostname)) throw wrong('hostname', 'a host name of at most 64 letters, digits, dots and hyphens');
  grantRoot(top.object('root'), decide);
  const requestedProcess = top.object('process');
  if (requestedProcess === undefined) throw new BerthError('bad_package', 'config.json: process is missing');
  const process = grantProcess(requestedProcess, context, decide);
  judgeAnnotations(top.object('annotations'), decide);
  const network = grantNetwork(settings.network, rights, decide);
  const busNames = grantBusNames(settings, rights, decide);
  const volumes = grantVolumes(app, settings, decide);
  const dataBytes = grantDataBytes(settings, rights, decide);
  const { mounts, hostPaths } = grantMounts(top.objects('mounts'), context, decide);
  const { linux, devices, blockIo } = grantLinux(top.object('linux'), { context, capabilities: process.capabilities.bounding, network, networkSaid: saysNetwork(request) }, decide);
  // Its kinds are told one by one; a kind without a hook asks for nothing.
  top.object('hooks');
  for (const { path, value } of top.rest()) decide.refused(path, value, whyNeverGranted(path));
  const config = { ociVersion: '1.0.2', process, root: { path: context.rootfs, readonly: true }, hostname, mounts, linux };
  const extras = { network, devices, busNames, volumes, hostPaths, ...(dataBytes === undefined ? {} : { dataBytes }), blockIo };
  return { config, decisions: decide.all, extras };
}

/** Always the image's own root file system, which nobody writes to. */
function grantRoot(root: Request | undefined, decide: Decisions): void {
  if (root?.string('path') !== 'rootfs') throw new BerthError('bad_package', 'config.json: root.path is not "rootfs"');
  if (root.boolean('readonly') === false) decide.limited(root.at('readonly'), false, 'the root file system of every app is read-only; org.berth.data names directories that it may write to', true);
}

/** Whether an annotation says how the app is on a network, be it `none`. */
function saysNetwork(request: Json): boolean {
  return new Request(new Request(request).value('annotations') ?? {}).has('org.berth.network');
}
