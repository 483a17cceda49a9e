/** The filter on calls of the kernel, each tried in a real container: refused with the right errno, or let through. */
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { callsByCapability, seccompProfile } from '../src/policy/index.ts';
import { whyNoContainers } from './support/berthd.ts';
import { callsCommand, installCalls, type Call } from './support/calls.ts';
import { copyPrograms, copyPythonModules } from './support/programs.ts';
import { RuntimeBench } from './support/runtime-bench.ts';

const skip = whyNoContainers() ?? (process.arch === 'x64' ? undefined : 'the numbers of the calls are those of x86-64');
const options = skip === undefined ? { timeout: 120_000 } : { skip };

type Attempt = readonly [what: string, answer: 'EPERM' | 'ENOSYS' | 'EAFNOSUPPORT', number: number, ...args: (number | string)[]];

/** Refused without a capability; harmless if they were let through, and then they give another answer. */
const guarded: readonly Attempt[] = [
  ['mount', 'EPERM', 165, 0, 0, 0, 0, 0], ['umount2', 'EPERM', 166, 0, 0], ['pivot_root', 'EPERM', 155, 0, 0], ['chroot', 'EPERM', 161, 0],
  ['open_tree', 'EPERM', 428, 99, 0, 0], ['move_mount', 'EPERM', 429, 99, 0, 99, 0, 0], ['fsopen', 'EPERM', 430, 0, 0], ['fsconfig', 'EPERM', 431, 99, 0, 0, 0, 0],
  ['fsmount', 'EPERM', 432, 99, 0, 0], ['fspick', 'EPERM', 433, 99, 0, 0], ['mount_setattr', 'EPERM', 442, 99, 0, 0, 0, 0],
  ['setns', 'EPERM', 308, 99, 0], ['unshare(CLONE_NEWUSER)', 'EPERM', 272, 0x1000_0000], ['unshare(CLONE_NEWTIME)', 'EPERM', 272, 0x80], ['unshare(CLONE_NEWNS)', 'EPERM', 272, 0x2_0000],
  ['clone(CLONE_NEWNET)', 'EPERM', 56, 0x4000_0011, 0, 0, 0, 0], ['clone3', 'ENOSYS', 435, 0, 0],
  ['init_module', 'EPERM', 175, 0, 0, 0], ['finit_module', 'EPERM', 313, 99, 0, 0], ['delete_module', 'EPERM', 176, 0, 0],
  ['kexec_load', 'EPERM', 246, 0, 99, 0, 0xff], ['kexec_file_load', 'EPERM', 320, 99, 99, 0, 0, 0xff00], ['reboot', 'EPERM', 169, 0, 0, 0, 0],
  ['bpf', 'EPERM', 321, 99, 0, 0], ['perf_event_open', 'EPERM', 298, 0, 0, 0, 0, 0], ['userfaultfd', 'EPERM', 323, 0xffff],
  ['ptrace', 'EPERM', 101, 2, 0x3fff_ffff, 0, 0], ['process_vm_readv', 'EPERM', 310, 0x3fff_ffff, 0, 0, 0, 0, 0], ['process_vm_writev', 'EPERM', 311, 0x3fff_ffff, 0, 0, 0, 0, 0],
  ['kcmp', 'EPERM', 312, 0x3fff_ffff, 0x3fff_ffff, 0, 0, 0], ['pidfd_getfd', 'EPERM', 438, 99, 0, 0], ['process_madvise', 'EPERM', 440, 99, 0, 0, 0, 0],
  ['swapon', 'EPERM', 167, 0, 0], ['swapoff', 'EPERM', 168, 0], ['settimeofday', 'EPERM', 164, 0, 0], ['clock_settime', 'EPERM', 227, 99, 0], ['adjtimex', 'EPERM', 159, 0],
  ['clock_adjtime', 'EPERM', 305, 99, 0], ['acct', 'EPERM', 163, '/none'], ['quotactl', 'EPERM', 179, 0x8000_0100, 0, 0, 0], ['syslog', 'EPERM', 103, 3, 0, 0], ['iopl', 'EPERM', 172, 9],
  ['ioperm', 'EPERM', 173, 0x7fff_ffff, 1, 1], ['name_to_handle_at', 'EPERM', 303, 99, 0, 0, 0, 0], ['open_by_handle_at', 'EPERM', 304, 99, 0, 0],
  ['fanotify_init', 'EPERM', 300, 0xffff_ffff, 0], ['fanotify_mark', 'EPERM', 301, 99, 0, 0, 0, 0], ['sethostname', 'EPERM', 170, 0, 0xffff_ffff], ['setdomainname', 'EPERM', 171, 0, 0xffff_ffff],
  ['mbind', 'EPERM', 237, 1, 1, 0, 0, 0, 0], ['move_pages', 'EPERM', 279, 0x3fff_ffff, 0, 0, 0, 0, 0], ['migrate_pages', 'EPERM', 256, 0x3fff_ffff, 0, 0, 0],
  ['setsockopt(SO_ATTACH_FILTER)', 'EPERM', 54, 99, 1, 26, 0, 0], ['setsockopt(SO_ATTACH_FILTER) with upper bits', 'EPERM', 54, 99, 0x1_0000_0001, 0x1_0000_001a, 0, 0],
  ['setsockopt(SO_ATTACH_REUSEPORT_CBPF)', 'EPERM', 54, 99, 1, 51, 0, 0],
];

