import { join } from 'node:path';

/** Where the runtime keeps what belongs to running instances; all of it is gone after a restart of the machine. */
export interface Places {
  readonly bundles: string;
  /** conmon puts a file with the exit code here, named by the instance's id, in one rename. */
  readonly exits: string;
  /** conmon tells here, in a file named by the id, whether the container was created. */
  readonly syncs: string;
  /** pid files of commands run inside instances. */
  readonly execs: string;
  /** `--root` of the OCI runtime: its own state of each container. */
  readonly oci: string;
  /** conmon's attach sockets, each through a symbolic link named by the id that conmon leaves behind. */
  readonly attach: string;
  /** What instances with names on the system bus are served from, a directory by id for each; and the relay's process. */
  readonly busNames: string;
  readonly busRelay: string;
  /** Where paths of the host are mounted while a container is made; never removed recursively. */
  readonly hostPaths: string;
  /** Name of the OCI runtime that made what is in `oci`. */
  readonly choice: string;
  /** Says which families of addresses the host forwards only because the runtime had it do so. */
  readonly forwarding: string;
}

/** The files of one instance, in its bundle directory. */
export interface BundleFiles {
  readonly directory: string;
  readonly config: string;
  /** Name of the app, for when only the directory is known. */
  readonly app: string;
  readonly initPid: string;
  readonly monitorPid: string;
  /** conmon's messages until it detaches, and the OCI runtime's. */
  readonly monitorLog: string;
  readonly runtimeLog: string;
  /** Made by conmon when the kernel kills a process of the container for want of memory. */
  readonly oom: string;
  /** How much of the log has been accounted for (`log-keeper.ts`). */
  readonly logCount: string;
  /** Its filter to the system bus (`bus-names/`). */
  readonly busFilter: string;
  /** What the instance has on the bridge; absent: nothing. */
  readonly network: string;
  /** Files of the container about its network, which are mounted into it. */
  readonly resolvConf: string;
  readonly hosts: string;
}

export function placesIn(runDir: string): Places {
  return {
    bundles: join(runDir, 'bundles'),
    exits: join(runDir, 'exits'),
    syncs: join(runDir, 'syncs'),
    execs: join(runDir, 'execs'),
    oci: join(runDir, 'oci'),
    attach: join(runDir, 'attach'),
    busNames: join(runDir, 'bus-names'),
    busRelay: join(runDir, 'bus-relay'),
    hostPaths: join(runDir, 'host-paths'),
    choice: join(runDir, 'oci-runtime'),
    forwarding: join(runDir, 'forwarding'),
  };
}

export function bundleFiles(places: Places, id: string): BundleFiles {
  const directory = join(places.bundles, id);
  return {
    directory,
    config: join(directory, 'config.json'),
    app: join(directory, 'app'),
    initPid: join(directory, 'init.pid'),
    monitorPid: join(directory, 'conmon.pid'),
    monitorLog: join(directory, 'conmon.log'),
    runtimeLog: join(directory, 'runtime.log'),
    oom: join(directory, 'oom'),
    logCount: join(directory, 'log-count'),
    busFilter: join(directory, 'bus-filter'),
    network: join(directory, 'network.json'),
    resolvConf: join(directory, 'resolv.conf'),
    hosts: join(directory, 'hosts'),
  };
}

/** True for the id of an instance: 64 hexadecimal digits. */
export function isInstanceId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
