/** An app that tries to get out of its berth in every way that is known, all at once; the answers are held against a table. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { until, whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

/** Each probe prints its name and what came of it: `done`, the name of an error, or what was found. */
const program = String.raw`
import ctypes, errno, json, os, resource, signal, socket, sys
host = json.loads(os.environ['HOST'])
libc = ctypes.CDLL(None, use_errno=True)
answers = {}

def probe(name, act):
    try:
        found = act()
        answers[name] = 'done' if found is None else found
    except OSError as error:
        answers[name] = errno.errorcode[error.errno]
    except ValueError as error:
        answers[name] = 'refused'

def call(function, *args):
    ctypes.set_errno(0)
    if getattr(libc, function)(*args) == -1: raise OSError(ctypes.get_errno(), function)

def read(path):
    with open(path, 'rb', buffering=0) as file: return 'empty' if file.read(64) == b'' else 'something'

def write(path, text):
    with open(path, 'wb', buffering=0) as file: file.write(text.encode())

def connect(address):
    with socket.socket(socket.AF_UNIX) as one: one.connect(address)

def sock(*args):
    socket.socket(*args).close()

# What may be done shows that the way of asking works.
probe('write a file of its own', lambda: write('/tmp/x', 'x'))
probe('connect to its own abstract socket', lambda: (lambda server: (server.bind('\0own'), server.listen(), connect('\0own'), None)[-1])(socket.socket(socket.AF_UNIX)))
probe('signal itself', lambda: os.kill(os.getpid(), 0))
probe('share memory', lambda: call('shmget', 4711, 4096, 0o1600))

probe('mount', lambda: call('mount', b'x', b'/tmp', b'tmpfs', 0, None))
probe('bind mount', lambda: call('mount', b'/proc', b'/tmp', None, 4096, None))
probe('unmount a mask', lambda: call('umount2', b'/proc/kcore', 2))
probe('a new user namespace', lambda: call('unshare', 0x10000000))
probe('a new mount namespace', lambda: call('unshare', 0x20000))
probe('enter a namespace', lambda: call('setns', os.open('/proc/self/ns/mnt', os.O_RDONLY), 0))
probe('chroot', lambda: call('chroot', b'/tmp'))
probe('a block device', lambda: os.mknod('/tmp/disk', 0o060600, os.makedev(*host['disk'])))
probe('a character device', lambda: os.mknod('/tmp/mem', 0o020600, os.makedev(1, 1)))
for name in ['/dev/mem', '/dev/kmsg', '/dev/port', '/dev/vda', '/dev/fuse', '/dev/net/tun']: probe('open ' + name, lambda: read(name))
probe('trace the first process', lambda: call('ptrace', 16, 1, 0, 0))
probe('trace a process of the host', lambda: call('ptrace', 16, host['daemon'], 0, 0))
probe('signal berthd', lambda: os.kill(host['daemon'], 0))
probe('signal another app', lambda: os.kill(host['bystander'], 0))
probe('processes that it sees', lambda: ' '.join(sorted(pid for pid in os.listdir('/proc') if pid.isdigit())))
probe('the root of berthd', lambda: os.listdir('/proc/%d/root' % host['daemon']) and None)
probe('the memory of another app', lambda: read('/proc/%d/mem' % host['bystander']))
probe('the host below its first process', lambda: os.stat('/proc/1/root' + host['directory']) and None)
probe('the host above its root', lambda: os.stat('/' + '../' * 30 + host['directory'][1:]) and None)
probe('the host above its working directory', lambda: os.stat('/proc/self/cwd/' + '../' * 30 + host['directory'][1:]) and None)
probe('the data of another app', lambda: os.stat(host['data']) and None)
probe('the bus of another app', lambda: connect(host['bus']))
probe('the socket of berthd', lambda: connect(host['socket']))
probe('replace its own bus', lambda: os.unlink('/run/berth/bus'))
probe('an abstract socket of the host', lambda: connect('\0' + host['abstract']))
probe('a raw socket', lambda: sock(socket.AF_INET, socket.SOCK_RAW, 1))
probe('a packet socket', lambda: sock(socket.AF_PACKET, socket.SOCK_RAW, 0))
probe('a socket to the hypervisor', lambda: sock(40, socket.SOCK_STREAM, 0))
probe('the audit of the kernel', lambda: sock(socket.AF_NETLINK, socket.SOCK_RAW, 9))
probe('memory that a process of the host shares', lambda: call('shmget', host['ipc'], 0, 0))
probe('keys', lambda: call('syscall', host['keyctl'], 0, -3, 0))
probe('the log of the kernel', lambda: call('klogctl', 3, None, 0))
for name in ['/proc/kcore', '/proc/kmsg', '/proc/kallsyms', '/proc/keys', '/proc/interrupts', '/proc/timer_list', '/proc/slabinfo', '/proc/iomem']: probe('read ' + name, lambda: read(name))
for name in ['/sys/firmware', '/sys/kernel/debug', '/sys/kernel/security', '/sys/kernel/tracing', '/sys/fs/cgroup']: probe('names in ' + name, lambda: ' '.join(os.listdir(name)) or 'none')
for name in ['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/proc/sys/vm/drop_caches', '/proc/sysrq-trigger', '/proc/pressure/memory', '/proc/irq/default_smp_affinity']: probe('write ' + name, lambda: write(name, '0'))
for name in ['/sys/kernel/profiling', '/sys/kernel/mm/ksm/run', '/sys/power/state', '/sys/block/vda/uevent', '/sys/class/net/lo/mtu']: probe('write ' + name, lambda: write(name, '0'))
probe('write to its root', lambda: write('/etc/x', 'x'))
probe('be spared by the kernel when memory is short', lambda: write('/proc/self/oom_score_adj', '-1000'))
probe('what it counts when memory is short', lambda: open('/proc/self/oom_score_adj').read().strip())
probe('go before everybody else', lambda: os.setpriority(os.PRIO_PROCESS, 0, -20))
probe('real-time scheduling', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10)))
probe('raise a limit', lambda: resource.setrlimit(resource.RLIMIT_CORE, (1, 1)))
probe('set the clock', lambda: call('settimeofday', (ctypes.c_long * 2)(1, 0), None))
probe('the name of the host', lambda: call('sethostname', b'x', 1))
probe('capabilities', lambda: [line.split()[1] for line in open('/proc/self/status') if line.startswith('CapEff')][0])
probe('capabilities that a program could gain', lambda: [line.split()[1] for line in open('/proc/self/status') if line.startswith('NoNewPrivs')][0] == '1' and 'none')
probe('namespace of control groups', lambda: ' '.join(sorted({line.strip().split(':', 2)[2] for line in open('/proc/self/cgroup')})))
print(json.dumps(answers), flush=True)
signal.pause()
`;

