import { join } from 'node:path';

/** Where the kernel's control groups are mounted: `v1` with a hierarchy per controller (perhaps with v2 beside it), or pure `v2`. */
export interface CgroupLayout {
  readonly version: 1 | 2;
  /** Mount point of each v1 controller, of `name=systemd`, and of v2 as `unified`. */
  readonly mounts: ReadonlyMap<string, string>;
}

/**
 * The layout from `/proc/self/mountinfo` (proc_pid_mountinfo(5)). OCI runtimes take the host for v2 if, and only if,
 * `/sys/fs/cgroup` itself is cgroup2; so does this.
 */
export function parseCgroupLayout(mountinfo: string): CgroupLayout {
  const mounts = new Map<string, string>();
  let version: 1 | 2 = 1;
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const mountPoint = left.split(' ')[4];
    const [type, , options = ''] = right.split(' ');
    if (mountPoint === undefined) continue;
    if (type === 'cgroup2') {
      mounts.set('unified', mountPoint);
      if (mountPoint === '/sys/fs/cgroup') version = 2;
    } else if (type === 'cgroup') {
      for (const option of options.split(',')) {
        if (v1Names.has(option)) mounts.set(option, mountPoint);
      }
    }
  }
  return { version, mounts };
}

/** Controllers of v1 (cgroups(7)); the other options of such a mount (`rw`, `xattr`) are none. */
const v1Names: ReadonlySet<string> = new Set([
  'blkio', 'cpu', 'cpuacct', 'cpuset', 'devices', 'freezer', 'hugetlb', 'memory', 'net_cls', 'net_prio', 'perf_event', 'pids', 'rdma', 'misc',
  'name=systemd',
]);

/** Hierarchies in which conmon gets a group of its own: those that count or limit, and those by which systemd finds a service's processes. */
const monitorNames = ['memory', 'pids', 'cpu', 'cpuacct', 'name=systemd', 'unified'] as const;

/** Every directory that stands for this group, one a hierarchy. */
export function everyDirectory(layout: CgroupLayout, path: string): readonly string[] {
  return [...new Set(layout.mounts.values())].map((mount) => join(mount, path));
}

/** The directories of conmon's group. */
export function monitorDirectories(layout: CgroupLayout, path: string): readonly string[] {
  const mounts = monitorNames.map((name) => layout.mounts.get(name)).filter((mount) => mount !== undefined);
  return [...new Set(mounts)].map((mount) => join(mount, path));
}

/** A controller's file, or undefined if the host has no such controller mounted. */
export function controllerFile(layout: CgroupLayout, controller: string, path: string, file: string): string | undefined {
  const mount = layout.mounts.get(layout.version === 2 ? 'unified' : controller);
  return mount === undefined ? undefined : join(mount, path, file);
}