/** Refused whatever was granted. */
const refused: readonly Attempt[] = [
  ['keyctl', 'EPERM', 250, 0, 0xffff_fffd, 0], ['add_key', 'EPERM', 248, 0, 0, 0, 0, 0], ['request_key', 'EPERM', 249, 0, 0, 0, 0],
  ['io_uring_setup', 'EPERM', 425, 1, 0], ['io_uring_enter', 'EPERM', 426, 99, 0, 0, 0, 0], ['io_uring_register', 'EPERM', 427, 99, 0, 0, 0], ['modify_ldt', 'EPERM', 154, 99, 0, 0],
  ['ioctl(TIOCSTI)', 'EPERM', 16, 99, 0x5412, 0], ['ioctl(TIOCSTI) with upper bits', 'EPERM', 16, 99, 0x1_0000_5412, 0], ['ioctl(TIOCLINUX)', 'EPERM', 16, 99, 0x541c, 0],
  ['personality(ADDR_NO_RANDOMIZE)', 'ENOSYS', 135, 0x4_0000], ['io_setup', 'ENOSYS', 206, 1, 0],
];

/** Sockets that reach past the network of the app. */
const sockets: readonly Attempt[] = [
  ['socket(AF_VSOCK)', 'EAFNOSUPPORT', 41, 40, 1, 0], ['socket(AF_PACKET)', 'EAFNOSUPPORT', 41, 17, 3, 0], ['socket(AF_NETLINK, NETLINK_GENERIC)', 'ENOSYS', 41, 16, 3, 16],
  ['socket(AF_NETLINK, NETLINK_AUDIT)', 'ENOSYS', 41, 16, 3, 9],
];

/** Let through: `done`, or an error that only the kernel itself gives. */
const ordinary: readonly (readonly [what: string, answer: string, number: number, ...args: (number | string)[]])[] = [
  ['socket(AF_INET)', 'done', 41, 2, 1, 0], ['socket(AF_UNIX)', 'done', 41, 1, 1, 0], ['socket(AF_NETLINK, NETLINK_ROUTE)', 'done', 41, 16, 3, 0],
  ['ioctl(TCGETS)', 'EBADF', 16, 99, 0x5401, 0], ['ioctl(TIOCINQ)', 'EBADF', 16, 99, 0x541b, 0], ['setsockopt(SO_REUSEADDR)', 'EBADF', 54, 99, 1, 2, 0, 0], ['setsockopt(IPV6_V6ONLY)', 'EBADF', 54, 99, 41, 26, 0, 0], ['ioctl of large number', 'EBADF', 16, 99, 0xffff_ffff, 0],
  ['unshare(CLONE_FILES)', 'done', 272, 0x400], ['personality?', 'done', 135, 0xffff_ffff], ['mknod of a FIFO', 'done', 133, '/tmp/fifo', 0o10600, 0],
  ['memfd_create', 'done', 319, 'x', 0], ['shmget', 'done', 29, 0, 4096, 0o600],
];

const all = [...Object.keys(callsByCapability), 'CAP_MKNOD', 'CAP_NET_RAW', 'CAP_KILL'];

