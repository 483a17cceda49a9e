/** Configs that mean harm, for tests: each field of the OCI runtime specification misused, and what becomes of it. */
import type { Json } from '../lib/json.ts';

/** What is to become of a config. */
type Outcome =
  /** Refused at exactly these JSON paths. */
  | { readonly refused: readonly string[] }
  /** Refused as a config that is none; the message holds this. */
  | { readonly malformed: string }
  /** Nothing is refused: what it asks for does no harm, or is answered by what every app has. */
  | 'harmless';

export interface HostileConfig {
  readonly what: string;
  /** The text of the file. */
  readonly text: string;
  /** Fields by path that make it hostile; absent for a text of its own. */
  readonly fields?: Fields;
  readonly outcome: Outcome;
}

export type Fields = Readonly<Record<string, Json>>;
type Row = readonly [what: string, fields: Fields, outcome: Outcome];

const refused = (...paths: string[]): Outcome => ({ refused: paths });
const malformed = (message: string): Outcome => ({ malformed: message });

const plain: { readonly [key: string]: Json } = {
  ociVersion: '1.0.2',
  process: { terminal: false, user: { uid: 0, gid: 0 }, args: ['/bin/sh', '-c', 'exec sleep 1000'], env: ['PATH=/bin'], cwd: '/', noNewPrivileges: true },
  root: { path: 'rootfs', readonly: true },
  linux: { namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })) },
};

/** A config that asks for nothing, with these fields set: `process.user.uid`, `linux.seccomp`. */
export function configWith(fields: Fields): Json {
  const config = structuredClone(plain) as Record<string, Json>;
  for (const [path, value] of Object.entries(fields)) {
    const steps = path.split('.');
    const last = steps.pop()!;
    let place = config;
    for (const step of steps) {
      place[step] ??= {};
      place = place[step] as Record<string, Json>;
    }
    // As a field of its own, also `__proto__`.
    Object.defineProperty(place, last, { value, enumerable: true, configurable: true, writable: true });
  }
  return config;
}

