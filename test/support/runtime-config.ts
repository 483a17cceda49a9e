import type { OciConfig } from '../../src/runtime/index.ts';

export interface SafeConfigOptions {
  readonly rootfs: string;
  readonly cgroupPath: string;
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly uid?: number;
  readonly capabilities?: readonly string[];
  readonly memoryBytes?: number;
  /** `linux.seccomp`; by default none. */
  readonly seccomp?: unknown;
  /** More mounts. */
  readonly mounts?: readonly object[];
  /** With a user namespace: the host's id of its root. */
  readonly idBase?: number;
}

const namespaces = ['pid', 'mount', 'ipc', 'uts', 'network', 'cgroup'] as const;

/** A minimal config.json for tests: own namespaces, no rights, a read-only root; a user namespace only if it is asked for. */
export function safeConfig(options: SafeConfigOptions): OciConfig {
  const capabilities = options.capabilities ?? [];
  const uid = options.uid ?? 0;
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid, gid: uid },
      args: options.args,
      env: ['PATH=/bin', ...(options.env ?? [])],
      cwd: options.cwd ?? '/',
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
    },
    root: { path: options.rootfs, readonly: true },
    hostname: 'berth',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
      { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', 'size=64m'] },
      { destination: '/run', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'mode=755', 'size=1m'] },
      ...(options.mounts ?? []),
    ],
    linux: {
      ...(options.idBase === undefined ? {} : { uidMappings: idMappings(options.idBase), gidMappings: idMappings(options.idBase) }),
      cgroupsPath: options.cgroupPath,
      namespaces: [...namespaces, ...(options.idBase === undefined ? [] : ['user'])].map((type) => ({ type })),
      resources: {
        devices: [{ allow: false, access: 'rwm' }],
        pids: { limit: 64 },
        ...(options.memoryBytes === undefined ? {} : { memory: { limit: options.memoryBytes, swap: options.memoryBytes } }),
      },
      ...(options.seccomp === undefined ? {} : { seccomp: options.seccomp }),
      maskedPaths: ['/proc/kcore', '/proc/keys', '/proc/timer_list', '/sys/firmware'],
      readonlyPaths: ['/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}

function idMappings(base: number): readonly object[] {
  return [{ containerID: 0, hostID: base, size: 65_536 }];
}