async function answers(bench: RuntimeBench, app: string, calls: readonly Call[], seccomp: unknown, capabilities: readonly string[]): Promise<readonly string[]> {
  const record = await bench.start(callsCommand(calls), { app, capabilities, ...(seccomp === undefined ? {} : { seccomp }) });
  const { exitCode } = await bench.exit(record);
  const lines = (await bench.lines(app)).map(({ text, partial }) => (partial ? text : `${text}\n`)).join('');
  assert.equal(exitCode, 0, lines);
  return JSON.parse(lines) as string[];
}

function callsOf(attempts: readonly (readonly [string, string, number, ...(number | string)[]])[]): readonly Call[] {
  return attempts.map(([, , number, ...args]) => ({ number, args }));
}

function named(attempts: readonly (readonly [string, ...unknown[]])[], given: readonly string[]): readonly string[] {
  return attempts.map(([what], index) => `${what}: ${given[index]}`);
}

/** Threads, children, timers, files, sockets and memory, as the languages themselves use them. */
const programs: Readonly<Record<string, readonly string[]>> = {
  node: ['/node', '-e', `
    const { Worker } = require('node:worker_threads'), { execFileSync } = require('node:child_process'), { createServer, connect } = require('node:net'), fs = require('node:fs');
    new Worker('require("node:worker_threads").parentPort.postMessage(21 * 2)', { eval: true }).on('message', (sum) => {
      const text = execFileSync('/bin/echo', ['child'], { encoding: 'utf8' }).trim();
      fs.writeFileSync('/tmp/x', 'file'); fs.watch('/tmp').close();
      const server = createServer((socket) => socket.end('socket')).listen(0, '127.0.0.1', () => connect(server.address().port, '127.0.0.1').on('data', (data) => { console.log(sum, text, fs.readFileSync('/tmp/x', 'utf8'), String(data)); server.close(); }));
    });`],
  python: ['/usr/bin/python3', '-c', `
import os, select, signal, socket, subprocess, tempfile, threading, time
found = []
thread = threading.Thread(target=lambda: found.append('thread')); thread.start(); thread.join()
found.append(subprocess.run(['/bin/echo', 'child'], capture_output=True, text=True).stdout.strip())
one, other = socket.socketpair(); one.send(b'socket'); found.append(other.recv(9).decode())
with tempfile.TemporaryFile(dir='/tmp') as file: file.write(b'x'); file.flush(); os.fsync(file.fileno())
signal.signal(signal.SIGALRM, lambda *_: found.append('alarm')); signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(0.05)
print(*found)`],
  shell: ['/bin/sh', '-c', 'echo a b | tr " " "\\n" | grep b; mkdir /tmp/d && cd /tmp/d && ls -la | wc -l; (sleep 0.01 & wait $!); busybox mkfifo /tmp/f && echo fifo'],
};