/** What may be answered, by the name of the probe or its beginning; what a kernel does not have cannot be reached either. */
const expected: readonly (readonly [probes: readonly string[], answer: RegExp])[] = [
  [['write a file of its own', 'connect to its own abstract socket', 'signal itself', 'share memory'], /^done$/],
  [['mount', 'bind mount', 'unmount a mask', 'a new user namespace', 'a new mount namespace', 'enter a namespace', 'chroot'], /^EPERM$/],
  [['a block device', 'a character device', 'trace the first process', 'trace a process of the host', 'a raw socket', 'keys', 'the log of the kernel'], /^EPERM$/],
  [['set the clock', 'the name of the host', 'real-time scheduling'], /^EPERM$/],
  [['go before everybody else', 'be spared by the kernel when memory is short'], /^EACCES$/],
  [['what it counts when memory is short'], /^200$/],
  [['raise a limit'], /^refused$/],
  [['a packet socket', 'a socket to the hypervisor'], /^EAFNOSUPPORT$/],
  [['the audit of the kernel'], /^ENOSYS$/],
  [['signal berthd', 'signal another app'], /^ESRCH$/],
  [['the root of berthd', 'the memory of another app', 'the host below its first process', 'the host above its root', 'the host above its working directory'], /^ENOENT$/],
  [['the data of another app', 'the bus of another app', 'the socket of berthd', 'memory that a process of the host shares', 'open /dev/'], /^ENOENT$/],
  [['an abstract socket of the host'], /^ECONNREFUSED$/],
  [['replace its own bus', 'write to its root'], /^EROFS$/],
  [['write /proc/', 'write /sys/'], /^(EROFS|EACCES|ENOENT)$/],
  [['read /proc/'], /^(empty|ENOENT|EACCES)$/],
  [['names in /sys/'], /^(none|ENOENT|EACCES)$/],
  [['processes that it sees'], /^1$/],
  [['capabilities'], /^00000000000004eb$/],
  [['capabilities that a program could gain'], /^none$/],
  [['namespace of control groups'], /^\/$/],
];

function isExpected(probe: string, answer: string): boolean {
  const matches = (name: string): boolean => probe === name || (name.endsWith('/') && probe.startsWith(name));
  return expected.some(([probes, pattern]) => probes.some(matches) && pattern.test(answer));
}

test('an app that tries all ways out finds none, and the app beside runs on', options, async (t) => {
  const { daemon, api, install, inside, logged } = await startDevice(t);
  const { status: bystander } = await install({ name: 'bystander', script: 'echo secret > /data/secret; exec sleep 1000', annotations: { data: '/data' } });
  const abstract = `${daemon.directory}-abstract`;
  const server = createServer().listen({ path: `\0${abstract}` });
  await once(server, 'listening');
  t.after(() => { server.close(); });
  const shared = /\d+/.exec(execFileSync('ipcmk', ['-M', '4096'], { encoding: 'utf8' }))![0];
  t.after(() => { execFileSync('ipcrm', ['-m', shared]); });
  const ipc = Number(readFileSync('/proc/sysvipc/shm', 'utf8').split('\n').map((line) => line.trim().split(/\s+/)).find(([, id]) => id === shared)![0]);
  const host = {
    daemon: daemon.pid, bystander: bystander.instance!.pid, directory: daemon.directory, socket: daemon.socket, abstract, ipc, disk: [254, 0],
    data: `${daemon.root}/data/bystander/1/data/secret`, bus: `${daemon.runDir}/apps/bystander/bus`, keyctl: process.arch === 'x64' ? 250 : 219,
  };
  const all = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_SETGID', 'CAP_SETUID'];
  const capabilities = { bounding: all, effective: all, permitted: all };
  await install({
    name: 'attacker',
    files: { 'attack.py': program },
    programs: ['/usr/bin/python3'],
    pythonModules: ['ctypes', 'json', 'resource', 'signal', 'socket'],
    oci: { process: { user: { uid: 0, gid: 0 }, args: ['/usr/bin/python3', '/attack.py'], env: ['PATH=/bin', `HOST=${JSON.stringify(host)}`], cwd: '/', capabilities } },
  });
  const lines = await until(async () => {
    const output = await logged('attacker');
    return output.length > 0 && !output.at(-1)!.partial && output;
  });
  const answers = JSON.parse(lines.map(({ text }) => text).join('')) as Record<string, string>;
  assert.deepEqual(Object.entries(answers).filter(([probe, answer]) => !isExpected(probe, answer)), []);
  assert.equal(Object.keys(answers).length > 70, true, 'all were made');
  assert.deepEqual((await api.app('bystander')).instance, bystander.instance);
  assert.equal((await inside('bystander', 'cat /data/secret')).stdout, 'secret\n');
});
