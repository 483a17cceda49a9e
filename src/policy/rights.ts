import type { Json } from '../lib/json.ts';
import type { NetworkMode } from '../lib/network.ts';
import type { InstanceHostPath, InstanceNetwork } from '../runtime/index.ts';

/**
 * What an app may be granted at most: the words in which an operator's policy (`policy.d/*.yaml`) and the bound of an
 * authority are said. A field that is absent leaves the default rights as they are; `rights-schema.ts` reads it.
 */
export interface Rights {
  /** Names of capabilities(7). Default: those of the profile (`profile.ts`). */
  readonly capabilities?: readonly string[];
  /** Bytes. */
  readonly memory?: number;
  /** Bytes of swap beyond memory; default 0. */
  readonly swap?: number;
  readonly pids?: number;
  /** Weight against other apps, in cgroup v1 shares. */
  readonly cpuShares?: number;
  /** Processors' worth of time, 0.5 being half of one. */
  readonly cpus?: number;
  /** Weight of block I/O, 1 to 1000, and the most bytes and operations a second on each device. */
  readonly blockIo?: { readonly weight?: number; readonly readBytes?: number; readonly writeBytes?: number; readonly readOperations?: number; readonly writeOperations?: number };
  /** Most of each resource limit, by its name in getrlimit(2). */
  readonly rlimits?: Readonly<Record<string, number>>;
  /** Bytes of each tmpfs that the app asks for. */
  readonly tmpfs?: number;
  /** Bytes of all its data together; a missing field or Infinity: no bound. */
  readonly data?: number;
  /** Ways to be on a network; `none` is always granted. */
  readonly networks?: readonly NetworkMode[];
  /** Ports of the host that may be published: `8080/tcp`, `9000-9010/udp`. */
  readonly ports?: readonly string[];
  /** Where it may connect to from the bridge; default: the public internet. `*`, `10.0.0.0/8`, `[2001:db8::]/32:443/tcp`, `192.0.2.1:53/udp`. */
  readonly outbound?: readonly string[];
  /** Bits a second in each direction, as the app sees them; default 100 Mbit/s. */
  readonly bandwidth?: { readonly in?: number; readonly out?: number };
  /** Names of devices that the operator declared (`devices.d`), `*` standing for any text. */
  readonly devices?: readonly string[];
  readonly hostPaths?: readonly HostPathRight[];
  /** Names on the system bus. */
  readonly busNames?: readonly BusNameRight[];
  /** Names of sysctls of the app's own namespaces. */
  readonly sysctls?: readonly string[];
}

export type { Destination, NetworkMode, PublishedPort } from '../lib/network.ts';

export interface HostPathRight {
  /** Absolute; the path and what is below it. */
  readonly path: string;
  readonly access: 'read' | 'write';
}

export interface BusNameRight {
  /** A well-known name; `org.example.*` for those below. */
  readonly name: string;
  /** `talk`: call it and hear its signals. `own`: be it. */
  readonly access: 'talk' | 'own';
}

/** The rights of the apps that `apps` matches; one document of `policy.d`. Of several the first that matches counts. */
export interface PolicyRule {
  /** File and document, for messages. */
  readonly origin: string;
  /** Patterns of app names, `*` standing for any text. */
  readonly apps: readonly string[];
  readonly rights: Rights;
  /**
   * What is asked for beyond the rights is left out and told, instead of refusing the package: everywhere, or at these
   * JSON paths of `config.json` (`linux.seccomp`, `mounts[*]`).
   */
  readonly degrade: boolean | readonly string[];
  /** Counts only on a device that allows unsigned packages. */
  readonly onlyUnsigned: boolean;
}

/** Everything that decides about grants besides the request; plain data. */
export interface Policy {
  readonly rules: readonly PolicyRule[];
  readonly allowUnsigned: boolean;
}

/** The bound of the app's authority, as its file says it; undefined for an unsigned package, or an authority that sets none. */
export type Bound = Rights | undefined;

/** A field of the request and what became of it. */
export interface Decision {
  /** JSON path in `config.json`: `process.capabilities.bounding[1]`, `annotations["org.berth.network"]`. */
  readonly path: string;
  /** As it was asked for. */
  readonly asked: Json;
  /** What the app gets instead or at all; undefined: nothing. */
  readonly granted?: Json;
  /** `granted`: as asked. `degraded`: less or nothing, which the policy tolerates. `refused`: the package is refused. */
  readonly verdict: 'granted' | 'degraded' | 'refused';
  /** Why not as asked, and who would have to change what; undefined if it was granted. */
  readonly why?: string;
}

/** How an app is on a network. */
export type NetworkGrant = InstanceNetwork;

/** A device that an app asks for in `linux.devices` and may have while it holds the lease. */
export interface DeviceGrant {
  /** The operator's name for it. */
  readonly device: string;
  /** Of a class: the one device of it that the app asks for, by the kernel's name; undefined: all that match. */
  readonly node?: string;
  /** Where it appears in the container, below `/dev/`; all devices of a class in a directory of that name. */
  readonly path: string;
  readonly access: 'r' | 'w' | 'rw';
}

/** A device as far as requests are concerned: by which paths an app can mean it (`devices.d`). */
export interface DeclaredDevice {
  readonly name: string;
  /** The platform's own: never handed out, whatever a policy says. */
  readonly platform: boolean;
  /** What is wrong with its declaration. */
  readonly fault?: string;
  /** Its path on the host; undefined for those of a class. */
  readonly path?: string;
  /** Of a class: names of the kernel's, `*` standing for any text. */
  readonly match?: string;
}

/** A rule of the control group for devices (OCI field `linux.resources.devices`); without a number: any. */
export interface DeviceRule {
  readonly type: 'c' | 'b';
  readonly major?: number;
  readonly minor?: number;
  readonly access: DeviceGrant['access'];
}

/** What stands in for the runtime's own /dev in an app that devices were granted to. */
export interface DeviceLoan {
  /** Host directory to be mounted there; whoever lends the devices puts the nodes into it and takes them out. */
  readonly directory: string;
  readonly rules: readonly DeviceRule[];
}

/** A directory that one app shares and others use, kept across updates and restarts. */
export interface VolumeGrant {
  /** App that shares it, and the name under which. */
  readonly owner: string;
  readonly name: string;
  /** Absolute, in the container. */
  readonly path: string;
  readonly access: 'read' | 'write';
}

/** A path of the host that an app sees; where it leads is looked at when the app starts. */
export interface HostPathGrant extends InstanceHostPath {
  readonly access: 'read' | 'write';
  /** Programs in it may be run. */
  readonly exec: boolean;
}

/** What is granted beyond the config that runs, for other rooms to bring about. */
export interface Extras {
  readonly network: NetworkGrant;
  readonly devices: readonly DeviceGrant[];
  readonly busNames: readonly BusNameRight[];
  readonly volumes: readonly VolumeGrant[];
  readonly hostPaths: readonly HostPathGrant[];
  /** Bytes of data; undefined: no bound. */
  readonly dataBytes?: number;
  /** Weight of its block I/O, and rates that hold for each disk. */
  readonly blockIo: NonNullable<Rights['blockIo']>;
}
