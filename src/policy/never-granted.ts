/** Why no policy grants these fields, by JSON path; in the order in which they are tried. */
const reasons: readonly (readonly [path: RegExp, why: string])[] = [
  [/^hooks\./, 'a hook would run on the host as root'],
  [/^linux\.seccomp$/, "every app has Berth's own filter of system calls; what an app wants to do without beyond that, it filters itself (seccomp(2))"],
  [/^linux\.[ug]idMappings$/, 'Berth gives every app users and groups of its own'],
  [/^mounts\[\d+\]\.[ug]idMappings$/, 'files belong to whom the image says'],
  [/^linux\.(mountLabel|intelRdt|personality|timeOffsets|netDevices|memoryPolicy)$/, 'it changes what the host decides for all apps'],
  [/^linux\.resources\.unified$/, 'settings of a control group are granted by the names of memory, pids, cpu and blockIO only'],
  [/^linux\.resources\.(network|rdma|hugepageLimits)$/, 'Berth does not grant this limit'],
  [/^linux\.resources\./, 'Berth does not grant this limit'],
  [/^process\.(apparmorProfile|selinuxLabel)$/, 'the confinement of an app is not its own to choose'],
  [/^process\.(scheduler|ioPriority|execCPUAffinity)$/, 'how an app is scheduled follows from its share of the processors'],
  [/^(vm|windows|solaris|zos|freebsd)$/, 'Berth runs containers of Linux only'],
];

/** Why a field that Berth does not know or grant is refused. */
export function whyNeverGranted(path: string): string {
  return reasons.find(([pattern]) => pattern.test(path))?.[1] ?? 'Berth does not grant this field';
}
