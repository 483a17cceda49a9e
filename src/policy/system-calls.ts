/**
 * The kernel's calls by what an app may do with them. Names are those of libseccomp; one that an older libseccomp does
 * not know, or that another architecture lacks, is passed over by the OCI runtimes.
 */

/**
 * What programs are made of; every app may use these, on 32 bits with the names that such a kernel has besides. Not among
 * them is `io_setup` with what belongs to it: its events are one pool of the whole machine (`fs.aio-max-nr`), which one
 * app could take; programs do without on kernels that lack it.
 */
export const ordinaryCalls: readonly string[] = [
  // Files by path and descriptor.
  'access', 'chdir', 'chmod', 'chown', 'chown32', 'close', 'close_range', 'copy_file_range', 'creat', 'dup', 'dup2', 'dup3', 'faccessat', 'faccessat2',
  'fadvise64', 'fadvise64_64', 'arm_fadvise64_64', 'fallocate', 'fchdir', 'fchmod', 'fchmodat', 'fchmodat2', 'fchown', 'fchown32', 'fchownat', 'fcntl', 'fcntl64',
  'fdatasync', 'fgetxattr', 'flistxattr', 'flock', 'fremovexattr', 'fsetxattr', 'fstat', 'fstat64', 'fstatat64', 'fstatfs', 'fstatfs64', 'fsync', 'ftruncate',
  'ftruncate64', 'futimesat', 'getcwd', 'getdents', 'getdents64', 'getxattr', 'getxattrat', 'lchown', 'lchown32', 'lgetxattr', 'link', 'linkat', 'listxattr',
  'listxattrat', 'llistxattr', 'lremovexattr', '_llseek', 'lseek', 'lsetxattr', 'lstat', 'lstat64', 'mkdir', 'mkdirat', 'newfstatat', 'open', 'openat', 'openat2',
  'pread64', 'preadv', 'preadv2', 'pwrite64', 'pwritev', 'pwritev2', 'read', 'readahead', 'readdir', 'readlink', 'readlinkat', 'readv', 'removexattr',
  'removexattrat', 'rename', 'renameat', 'renameat2', 'rmdir', 'sendfile', 'sendfile64', 'setxattr', 'setxattrat', 'splice', 'stat', 'stat64', 'statfs', 'statfs64',
  'statx', 'symlink', 'symlinkat', 'sync', 'sync_file_range', 'sync_file_range2', 'arm_sync_file_range', 'syncfs', 'tee', 'truncate', 'truncate64', 'umask',
  'unlink', 'unlinkat', 'utime', 'utimensat', 'utimensat_time64', 'utimes', 'vmsplice', 'write', 'writev',
  // Waiting for descriptors, and hearing of changes.
  'epoll_create', 'epoll_create1', 'epoll_ctl', 'epoll_pwait', 'epoll_pwait2', 'epoll_wait', 'eventfd', 'eventfd2', 'inotify_add_watch', 'inotify_init',
  'inotify_init1', 'inotify_rm_watch', '_newselect', 'pipe', 'pipe2', 'poll', 'ppoll', 'ppoll_time64', 'pselect6', 'pselect6_time64', 'select', 'signalfd', 'signalfd4',
  'timerfd_create', 'timerfd_gettime', 'timerfd_gettime64', 'timerfd_settime', 'timerfd_settime64',
  // Memory.
  'brk', 'cachestat', 'madvise', 'map_shadow_stack', 'membarrier', 'memfd_create', 'memfd_secret', 'mincore', 'mlock', 'mlock2', 'mlockall', 'mmap', 'mmap2',
  'mprotect', 'mremap', 'mseal', 'msync', 'munlock', 'munlockall', 'munmap', 'pkey_alloc', 'pkey_free', 'pkey_mprotect',
  // Processes and threads. What clone and unshare may do is in `seccomp.ts`.
  'arch_prctl', 'breakpoint', 'cacheflush', 'capget', 'capset', 'execve', 'execveat', 'exit', 'exit_group', 'fork', 'futex', 'futex_requeue', 'futex_time64', 'futex_wait',
  'futex_waitv', 'futex_wake', 'get_robust_list', 'get_thread_area', 'get_tls', 'getcpu', 'getpgid', 'getpgrp', 'getpid', 'getppid', 'getpriority', 'getrlimit', 'getrusage', 'getsid',
  'gettid', 'ioprio_get', 'ioprio_set', 'landlock_add_rule', 'landlock_create_ruleset', 'landlock_restrict_self', 'nice', 'pidfd_open', 'prctl', 'prlimit64',
  'process_mrelease', 'restart_syscall', 'rseq', 'sched_get_priority_max', 'sched_get_priority_min', 'sched_getaffinity', 'sched_getattr', 'sched_getparam',
  'sched_getscheduler', 'sched_rr_get_interval', 'sched_rr_get_interval_time64', 'sched_setaffinity', 'sched_setattr', 'sched_setparam',
  'sched_setscheduler', 'sched_yield', 'seccomp', 'set_robust_list', 'set_thread_area', 'set_tid_address', 'set_tls', 'setpgid', 'setpriority', 'setrlimit',
  'setsid', 'sysinfo', 'times', 'ugetrlimit', 'uname', 'vfork', 'wait4', 'waitid', 'waitpid',
  // Signals.
  'alarm', 'getitimer', 'kill', 'pause', 'pidfd_send_signal', 'rt_sigaction', 'rt_sigpending', 'rt_sigprocmask', 'rt_sigqueueinfo', 'rt_sigreturn', 'rt_sigsuspend',
  'rt_sigtimedwait', 'rt_sigtimedwait_time64', 'rt_tgsigqueueinfo', 'setitimer', 'sigaction', 'sigaltstack', 'signal', 'sigpending', 'sigprocmask',
  'sigreturn', 'sigsuspend', 'tgkill', 'tkill',
  // Identity; the kernel asks for capabilities, and the app's own user namespace bounds the numbers.
  'getegid', 'getegid32', 'geteuid', 'geteuid32', 'getgid', 'getgid32', 'getgroups', 'getgroups32', 'getresgid', 'getresgid32', 'getresuid', 'getresuid32', 'getuid',
  'getuid32', 'setfsgid', 'setfsgid32', 'setfsuid', 'setfsuid32', 'setgid', 'setgid32', 'setgroups', 'setgroups32', 'setregid', 'setregid32', 'setresgid',
  'setresgid32', 'setresuid', 'setresuid32', 'setreuid', 'setreuid32', 'setuid', 'setuid32',
  // Sockets, once made; `setsockopt` is in `seccomp.ts`.
  'accept', 'accept4', 'bind', 'connect', 'getpeername', 'getsockname', 'getsockopt', 'listen', 'recv', 'recvfrom', 'recvmmsg', 'recvmmsg_time64', 'recvmsg', 'send',
  'sendmmsg', 'sendmsg', 'sendto', 'shutdown', 'socketpair',
  // System V and POSIX IPC, in the app's own namespace.
  'ipc', 'mq_getsetattr', 'mq_notify', 'mq_open', 'mq_timedreceive', 'mq_timedreceive_time64', 'mq_timedsend', 'mq_timedsend_time64', 'mq_unlink', 'msgctl', 'msgget',
  'msgrcv', 'msgsnd', 'semctl', 'semget', 'semop', 'semtimedop', 'semtimedop_time64', 'shmat', 'shmctl', 'shmdt', 'shmget',
  // Time and chance.
  'clock_getres', 'clock_getres_time64', 'clock_gettime', 'clock_gettime64', 'clock_nanosleep', 'clock_nanosleep_time64', 'getrandom', 'gettimeofday', 'nanosleep',
  'time', 'timer_create', 'timer_delete', 'timer_getoverrun', 'timer_gettime', 'timer_gettime64', 'timer_settime', 'timer_settime64',
];