const mount = (...mounts: Json[]): Fields => ({ mounts });
const own = (...types: Json[]): Fields => ({ 'linux.namespaces': types });
const named = (...types: string[]): Json[] => types.map((type) => ({ type }));
const all = named('pid', 'mount', 'ipc', 'uts', 'network');
const hook = [{ path: '/bin/sh', args: ['sh', '-c', 'touch /escaped'] }];
const everyCapability = ['CAP_SYS_ADMIN', 'CAP_SYS_PTRACE', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_DAC_READ_SEARCH', 'CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_MKNOD', 'CAP_SYS_CHROOT', 'CAP_BPF'];

const top: readonly Row[] = [
  ['hooks before the start', { hooks: { prestart: hook } }, refused('hooks.prestart')],
  ['hooks when the runtime creates', { hooks: { createRuntime: hook } }, refused('hooks.createRuntime')],
  ['hooks in the container when it is created', { hooks: { createContainer: hook } }, refused('hooks.createContainer')],
  ['hooks in the container when it starts', { hooks: { startContainer: hook } }, refused('hooks.startContainer')],
  ['hooks after the start', { hooks: { poststart: hook } }, refused('hooks.poststart')],
  ['hooks after the end', { hooks: { poststop: hook } }, refused('hooks.poststop')],
  ['hooks of an unknown kind', { hooks: { preheat: hook } }, refused('hooks.preheat')],
  ['hooks of every kind at once', { hooks: { prestart: hook, poststop: hook } }, refused('hooks.prestart', 'hooks.poststop')],
  ['kinds of hooks without a hook', { hooks: { prestart: [], poststop: null } }, 'harmless'],
  ['hooks that are a list', { hooks: hook }, malformed('hooks is not an object')],
  ['a domain name', { domainname: 'example.org' }, refused('domainname')],
  ['a host name with an escape sequence', { hostname: '\u001b[2J' }, malformed('hostname')],
  ['a host name that is an option', { hostname: '--help' }, 'harmless'],
  ['a host name that is too long', { hostname: 'a'.repeat(65) }, malformed('hostname')],
  ['a host name that is a number', { hostname: 5 }, malformed('hostname is not a string')],
  ['a virtual machine', { vm: { kernel: { path: '/boot/vmlinuz' }, hypervisor: { path: '/bin/sh' } } }, refused('vm')],
  ['Windows', { windows: { layerFolders: ['C:\\'], hyperv: {} } }, refused('windows')],
  ['Solaris', { solaris: { limitpriv: 'all' } }, refused('solaris')],
  ['z/OS', { zos: { namespaces: [{ type: 'pid' }] } }, refused('zos')],
  ['FreeBSD', { freebsd: { devices: [{ path: '/dev/mem' }] } }, refused('freebsd')],
  ['a field that nobody knows', { privileged: true }, refused('privileged')],
  ['a field with a hostile name', { '\u001b[31m"': true }, refused(String.raw`["\u001b[31m\""]`)],
  ['the prototype of all objects', { ['__proto__']: { privileged: true } }, refused('__proto__')],
  ['a constructor', { constructor: { prototype: { privileged: true } } }, refused('constructor')],
  ['a prototype within the process', { 'process.__proto__': { args: ['/bin/evil'] } }, refused('process.__proto__')],
  ['a version that is a number', { ociVersion: 1 }, malformed('ociVersion is not a string')],
  ['root by an absolute path', { root: { path: '/' } }, malformed('root.path')],
  ['root above the bundle', { root: { path: '../../../..' } }, malformed('root.path')],
  ['root beside the rootfs', { root: { path: 'rootfs/..' } }, malformed('root.path')],
  ['root by way of a process', { root: { path: '/proc/self/root' } }, malformed('root.path')],
  ['root by way of an open file', { root: { path: '/proc/self/fd/3' } }, malformed('root.path')],
  ['root with a zero byte', { root: { path: 'rootfs\0/..' } }, malformed('root.path')],
  ['no root', { root: null }, malformed('root.path')],
  ['a writable root', { 'root.readonly': false }, refused('root.readonly')],
  ['a root that is read-only by a text', { 'root.readonly': 'false' }, malformed('root.readonly is not true or false')],
];

const processes: readonly Row[] = [
  ['no process', { process: null }, malformed('process is missing')],
  ['a terminal', { 'process.terminal': true, 'process.consoleSize': { height: 1e9, width: -1 } }, refused('process.terminal')],
  ['a size of no console', { 'process.consoleSize': { height: 2 ** 63, width: 'wide' } }, 'harmless'],
  ['new privileges', { 'process.noNewPrivileges': false }, refused('process.noNewPrivileges')],
  ['new privileges as a text', { 'process.noNewPrivileges': 'no' }, malformed('process.noNewPrivileges')],
  ['no AppArmor', { 'process.apparmorProfile': 'unconfined' }, refused('process.apparmorProfile')],
  ['a label of SELinux', { 'process.selinuxLabel': 'system_u:system_r:spc_t:s0' }, refused('process.selinuxLabel')],
  ['being spared when memory runs out', { 'process.oomScoreAdj': -1000 }, refused('process.oomScoreAdj')],
  ['being killed first', { 'process.oomScoreAdj': 1000 }, 'harmless'],
  ['a score for memory that is none', { 'process.oomScoreAdj': 5000 }, malformed('process.oomScoreAdj')],
  ['real-time scheduling', { 'process.scheduler': { policy: 'SCHED_FIFO', priority: 99 } }, refused('process.scheduler')],
  ['the best of block I/O', { 'process.ioPriority': { class: 'IOPRIO_CLASS_RT', priority: 0 } }, refused('process.ioPriority')],
  ['processors of its choice', { 'process.execCPUAffinity': { initial: '0', final: '0-63' } }, refused('process.execCPUAffinity')],
  ['a command line of Windows', { 'process.commandLine': 'cmd /c' }, refused('process.commandLine')],
  ['a user by name', { 'process.user.username': 'root' }, refused('process.user.username')],
  ['a user of the host', { 'process.user.uid': 65_536 }, malformed('process.user.uid')],
  ['a user below 0', { 'process.user.uid': -1 }, malformed('process.user.uid')],
  ['a user that is a fraction', { 'process.user.uid': 0.5 }, malformed('process.user.uid is not a whole number')],
  ['a user that is a text', { 'process.user.uid': '0' }, malformed('process.user.uid')],
  ['a user beyond what can be counted', { 'process.user.uid': 2 ** 53 }, malformed('process.user.uid')],
  ['the group of disks on the host', { 'process.user.additionalGids': [6, 100_000] }, malformed('process.user.additionalGids')],
  ['the group of disks in the container', { 'process.user.additionalGids': [6] }, 'harmless'],
  ['a umask with more', { 'process.user.umask': 0o7777 }, malformed('process.user.umask')],
  ['arguments that are no texts', { 'process.args': [{}] }, malformed('process.args')],
  ['no arguments', { 'process.args': [] }, malformed('process.args')],
  ['an empty program', { 'process.args': [''] }, malformed('process.args')],
  ['arguments with a zero byte', { 'process.args': ['/bin/sh\0'] }, malformed('process.args')],
  ['a loader of its own in the environment', { 'process.env': ['LD_PRELOAD=/evil.so', 'PATH=/bin'] }, 'harmless'],
  ['an environment that speaks to the runtime', { 'process.env': ['_LIBCONTAINER_INITPIPE=3', '_OCI_STARTPIPE=4', 'LISTEN_FDS=9', 'PATH=/bin'] }, 'harmless'],
  ['an environment without a name', { 'process.env': ['=x'] }, malformed('process.env[0]')],
  ['an environment with a zero byte', { 'process.env': ['A=\0'] }, malformed('process.env')],
  ['a working directory by way of an open file', { 'process.cwd': '/proc/self/fd/7' }, malformed('process.cwd')],
  ['a working directory by way of an open file, in disguise', { 'process.cwd': '/bin/../proc/self/fd/7' }, malformed('process.cwd')],
  ['a relative working directory', { 'process.cwd': '../..' }, malformed('process.cwd')],
  ['a working directory that is an object', { 'process.cwd': {} }, malformed('process.cwd')],
  ...(['bounding', 'effective', 'permitted', 'inheritable', 'ambient'] as const).map((set): Row => [
    `all capabilities, ${set}`, { 'process.capabilities': { [set]: everyCapability } }, refused(...everyCapability.map((_, index) => `process.capabilities.${set}[${index}]`)),
  ]),
  ['a capability by another name', { 'process.capabilities': { bounding: ['ALL', 'cap_sys_admin', 'SYS_ADMIN', ''] } }, refused('process.capabilities.bounding[0]', 'process.capabilities.bounding[1]', 'process.capabilities.bounding[2]', 'process.capabilities.bounding[3]')],
  ['an unknown set of capabilities', { 'process.capabilities': { securebits: ['CAP_KILL'] } }, refused('process.capabilities.securebits')],
  ['capabilities that are a list', { 'process.capabilities': ['CAP_SYS_ADMIN'] }, malformed('process.capabilities')],
  ['harmless capabilities of its own users', { 'process.capabilities': { bounding: ['CAP_CHOWN'], permitted: ['CAP_CHOWN'], effective: ['CAP_CHOWN'], inheritable: ['CAP_CHOWN'], ambient: ['CAP_CHOWN'] } }, 'harmless'],
  ['more open files than it may have', { 'process.rlimits': [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 1_000_000 }] }, refused('process.rlimits[0].hard')],
  ['real-time priority', { 'process.rlimits': [{ type: 'RLIMIT_RTPRIO', soft: 99, hard: 99 }] }, refused('process.rlimits[0].hard')],
  ['core files', { 'process.rlimits': [{ type: 'RLIMIT_CORE', soft: 1e9, hard: 1e9 }] }, refused('process.rlimits[0].hard')],
  ['locked memory', { 'process.rlimits': [{ type: 'RLIMIT_MEMLOCK', soft: 2 ** 40, hard: 2 ** 40 }] }, refused('process.rlimits[0].hard')],
  ['a resource limit that is none', { 'process.rlimits': [{ type: 'RLIMIT_ROOT', soft: 1, hard: 1 }] }, refused('process.rlimits[0]')],
  ['a resource limit by a name of JavaScript', { 'process.rlimits': [{ type: '__proto__', soft: 1, hard: 1 }] }, refused('process.rlimits[0]')],
  ['a resource limit twice', { 'process.rlimits': [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 1 }, { type: 'RLIMIT_NOFILE', soft: 1, hard: 1e6 }] }, malformed('process.rlimits[1].type')],
  ['a resource limit without end', { 'process.rlimits': [{ type: 'RLIMIT_NPROC', soft: 0, hard: 2 ** 64 }] }, malformed('process.rlimits[0].hard')],
  ['a resource limit below 0', { 'process.rlimits': [{ type: 'RLIMIT_NPROC', soft: -1, hard: -1 }] }, malformed('process.rlimits[0].soft')],
];

