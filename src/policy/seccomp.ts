import { callsByCapability, ordinaryCalls, refusedCalls } from './system-calls.ts';

/** `linux.seccomp` of the OCI runtime specification. */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ERRNO';
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  readonly errnoRet?: number;
  /** All must hold. */
  readonly args?: readonly SeccompArgument[];
}

/** A condition on an argument: equal to `value`, above it, or with the bits of the mask in `value` equal to `valueTwo`. */
export type SeccompArgument =
  | { readonly index: number; readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_GT'; readonly value: number }
  | { readonly index: number; readonly op: 'SCMP_CMP_MASKED_EQ'; readonly value: number; readonly valueTwo: number };

/** errno(3), the same on every architecture below. */
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** What a kernel of each of Node's architectures runs besides its own programs (seccomp_arch_add(3)). */
const architectures: Readonly<Partial<Record<NodeJS.Architecture, readonly string[]>>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
  ia32: ['SCMP_ARCH_X86'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  arm: ['SCMP_ARCH_ARM'],
};

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET of clone(2); NEWTIME, which only unshare(2) takes here. */
const newNamespaces = [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
const newTimeNamespace = 0x80;

/** PER_LINUX, PER_LINUX32, both with UNAME26, and the question which one is in force (personality(2)). */
const personalities = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/** Types of file of mknod(2), `S_IFMT` and in it none, FIFO, regular and socket: all but devices. */
const fileTypeMask = 0o170000;
const harmlessFileTypes = [0, 0o010000, 0o100000, 0o140000];

const deviceTypes = [0o020000, 0o060000];

/** Requests of ioctl(2) that put words into the mouth of whoever sits at the terminal: TIOCSTI, TIOCLINUX. */
const refusedRequests = [0x5412, 0x541c];

/** Address families (socket(2)): UNIX, INET, INET6; NETLINK is for ROUTE alone, by which programs list their addresses. */
const ordinaryFamilies = [1, 2, 10];
const netlink = { family: 16, route: 0 };
/** PACKET, CAN and BLUETOOTH reach an interface below the rules of the network. */
const rawFamilies = [17, 29, 31];

/**
 * SO_ATTACH_FILTER and SO_ATTACH_REUSEPORT_CBPF at the level SOL_SOCKET (socket(7)): the machine code of such filters is
 * one pool of all users (`net.core.bpf_jit_limit`). When an app has taken it, the filter of no other can be loaded, and so
 * none be started.
 */
const filterOptions = { level: 1, names: [26, 51] };

/**
 * The filter on an app's calls of the kernel: it lists what is allowed. What Berth knows and refuses gives EPERM, what it
 * does not know ENOSYS, so that programs which try a newer call fall back on an older one.
 * @param granted the app's capabilities, which open the calls that they are about
 */
export function seccompProfile(granted: readonly string[], architecture: NodeJS.Architecture = process.arch): SeccompProfile {
  const opened = new Set(granted.flatMap((capability) => callsByCapability[capability] ?? []));
  const guarded = [...new Set(Object.values(callsByCapability).flat())];
  const has = (capability: string): boolean => granted.includes(capability);
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ENOSYS,
    architectures: architectures[architecture] ?? [],
    syscalls: [
      allow([...ordinaryCalls, ...opened]),
      refuse([...refusedCalls, ...guarded.filter((call) => !opened.has(call))]),
      ...namespaceRules(has('CAP_SYS_ADMIN')),
      ...socketRules(granted),
      ...(has('CAP_NET_ADMIN') || has('CAP_NET_RAW') ? [allow(['setsockopt'])] : socketOptionRules()),
      ...(has('CAP_MKNOD') ? [allow(['mknod', 'mknodat'])] : [...nodeRules('mknod', 1), ...nodeRules('mknodat', 2)]),
      ...personalities.map((value) => allow(['personality'], [equal(0, value)])),
      ...allBut(refusedRequests).map((bits) => allow(['ioctl'], [masked(1, bits)])),
      ...refusedRequests.map((request) => refuse(['ioctl'], [masked(1, { mask: allBits, bits: request })])),
    ],
  };
}

/** clone3 takes its flags from memory, where no filter sees them: not known to anybody but who may make namespaces. */
function namespaceRules(mayMake: boolean): readonly SeccompRule[] {
  if (mayMake) return [allow(['clone', 'clone3', 'unshare'])];
  return [...withoutFlags('clone', newNamespaces), ...withoutFlags('unshare', [...newNamespaces, newTimeNamespace])];
}

/** The first argument may hold none of these flags. */
function withoutFlags(call: string, flags: readonly number[]): readonly SeccompRule[] {
  const all = flags.reduce((sum, flag) => sum + flag, 0);
  return [
    allow([call], [masked(0, { mask: all, bits: 0 })]),
    ...flags.map((flag) => refuse([call], [masked(0, { mask: flag, bits: flag })])),
  ];
}

function socketRules(granted: readonly string[]): readonly SeccompRule[] {
  if (granted.includes('CAP_NET_ADMIN')) return [allow(['socket', 'socketcall'])];
  const families = granted.includes('CAP_NET_RAW') ? [...ordinaryFamilies, ...rawFamilies] : ordinaryFamilies;
  return [
    // The way of x86 before Linux 4.3, with its arguments in memory; first, as libseccomp applies the others to it too.
    refuse(['socketcall']),
    ...families.map((family) => allow(['socket'], [equal(0, family)])),
    allow(['socket'], [equal(0, netlink.family), equal(2, netlink.route)]),
    // What programs know from a kernel without such a family; the few of no use that are numbered in between are unknown.
    refuse(['socket'], [{ index: 0, op: 'SCMP_CMP_GT', value: Math.max(...families, netlink.family) }], EAFNOSUPPORT),
  ];
}

function socketOptionRules(): readonly SeccompRule[] {
  const ofSockets = masked(1, { mask: allBits, bits: filterOptions.level });
  return [
    ...allBut([filterOptions.level]).map((bits) => allow(['setsockopt'], [masked(1, bits)])),
    ...allBut(filterOptions.names).map((bits) => allow(['setsockopt'], [ofSockets, masked(2, bits)])),
    ...filterOptions.names.map((bits) => refuse(['setsockopt'], [ofSockets, masked(2, { mask: allBits, bits })])),
  ];
}

/** @param index of the argument that holds the file's mode */
function nodeRules(call: string, index: number): readonly SeccompRule[] {
  return [
    ...harmlessFileTypes.map((type) => allow([call], [masked(index, { mask: fileTypeMask, bits: type })])),
    ...deviceTypes.map((type) => refuse([call], [masked(index, { mask: fileTypeMask, bits: type })])),
  ];
}

/** Numbers of 32 bits that have these `bits` where the mask has ones. */
export interface BitPattern {
  readonly mask: number;
  readonly bits: number;
}

const allBits = 0xffff_ffff;

/**
 * Patterns that every number of 32 bits matches but these. The kernel takes such arguments as 32 bits and looks at no
 * others, a filter compares 64: "not equal" would let the same number with other upper bits through.
 */
export function allBut(excluded: readonly number[]): readonly BitPattern[] {
  const patterns: BitPattern[] = [];
  const descend = (mask: number, bits: number, bit: number, below: readonly number[]): void => {
    if (below.length === 0) patterns.push({ mask, bits });
    else if (bit > 1) {
      const half = bit / 2;
      // Division, as `&` would make negative numbers of those with the highest bit.
      const isSet = (value: number): boolean => Math.floor(value / half) % 2 === 1;
      descend(mask + half, bits, half, below.filter((value) => !isSet(value)));
      descend(mask + half, bits + half, half, below.filter(isSet));
    }
  };
  descend(0, 0, 2 ** 32, excluded);
  return patterns;
}

function equal(index: number, value: number): SeccompArgument {
  return { index, op: 'SCMP_CMP_EQ', value };
}

function masked(index: number, { mask, bits }: BitPattern): SeccompArgument {
  return { index, op: 'SCMP_CMP_MASKED_EQ', value: mask, valueTwo: bits };
}

function allow(names: readonly string[], args?: readonly SeccompArgument[]): SeccompRule {
  return { names, action: 'SCMP_ACT_ALLOW', ...(args === undefined ? {} : { args }) };
}

function refuse(names: readonly string[], args?: readonly SeccompArgument[], errno = EPERM): SeccompRule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet: errno, ...(args === undefined ? {} : { args }) };
}