/** Refused to everybody: what has been a way out of containers again and again, and no capability stands for. */
export const refusedCalls: readonly string[] = ['add_key', 'io_uring_enter', 'io_uring_register', 'io_uring_setup', 'keyctl', 'modify_ldt', 'request_key', 'vm86', 'vm86old'];

/** Refused unless the app was granted one of the capabilities (capabilities(7)) that they are listed under. */
export const callsByCapability: Readonly<Record<string, readonly string[]>> = {
  CAP_BPF: ['bpf'],
  CAP_DAC_READ_SEARCH: ['name_to_handle_at', 'open_by_handle_at'],
  CAP_PERFMON: ['bpf', 'perf_event_open'],
  CAP_SYS_ADMIN: [
    'bpf', 'fanotify_init', 'fanotify_mark', 'fsconfig', 'fsmount', 'fsopen', 'fspick', 'mount', 'mount_setattr', 'move_mount', 'open_tree', 'perf_event_open', 'pivot_root',
    'quotactl', 'quotactl_fd', 'setdomainname', 'sethostname', 'setns', 'swapoff', 'swapon', 'syslog', 'umount', 'umount2',
  ],
  CAP_SYS_BOOT: ['kexec_file_load', 'kexec_load', 'reboot'],
  CAP_SYS_CHROOT: ['chroot'],
  CAP_SYS_MODULE: ['delete_module', 'finit_module', 'init_module'],
  CAP_SYS_NICE: ['get_mempolicy', 'mbind', 'migrate_pages', 'move_pages', 'set_mempolicy', 'set_mempolicy_home_node'],
  CAP_SYS_PACCT: ['acct'],
  CAP_SYS_PTRACE: ['kcmp', 'pidfd_getfd', 'process_madvise', 'process_vm_readv', 'process_vm_writev', 'ptrace', 'userfaultfd'],
  CAP_SYS_RAWIO: ['ioperm', 'iopl'],
  CAP_SYS_TIME: ['adjtimex', 'clock_adjtime', 'clock_adjtime64', 'clock_settime', 'clock_settime64', 'settimeofday', 'stime'],
  CAP_SYS_TTY_CONFIG: ['vhangup'],
  CAP_SYSLOG: ['syslog'],
};