describe('the filter on calls of the kernel', () => {
  it('lets Node, Python and a shell run', options, async () => {
    await using bench = await RuntimeBench.open();
    const rootfs = join(bench.directory, 'rootfs');
    await copyPrograms(rootfs, ['/usr/bin/python3', process.execPath]);
    await copyPythonModules(rootfs, ['select', 'signal', 'socket', 'subprocess', 'tempfile', 'threading']);
    renameSync(join(rootfs, process.execPath), join(rootfs, 'node'));
    const said: Record<string, string> = {};
    for (const [app, args] of Object.entries(programs)) {
      const record = await bench.start(args, { app, seccomp: seccompProfile([]) });
      await bench.exit(record);
      said[app] = (await bench.lines(app)).map(({ text }) => text).join('\n');
    }
    assert.deepEqual(said, { node: '42 child file socket', python: 'thread child socket alarm', shell: 'b\n3\nfifo' });
  });

  it('holds for commands that are run in the app, too', options, async () => {
    await using bench = await RuntimeBench.open();
    await installCalls(join(bench.directory, 'rootfs'));
    const record = await bench.start('exec sleep 1000', { app: 'host', capabilities: all, seccomp: seccompProfile([]) });
    const { stdout, done } = await bench.runtime.exec(record.id, { command: callsCommand(callsOf(guarded.slice(0, 3))) });
    assert.deepEqual(JSON.parse(await text(stdout)), ['EPERM', 'EPERM', 'EPERM']);
    assert.equal(await done, 0);
  });

  it('refuses the dangerous ones even to who has every capability, and without it they would go through', options, async () => {
    await using bench = await RuntimeBench.open();
    await installCalls(join(bench.directory, 'rootfs'));
    const attempts = [...guarded, ...refused, ...sockets];
    const given = await answers(bench, 'filtered', callsOf(attempts), seccompProfile([]), all);
    assert.deepEqual(named(attempts, given), attempts.map(([what, answer]) => `${what}: ${answer}`));
    const unfiltered = await answers(bench, 'unfiltered', callsOf(attempts), undefined, all);
    // A kernel may lack a family of sockets by itself.
    const same = attempts.filter(([, answer], index) => unfiltered[index] === answer && answer !== 'EAFNOSUPPORT');
    assert.deepEqual(same.map(([what]) => what), [], 'the same without the filter');
  });

  it('opens to a capability that was granted what it is about, and nothing else', options, async () => {
    await using bench = await RuntimeBench.open();
    await installCalls(join(bench.directory, 'rootfs'));
    const attempts = [...guarded, ...refused];
    const given = await answers(bench, 'granted', callsOf(attempts), seccompProfile(all), all);
    const stillRefused = attempts.filter(([, answer], index) => given[index] === answer).map(([what]) => what);
    assert.deepEqual(stillRefused, refused.map(([what]) => what));
    const ofTime = await answers(bench, 'time', callsOf(attempts), seccompProfile(['CAP_SYS_TIME']), all);
    const opened = attempts.filter(([, answer], index) => ofTime[index] !== answer).map(([what]) => what);
    assert.deepEqual(opened, ['settimeofday', 'clock_settime', 'adjtimex', 'clock_adjtime']);
  });

  it('lets through what programs are made of', options, async () => {
    await using bench = await RuntimeBench.open();
    await installCalls(join(bench.directory, 'rootfs'));
    const given = await answers(bench, 'ordinary', callsOf(ordinary), seccompProfile([]), []);
    assert.deepEqual(named(ordinary, given), ordinary.map(([what, answer]) => `${what}: ${answer}`));
  });

  it('knows the other ways into the kernel: 32-bit x86 as its own, x32 not at all', options, async () => {
    await using bench = await RuntimeBench.open();
    await installCalls(join(bench.directory, 'rootfs'));
    const calls: readonly Call[] = [
      { number: 20, args: [], on32bits: true }, // getpid
      { number: 21, args: [0, 0, 0], on32bits: true }, // mount
      { number: 288, args: [0, -3, 0], on32bits: true }, // keyctl
      { number: 102, args: [1, 0, 0], on32bits: true }, // socketcall
      { number: 359, args: [40, 1, 0], on32bits: true }, // socket(AF_VSOCK)
      { number: 359, args: [2, 1, 0], on32bits: true }, // socket(AF_INET)
      { number: 0x4000_0000 + 39, args: [] }, // getpid of x32
      { number: 39, args: [] },
      { number: 4000, args: [] }, // not there yet
    ];
    const given = await answers(bench, 'ways', calls, seccompProfile([]), all);
    assert.deepEqual(given, ['done', 'EPERM', 'EPERM', 'EPERM', 'EAFNOSUPPORT', 'done', 'killed SIGSYS', 'done', 'ENOSYS']);
  });
});

/** conmon(8) in a session keyring (keyctl(2)) that holds the key `host`; what the OCI runtime does not prevent inherits it. */
const keyedConmon = `#!/usr/bin/python3
import ctypes, os, sys
call = ctypes.CDLL(None).syscall
if call(250, 1, None) < 0 or call(248, b'user', b'host', b'secret', 6, -3) < 0: sys.exit('no keyring')
os.execvp('conmon', ['conmon', *sys.argv[1:]])
`;

it('an app has none of the keys of the host, even if nothing filtered its calls', options, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-keys-'));
  t.after(() => {
    rmSync(directory, { recursive: true });
  });
  const conmon = join(directory, 'conmon');
  writeFileSync(conmon, keyedConmon, { mode: 0o755 });
  await using bench = await RuntimeBench.open({ conmon });
  await installCalls(join(bench.directory, 'rootfs'));
  // KEYCTL_SEARCH in the session keyring.
  const search: Call = { number: 250, args: [10, -3, 'user', 'host', 0] };
  assert.deepEqual(await answers(bench, 'unfiltered', [search], undefined, []), ['ENOKEY']);
  assert.deepEqual(await answers(bench, 'filtered', [search], seccompProfile([]), []), ['EPERM']);
});