const bind = (source: string, more: { readonly [key: string]: Json } = {}): Fields => mount({ destination: '/host', type: 'bind', source, options: ['bind'], ...more });

const mounts: readonly Row[] = [
  ['the whole host', bind('/'), refused('mounts[0]')],
  ['the whole host with all below', bind('/', { options: ['rbind', 'rw', 'rshared'] }), refused('mounts[0]')],
  ['a directory of the host', bind('/etc'), refused('mounts[0]')],
  ['a directory of the host by type none', bind('/etc', { type: 'none' }), refused('mounts[0]')],
  ['a directory of the host by no type', mount({ destination: '/host', source: '/etc', options: ['rbind'] }), refused('mounts[0]')],
  ['a directory of the host by type tmpfs', bind('/etc', { type: 'tmpfs', options: ['rbind'] }), refused('mounts[0]')],
  ['a directory of the host by type proc', mount({ destination: '/proc', type: 'proc', source: '/etc', options: ['bind'] }), refused('mounts[0]')],
  ['a directory of the host by the option alone', mount({ destination: '/host', type: 'ext4', source: '/etc', options: ['bind'] }), refused('mounts[0]')],
  ['a relative source', bind('../../../../etc'), refused('mounts[0]')],
  ['a source with ..', bind('/srv/../etc'), refused('mounts[0]')],
  ['a source by way of an open file', bind('/proc/self/fd/3'), refused('mounts[0]')],
  ['a source by way of the first process', bind('/proc/1/root'), refused('mounts[0]')],
  ['a source that is a device', bind('/dev/mem'), refused('mounts[0]')],
  ['the socket of berthd', bind('/run/berth/berth.sock'), refused('mounts[0]')],
  ['the socket of Docker', bind('/var/run/docker.sock', { destination: '/var/run/docker.sock' }), refused('mounts[0]')],
  ['the source of a bind with a zero byte', bind('/srv\0/etc'), refused('mounts[0]')],
  ['no source', mount({ destination: '/host', type: 'bind', options: ['bind'] }), refused('mounts[0]')],
  ['a bind over /proc', bind('/srv', { destination: '/proc' }), refused('mounts[0]')],
  ['a bind over the update bus', bind('/srv', { destination: '/run/berth' }), refused('mounts[0]')],
  ['a disk', mount({ destination: '/disk', type: 'ext4', source: '/dev/sda1', options: [] }), refused('mounts[0]')],
  ['an overlay', mount({ destination: '/o', type: 'overlay', source: 'overlay', options: ['lowerdir=/etc', 'upperdir=/tmp/u', 'workdir=/tmp/w'] }), refused('mounts[0]')],
  ['FUSE', mount({ destination: '/f', type: 'fuse', source: 'x', options: ['fd=3', 'allow_other'] }), refused('mounts[0]')],
  ['9P', mount({ destination: '/p', type: '9p', source: 'host0', options: ['trans=virtio'] }), refused('mounts[0]')],
  ['NFS', mount({ destination: '/n', type: 'nfs', source: '192.0.2.1:/', options: [] }), refused('mounts[0]')],
  ['devtmpfs', mount({ destination: '/dev', type: 'devtmpfs', source: 'devtmpfs' }), refused('mounts[0]')],
  ['devtmpfs elsewhere', mount({ destination: '/mydev', type: 'devtmpfs', source: 'devtmpfs' }), refused('mounts[0]')],
  ['debugfs', mount({ destination: '/sys/kernel/debug', type: 'debugfs', source: 'debugfs' }), refused('mounts[0]')],
  ['tracefs', mount({ destination: '/t', type: 'tracefs', source: 'tracefs' }), refused('mounts[0]')],
  ['securityfs', mount({ destination: '/sys/kernel/security', type: 'securityfs', source: 'x' }), refused('mounts[0]')],
  ['binfmt_misc', mount({ destination: '/b', type: 'binfmt_misc', source: 'x' }), refused('mounts[0]')],
  ['a second proc elsewhere', mount({ destination: '/proc', type: 'proc', source: 'proc' }, { destination: '/proc2', type: 'proc', source: 'proc' }), refused('mounts[1]')],
  ['proc twice', mount({ destination: '/proc', type: 'proc', source: 'proc' }, { destination: '/proc', type: 'proc', source: 'proc' }), refused('mounts[1]')],
  ['a tmpfs twice', mount({ destination: '/a', type: 'tmpfs' }, { destination: '/a', type: 'tmpfs' }), refused('mounts[1]')],
  ['a writable sysfs', mount({ destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['rw'] }), refused('mounts[0].options[0]')],
  ['a sysfs elsewhere', mount({ destination: '/sys2', type: 'sysfs', source: 'sysfs', options: ['ro'] }), refused('mounts[0]')],
  ['writable control groups', mount({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['rw'] }), refused('mounts[0].options[0]')],
  ['control groups, version 2', mount({ destination: '/cg', type: 'cgroup2', source: 'cgroup' }), refused('mounts[0]')],
  ['control groups to read', mount({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'] }), 'harmless'],
  ['devices in /dev', mount({ destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['dev', 'suid'] }), refused('mounts[0].options[0]', 'mounts[0].options[1]')],
  ['terminals of the host', mount({ destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['gid=5', 'mode=666'] }), 'harmless'],
  ['a tmpfs over /proc', mount({ destination: '/proc', type: 'tmpfs', source: 'tmpfs' }), refused('mounts[0]')],
  ['a tmpfs over /proc/sys', mount({ destination: '/proc/sys', type: 'tmpfs' }), refused('mounts[0]')],
  ['a tmpfs over /sys/firmware', mount({ destination: '/sys/firmware', type: 'tmpfs' }), refused('mounts[0]')],
  ['a tmpfs over the update bus', mount({ destination: '/run/berth', type: 'tmpfs' }), refused('mounts[0]')],
  ['a tmpfs over exports', mount({ destination: '/run/exports/x', type: 'tmpfs' }), refused('mounts[0]')],
  ['a tmpfs over the root', mount({ destination: '/', type: 'tmpfs' }), refused('mounts[0]')],
  ['a tmpfs with ..', mount({ destination: '/a/../proc/sys', type: 'tmpfs' }), refused('mounts[0]')],
  ['a tmpfs with //', mount({ destination: '//proc', type: 'tmpfs' }), refused('mounts[0]')],
  ['a tmpfs with .', mount({ destination: '/./proc', type: 'tmpfs' }), refused('mounts[0]')],
  ['a relative destination', mount({ destination: 'proc', type: 'tmpfs' }), refused('mounts[0]')],
  ['a destination with an escape sequence', mount({ destination: '/\u001b[2J', type: 'tmpfs' }), refused('mounts[0]')],
  ['no destination', mount({ type: 'tmpfs' }), refused('mounts[0]')],
  ['a destination that is a number', mount({ destination: 5, type: 'tmpfs' }), malformed('mounts[0].destination')],
  ['a tmpfs with programs and devices', mount({ destination: '/a', type: 'tmpfs', options: ['exec', 'dev', 'suid'] }), refused('mounts[0].options[0]', 'mounts[0].options[1]', 'mounts[0].options[2]')],
  ['a shared tmpfs', mount({ destination: '/a', type: 'tmpfs', options: ['rshared'] }), refused('mounts[0].options[0]')],
  ['a tmpfs that follows the host', mount({ destination: '/a', type: 'tmpfs', options: ['slave'] }), refused('mounts[0].options[0]')],
  ['a remount', mount({ destination: '/a', type: 'tmpfs', options: ['remount', 'rw'] }), refused('mounts[0].options[0]')],
  ['a mount with other ids', mount({ destination: '/a', type: 'tmpfs', options: ['idmap'], uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] }), refused('mounts[0].options[0]', 'mounts[0].uidMappings')],
  ['a tmpfs that copies', mount({ destination: '/a', type: 'tmpfs', options: ['tmpcopyup'] }), refused('mounts[0].options[0]')],
  ['a tmpfs of a user of the host', mount({ destination: '/a', type: 'tmpfs', options: ['uid=0', 'gid=0'] }), refused('mounts[0].options[0]', 'mounts[0].options[1]')],
  ['an option with a comma', mount({ destination: '/a', type: 'tmpfs', options: ['ro,dev'] }), refused('mounts[0].options[0]')],
  ['a tmpfs without a bound', mount({ destination: '/a', type: 'tmpfs', options: ['size=0'] }), refused('mounts[0]')],
  ['a tmpfs of half the memory', mount({ destination: '/a', type: 'tmpfs', options: ['size=50%'] }), refused('mounts[0]')],
  ['a tmpfs that is too large', mount({ destination: '/a', type: 'tmpfs', options: ['size=1g'] }), refused('mounts[0]')],
  ['a tmpfs of two sizes', mount({ destination: '/a', type: 'tmpfs', options: ['size=1m', 'size=900g'] }), refused('mounts[0]')],
  ['a tmpfs with set-user bits', mount({ destination: '/a', type: 'tmpfs', options: ['mode=6777'] }), refused('mounts[0]')],
  ['shared memory that is too large', mount({ destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['size=1g'] }), refused('mounts[0]')],
  ['shared memory without a bound', mount({ destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['size=0'] }), refused('mounts[0]')],
  ['a /tmp without a bound, said last', mount({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['size=1m', 'size=0k'] }), refused('mounts[0]')],
  ['a tmpfs for everyone', mount({ destination: '/var/tmp', type: 'tmpfs', options: ['mode=1777', 'size=1m'] }), 'harmless'],
  ['mounts that are an object', { mounts: { 0: { destination: '/host' } } }, malformed('mounts is not an array')],
  ['a mount that is a text', mount('/etc:/host'), malformed('mounts[0] is not an object')],
  ['options that are a text', mount({ destination: '/a', type: 'tmpfs', options: 'bind' }), malformed('mounts[0].options')],
  ['more mounts than are looked at', mount(...Array.from({ length: 66 }, (_, index) => ({ destination: `/t${index}`, type: 'tmpfs' }))), refused('mounts[64]', 'mounts[65]')],
];

const namespaces: readonly Row[] = [
  ['the namespaces of the host, all of them', own(), refused('linux.namespaces')],
  ['the network of the host', own(...named('pid', 'mount', 'ipc', 'uts')), refused('linux.namespaces')],
  ['the processes of the host', own(...named('mount', 'ipc', 'uts', 'network')), refused('linux.namespaces')],
  ['the mounts of the host', own(...named('pid', 'ipc', 'uts', 'network')), refused('linux.namespaces')],
  ['no part for Linux', { linux: null }, refused('linux.namespaces')],
  ...['network', 'pid', 'mount', 'ipc', 'uts', 'user', 'cgroup'].map((type): Row => {
    const others = all.filter((other) => (other as { readonly type: string }).type !== type);
    return [`joining a ${type} namespace`, own(...others, { type, path: `/proc/1/ns/${type}` }), refused(`linux.namespaces[${others.length}].path`)];
  }),
  ['a namespace by way of an open file', own(...all.slice(0, 4), { type: 'network', path: '/proc/self/fd/9' }), refused('linux.namespaces[4].path')],
  ['a namespace with a time of its own', own(...all, { type: 'time' }), refused('linux.namespaces[5].type')],
  ['a namespace that is none', own(...all, { type: 'host' }), refused('linux.namespaces[5].type')],
  ['a namespace twice', own(...all, { type: 'network' }), refused('linux.namespaces[5]')],
  ['a user namespace of its own', own(...all, { type: 'user' }, { type: 'cgroup' }), 'harmless'],
  ['the network of the host by annotation', { annotations: { 'org.berth.network': 'host' } }, refused('annotations["org.berth.network"]')],
  ['a bridge by annotation', { annotations: { 'org.berth.network': 'bridge', 'org.berth.network.ports': '22:22/tcp' } }, refused('annotations["org.berth.network"]', 'annotations["org.berth.network.ports"]')],
  ['root as root of the host', { 'linux.uidMappings': [{ containerID: 0, hostID: 0, size: 65_536 }] }, refused('linux.uidMappings')],
  ['groups of the host', { 'linux.gidMappings': [{ containerID: 0, hostID: 0, size: 4_294_967_295 }] }, refused('linux.gidMappings')],
  ['another time', { 'linux.timeOffsets': { boottime: { secs: -1 } } }, refused('linux.timeOffsets')],
];

const linux: readonly Row[] = [
  ...['shared', 'rshared', 'slave', 'rslave', 'unbindable', 'host'].map((value): Row => [`a root that is ${value}`, { 'linux.rootfsPropagation': value }, refused('linux.rootfsPropagation')]),
  ['a private root', { 'linux.rootfsPropagation': 'rprivate' }, 'harmless'],
  ['a filter that allows all', { 'linux.seccomp': { defaultAction: 'SCMP_ACT_ALLOW' } }, refused('linux.seccomp')],
  ['a filter that asks a listener', { 'linux.seccomp': { defaultAction: 'SCMP_ACT_NOTIFY', listenerPath: '/run/evil.sock' } }, refused('linux.seccomp')],
  ['a filter that kills', { 'linux.seccomp': { defaultAction: 'SCMP_ACT_KILL' } }, refused('linux.seccomp')],
  ['a filter without one', { 'linux.seccomp': {} }, 'harmless'],
  ['nothing masked', { 'linux.maskedPaths': [] }, refused('linux.maskedPaths')],
  ['nothing read-only', { 'linux.readonlyPaths': [] }, refused('linux.readonlyPaths')],
  ['something else masked', { 'linux.maskedPaths': ['/etc/passwd'] }, refused('linux.maskedPaths[0]')],
  ['something masked with ..', { 'linux.maskedPaths': ['/proc/../etc'] }, refused('linux.maskedPaths[0]')],
  ['little masked', { 'linux.maskedPaths': ['/proc/kcore'], 'linux.readonlyPaths': ['/proc/sys'] }, 'harmless'],
  ['a label for mounts', { 'linux.mountLabel': 'x' }, refused('linux.mountLabel')],
  ['a personality', { 'linux.personality': { domain: 'LINUX32', flags: [] } }, refused('linux.personality')],
  ['memory bandwidth', { 'linux.intelRdt': { closID: 'x', l3CacheSchema: 'L3:0=ffff' } }, refused('linux.intelRdt')],
  ['a network interface of the host', { 'linux.netDevices': { eth0: { name: 'eth0' } } }, refused('linux.netDevices')],
  ['a control group elsewhere', { 'linux.cgroupsPath': '/' }, 'harmless'],
  ['a control group above', { 'linux.cgroupsPath': '../../..' }, 'harmless'],
  ['a control group of systemd', { 'linux.cgroupsPath': 'system.slice:runc:evil' }, 'harmless'],
  ['a control group that is a number', { 'linux.cgroupsPath': 5 }, malformed('linux.cgroupsPath')],
  ['a setting of the kernel', { 'linux.sysctl': { 'kernel.panic': '1' } }, refused('linux.sysctl["kernel.panic"]')],
  ['the handler of cores', { 'linux.sysctl': { 'kernel.core_pattern': '|/bin/evil' } }, refused('linux.sysctl["kernel.core_pattern"]')],
  ['a setting by way of a path', { 'linux.sysctl': Object.fromEntries([['net/../kernel/panic', '1']]) }, refused('linux.sysctl["net/../kernel/panic"]')],
  ['a setting of its network', { 'linux.sysctl': Object.fromEntries([['net.ipv4.ip_forward', '1']]) }, refused('linux.sysctl["net.ipv4.ip_forward"]')],
  ['a pattern of settings', { 'linux.sysctl': Object.fromEntries([['net.*', '1']]) }, refused('linux.sysctl["net.*"]')],
  ['a setting that is a number', { 'linux.sysctl': Object.fromEntries([['net.core.somaxconn', 1]]) }, malformed('linux.sysctl["net.core.somaxconn"]')],
  ['a policy for memory', { 'linux.memoryPolicy': { mode: 'MPOL_BIND', nodes: '0' } }, refused('linux.memoryPolicy')],
  ['a disk as a device', { 'linux.devices': [{ path: '/dev/sda', type: 'b', major: 8, minor: 0, fileMode: 0o666, uid: 0, gid: 0 }] }, refused('linux.devices[0]')],
  ['memory as a device', { 'linux.devices': [{ path: '/dev/mem', type: 'c', major: 1, minor: 1 }] }, refused('linux.devices[0]')],
  ['memory under a plain name', { 'linux.devices': [{ path: '/dev/null', type: 'c', major: 1, minor: 1 }] }, 'harmless'],
  ['a device outside /dev', { 'linux.devices': [{ path: '/etc/disk', type: 'b', major: 8, minor: 0 }] }, refused('linux.devices[0]')],
  ['a device with ..', { 'linux.devices': [{ path: '/dev/../etc/disk', type: 'b', major: 8, minor: 0 }] }, refused('linux.devices[0]')],
  ['FUSE as a device', { 'linux.devices': [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229 }] }, refused('linux.devices[0]')],
  ['a device of a number that is a text', { 'linux.devices': [{ path: '/dev/x', type: 'c', major: '1', minor: 1 }] }, malformed('linux.devices[0].major')],
];

const resource = (path: string, value: Json): Fields => ({ [`linux.resources.${path}`]: value });
const at = (path: string): Outcome => refused(`linux.resources.${path}`);

const resources: readonly Row[] = [
  ['all devices by number', resource('devices', [{ allow: true, access: 'rwm' }]), at('devices[0]')],
  ['the disk by number', resource('devices', [{ allow: false, access: 'rwm' }, { allow: true, type: 'b', major: 8, minor: 0, access: 'rwm' }]), at('devices[1]')],
  ['making any node', resource('devices', [{ allow: true, type: 'c', access: 'm' }]), at('devices[0]')],
  ['no devices', resource('devices', [{ allow: false, access: 'rwm' }]), 'harmless'],
  ['all memory', resource('memory', { limit: -1 }), at('memory.limit')],
  ['much memory', resource('memory', { limit: 2 ** 40 }), at('memory.limit')],
  ['memory beyond what can be counted', resource('memory', { limit: 2 ** 53 }), malformed('memory.limit')],
  ['memory as a text', resource('memory', { limit: '64m' }), malformed('memory.limit')],
  ['memory as a fraction', resource('memory', { limit: 1.5 }), malformed('memory.limit')],
  ['memory below 0', resource('memory', { limit: -2 }), malformed('memory.limit')],
  ['endless memory', resource('memory', { limit: 1e300 }), malformed('memory.limit')],
  ['all swap', resource('memory', { limit: 2 ** 24, swap: -1 }), at('memory.swap')],
  ['much swap', resource('memory', { limit: 2 ** 24, swap: 2 ** 40 }), at('memory.swap')],
  ['memory kept from others', resource('memory', { reservation: 2 ** 30 }), at('memory.reservation')],
  ['memory of the kernel', resource('memory', { kernel: -1, kernelTCP: -1 }), refused('linux.resources.memory.kernel', 'linux.resources.memory.kernelTCP')],
  ['swapping others out', resource('memory', { swappiness: 100 }), at('memory.swappiness')],
  ['never being killed', resource('memory', { disableOOMKiller: true }), at('memory.disableOOMKiller')],
  ['memory of its children elsewhere', resource('memory', { useHierarchy: false }), at('memory.useHierarchy')],
  ['processes without end', resource('pids', { limit: -1 }), at('pids.limit')],
  ['very many processes', resource('pids', { limit: 4_194_304 }), at('pids.limit')],
  ['processes as an object', resource('pids', { limit: {} }), malformed('pids.limit')],
  ['more of the processors than others', resource('cpu', { shares: 262_144 }), at('cpu.shares')],
  ['real time', resource('cpu', { realtimeRuntime: 950_000, realtimePeriod: 1_000_000 }), refused('linux.resources.cpu.realtimeRuntime', 'linux.resources.cpu.realtimePeriod')],
  ['processors of its own', resource('cpu', { cpus: '0', mems: '0' }), refused('linux.resources.cpu.cpus', 'linux.resources.cpu.mems')],
  ['bursts', resource('cpu', { quota: 50_000, burst: 1_000_000 }), at('cpu.burst')],
  ['hardly a period', resource('cpu', { quota: 50_000, period: 1 }), malformed('cpu.period')],
  ['hardly any processor time', resource('cpu', { quota: 1 }), malformed('cpu.quota')],
  ['more of the disk than others', resource('blockIO', { weight: 1000 }), at('blockIO.weight')],
  ['a disk by number', resource('blockIO', { weightDevice: [{ major: 8, minor: 0, weight: 1000 }] }), at('blockIO.weightDevice')],
  ['another disk held up', resource('blockIO', { throttleWriteBpsDevice: [{ major: 8, minor: 0, rate: 1 }] }), at('blockIO.throttleWriteBpsDevice')],
  ['large pages', resource('hugepageLimits', [{ pageSize: '1GB', limit: 2 ** 40 }]), at('hugepageLimits')],
  ['a class of packets', resource('network', { classID: 1, priorities: [{ name: 'eth0', priority: 1 }] }), at('network')],
  ['RDMA', resource('rdma', { mlx5_1: { hcaHandles: 3 } }), at('rdma')],
  ['files of version 2 as they are', resource('unified', { 'memory.max': 'max', '../../cgroup.procs': '1' }), at('unified')],
];

const annotations: readonly Row[] = [
  ['options of crun', { annotations: { 'run.oci.keep_original_groups': '1' } }, refused('annotations["run.oci.keep_original_groups"]')],
  ['hooks of crun', { annotations: { 'run.oci.hooks.stdout': '/etc/passwd' } }, refused('annotations["run.oci.hooks.stdout"]')],
  ['another handler of crun', { annotations: { 'run.oci.handler': 'krun' } }, refused('annotations["run.oci.handler"]')],
  ['properties of systemd', { annotations: { 'org.systemd.property.DeviceAllow': "[('/dev/sda','rwm')]" } }, refused('annotations["org.systemd.property.DeviceAllow"]')],
  ['options of CRIU', { annotations: { 'org.criu.config': '/evil' } }, refused('annotations["org.criu.config"]')],
  ['words about the image', { annotations: { 'org.opencontainers.image.title': '\u001b[2Jhello' } }, 'harmless'],
  ['an unknown setting of Berth', { annotations: { 'org.berth.privileged': 'yes' } }, malformed('annotations["org.berth.privileged"]')],
  ['annotations that are no texts', { annotations: { a: { b: 'c' } } }, malformed('annotations["a"]')],
  ['data over /proc', { annotations: { 'org.berth.data': '/proc/sys' } }, malformed('annotations["org.berth.data"]')],
  ['data above', { annotations: { 'org.berth.data': '/data/../../etc' } }, malformed('annotations["org.berth.data"]')],
  ['names on the system bus', { annotations: { 'org.berth.bus.own': 'org.freedesktop.systemd1', 'org.berth.bus.talk': 'org.freedesktop.login1' } }, refused('annotations["org.berth.bus.talk"]', 'annotations["org.berth.bus.own"]')],
  ['the manager of Berth itself', { annotations: { 'org.berth.bus.talk': 'org.berth.Manager1' } }, refused('annotations["org.berth.bus.talk"]')],
];

/** Texts that are no JSON, or not the same JSON for everybody. */
const texts: readonly (readonly [what: string, text: string, outcome: Outcome])[] = [
  ['no text', '', malformed('not JSON')],
  ['half a text', '{"process":', malformed('not JSON')],
  ['something behind the text', `${JSON.stringify(plain)}{}`, malformed('not JSON')],
  ['a list', '[]', malformed('not a JSON object')],
  ['null', 'null', malformed('not a JSON object')],
  ['a comment', `/* */${JSON.stringify(plain)}`, malformed('not JSON')],
  ['a field twice', JSON.stringify(plain).replace('"root":', '"root":{"path":"/"},"root":'), malformed('"root" twice')],
  ['a field twice, once by an escape', JSON.stringify(plain).replace('"root":', String.raw`"\u0072oot":{"path":"/"},"root":`), malformed('"root" twice')],
  ['a field twice, deep within', JSON.stringify(plain).replace('"uid":0', '"uid":1,"uid":0'), malformed('process.user holds "uid" twice')],
  ['a prototype twice', JSON.stringify(plain).replace('{', '{"__proto__":{},"__proto__":{},'), malformed('"__proto__" twice')],
  ['deep nesting', JSON.stringify(plain).replace('{', `{"deep":${'['.repeat(5000)}${']'.repeat(5000)},`), malformed('nested deeper')],
  ['half a character', JSON.stringify(plain).replace('/bin/sh', String.raw`/bin/\ud800`), malformed('not Unicode')],
  ['half a character in a name', JSON.stringify(plain).replace('{', String.raw`{"\udfff":1,`), malformed('not Unicode')],
  ['a zero byte in the root', JSON.stringify(plain).replace('rootfs', String.raw`rootfs\u0000`), malformed('root.path')],
  ['not a number', JSON.stringify(plain).replace('"uid":0', '"uid":NaN'), malformed('not JSON')],
  ['more than any number', JSON.stringify(plain).replace('"uid":0', '"uid":1e999'), malformed('process.user.uid')],
  ['a number that is rounded', JSON.stringify(plain).replace('"uid":0', '"uid":9007199254740993'), malformed('process.user.uid')],
  ['0 below 0', JSON.stringify(plain).replace('"uid":0', '"uid":-0'), 'harmless'],
];

/** All of them. */
export const hostileConfigs: readonly HostileConfig[] = [
  ...[...top, ...processes, ...mounts, ...namespaces, ...linux, ...resources, ...annotations].map(([what, fields, outcome]): HostileConfig => ({ what, fields, outcome, text: JSON.stringify(configWith(fields)) })),
  ...texts.map(([what, text, outcome]): HostileConfig => ({ what, text, outcome })),
];
