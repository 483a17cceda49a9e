import { idsPerApp } from '../lib/id-range.ts';
import type { Decisions } from './decisions.ts';
import { grantDevices } from './devices.ts';
import { grantKernelPaths } from './kernel-paths.ts';
import { judgeNamespaces, ownNamespaces } from './namespaces.ts';
import { maskedPaths, readonlyPaths } from './profile.ts';
import type { Request } from './request.ts';
import { grantResources } from './resources.ts';
import type { Extras, NetworkGrant } from './rights.ts';
import { seccompProfile } from './seccomp.ts';
import { grantSysctls } from './sysctls.ts';
import type { GrantContext } from './types.ts';

interface LinuxContext {
  readonly context: GrantContext;
  /** Granted ones, which open calls of the system. */
  readonly capabilities: readonly string[];
  readonly network: NetworkGrant;
  /** The app says by annotation how it is on a network. */
  readonly networkSaid: boolean;
}

interface LinuxGrant extends Pick<Extras, 'devices' | 'blockIo'> {
  readonly linux: Readonly<Record<string, unknown>>;
}

/** `linux` of the config that runs (OCI runtime specification, "Linux Container Configuration"). */
export function grantLinux(request: Request | undefined, { context, capabilities, network, networkSaid }: LinuxContext, decide: Decisions): LinuxGrant {
  const { rights } = context.entitlement;
  const isOnHost = network.mode === 'host';
  judgeNamespaces(request?.objects('namespaces') ?? [], networkSaid, decide);
  judgePropagation(request, decide);
  // Berth's own is used instead.
  request?.string('cgroupsPath');
  const asked = request?.object('resources');
  const devices = grantDevices({ nodes: request?.objects('devices') ?? [], rules: asked?.objects('devices') ?? [] }, rights, context.declared, decide);
  const { resources, blockIo } = grantResources(asked, rights, decide);
  const sysctl = grantSysctls(request?.object('sysctl'), rights, !isOnHost, decide);
  const idMappings = [{ containerID: 0, hostID: context.idBase, size: idsPerApp }];
  const linux = {
    cgroupsPath: context.cgroupPath,
    namespaces: ownNamespaces.filter((type) => !(type === 'network' && isOnHost)).map((type) => ({ type })),
    uidMappings: idMappings,
    gidMappings: idMappings,
    resources,
    ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
    maskedPaths: grantKernelPaths(request, 'maskedPaths', maskedPaths, decide),
    readonlyPaths: grantKernelPaths(request, 'readonlyPaths', readonlyPaths, decide),
    seccomp: seccompProfile(capabilities),
  };
  return { linux, devices, blockIo };
}

/** Every other kind would let mounts of the host into the container, or mounts of the container out. */
function judgePropagation(request: Request | undefined, decide: Decisions): void {
  const asked = request?.string('rootfsPropagation') ?? '';
  if (!['', 'private', 'rprivate'].includes(asked)) decide.limited('linux.rootfsPropagation', asked, 'mounts of an app are its own: they neither come from the host nor go there', 'rprivate');
}
