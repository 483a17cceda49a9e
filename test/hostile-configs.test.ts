/**
 * The hostile configs of `src/policy/hostile-fixtures.ts` in real containers: those that do no harm, and all others with
 * a policy that leaves out what it does not grant. Several are put into one container; from within, it is tried to get out.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Json } from '../src/lib/json.ts';
import { configWith, hostileConfigs, type Fields } from '../src/policy/hostile-fixtures.ts';
import { whyNoContainers } from './support/berthd.ts';
import { startDevice, type Device } from './support/device.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 240_000 } : { skip };

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } => typeof value === 'object' && value !== null && !Array.isArray(value);

function merged(a: Json | undefined, b: Json): Json {
  if (Array.isArray(a) && Array.isArray(b)) return [...(a as readonly Json[]), ...(b as readonly Json[])];
  if (!isObject(a) || !isObject(b)) return b;
  return Object.fromEntries([...new Set([...Object.keys(a), ...Object.keys(b)])].map((key) => [key, merged(a[key], b[key] ?? a[key]!)]));
}

/** The fields of many configs in one. Of limits that exclude each other the last counts. */
function together(kind: 'harmless' | 'refused'): Fields {
  const fields: Record<string, Json> = {};
  for (const { fields: some, outcome } of hostileConfigs) {
    if ((outcome === 'harmless') !== (kind === 'harmless') || (outcome !== 'harmless' && 'malformed' in outcome)) continue;
    for (const [path, value] of Object.entries(some ?? {})) if (path !== 'linux' && path !== '__proto__') fields[path] = merged(fields[path], value);
  }
  // Each limit may be said once only; that of open files cannot be raised on every machine (CAP_SYS_RESOURCE).
  const asked = ((fields['process.rlimits'] ?? []) as readonly { readonly type: string }[]).filter(({ type }) => type !== 'RLIMIT_NOFILE');
  const limits = new Map(asked.map((limit) => [limit.type, limit as Json]));
  return { ...fields, ...(limits.size === 0 ? {} : { 'process.rlimits': [...limits.values()] }) };
}

/** What is tried from within, as root of the container, and what has to come of it. */
const probes: readonly (readonly [what: string, script: string, expected: RegExp])[] = [
  ['its users are none of the host', 'cat /proc/self/uid_map', /^\s*0\s+[1-9]\d{5,}\s+65536\n$/],
  ['its capabilities', 'grep -E "^Cap(Bnd|Eff|Prm|Amb)" /proc/self/status | sort -u -k2 | cut -f2', /^(000000000000[0-9a-f]{4}\n)+$/],
  ['no new privileges', 'grep NoNewPrivs /proc/self/status', /\t1\n/],
  ['a filter of system calls', 'grep "^Seccomp:" /proc/self/status', /\t2\n/],
  ['its network', 'tail -n +3 /proc/net/dev | cut -d: -f1', /^\s*lo\n$/],
  ['its processes', 'cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l', /^(sh|sleep|busybox)\n[1-9]\n$/],
  ['a writable root', 'echo x > /etc/x && echo out', /^$/],
  ['a file of the host', 'cat /host/passwd /host/etc/passwd /disk/etc/passwd /o/passwd && echo out', /^$/],
  ['what is mounted', "cut -d' ' -f2,3 /proc/mounts | grep -vE ' (proc|tmpfs|devpts|mqueue|sysfs)$' | grep -vE '^(/|/run/berth|/proc/.*|/sys/.*|/dev/(null|zero|full|random|urandom|tty)) '", /^$/],
  ['mounts that are shared with the host', 'grep -E "(shared|master):" /proc/self/mountinfo', /^$/],
  ['a hook that ran', 'ls /escaped', /^$/],
  ['a device of its own', 'busybox mknod /tmp/disk b 8 0 && echo out', /^$/],
  ['devices', 'busybox find /dev -type b -o -type c | sort | tr "\\n" " "', /^\/dev\/full \/dev\/null \/dev\/pts\/ptmx \/dev\/random \/dev\/tty \/dev\/urandom \/dev\/zero $/],
  ['that /dev/null is no memory', 'busybox stat -c %t:%T /dev/null', /^1:3\n$/],
  ['a mount', 'busybox mount -t tmpfs x /tmp && echo out', /^$/],
  ['the root without its protection', 'busybox mount -o remount,rw / && echo out', /^$/],
  ['what is masked', 'busybox umount /proc/kcore; cat /proc/kcore /proc/keys /proc/timer_list | head -c 1', /^$/],
  ['a setting of the kernel', 'cat /proc/sys/kernel/panic > /tmp/panic; cat /tmp/panic > /proc/sys/kernel/panic && echo out', /^$/],
  ['the handler of cores', 'echo "|/bin/x" > /proc/sys/kernel/core_pattern && echo out', /^$/],
  ['the key of the kernel', 'echo h > /proc/sysrq-trigger && echo out', /^$/],
  ['writing to /sys', 'for f in /sys/kernel/uevent_seqnum /sys/power/state; do echo 1 > $f && echo out; done', /^$/],
  ['control groups', 'ls -A /sys/fs/cgroup; ls /cg', /^$/],
  ['the root of the first process', 'ls /proc/1/root/host 2>/dev/null; readlink /proc/1/root', /^\/\n$/],
  ['open files of the runtime', "for f in /proc/1/fd/*; do readlink $f; done | grep -vE '^(pipe:|/dev/null|socket:|/proc/|anon_inode)'", /^$/],
  ['its working directory', 'readlink /proc/1/cwd', /^\/[a-z]*\n$/],
  ['a terminal', 'test -t 0 && echo terminal; ls /dev/console', /^$/],
  ['being spared when memory runs out', 'echo -1000 > /proc/self/oom_score_adj && echo out', /^$/],
  ['its resource limits', 'ulimit -H -n; ulimit -H -c; ulimit -H -l', /^[1-9]\d{0,4}\n0\n\d{1,2}\n$/],
  ['an overlay and FUSE', 'ls /f /p /n /b /t /mydev /sys2 /proc2 2>/dev/null', /^$/],
  ['sockets of the host', 'busybox find /run/dbus /var/run/docker.sock /host -type s -o -type f', /^$/],
];

async function runIn(device: Device, name: string, fields: Fields): Promise<readonly string[]> {
  const oci = configWith(fields) as Readonly<Record<string, unknown>>;
  const annotations = { ...(oci['annotations'] as object | undefined), 'org.berth.stop-timeout': '0s' };
  const report = await device.install({ name, config: JSON.stringify({ ...oci, annotations }) });
  assert.equal(report.status.state, 'running', report.status.reason?.message ?? 'it does not run');
  for (const [what, script, expected] of probes) {
    const { stdout, stderr } = await device.inside(name, script);
    assert.match(stdout, expected, `${name}: ${what}: ${stdout}${stderr}`);
  }
  return report.degraded.map(({ path }) => path);
}

test('hostile configs that are granted, or degraded, leave the app where it is', options, async (t) => {
  const device = await startDevice(t);
  const mounts = (): readonly string[] => readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(device.daemon.directory));
  const before = mounts();
  assert.deepEqual(await runIn(device, 'harmless', together('harmless')), []);
  const degraded = await runIn(device, 'hostile', together('refused'));
  for (const path of ['hooks.prestart', 'mounts[0]', 'linux.seccomp', 'linux.uidMappings', 'process.capabilities.bounding[0]', 'linux.resources.devices[0]']) assert.equal(degraded.includes(path), true, path);
  await device.daemon.json('kill', 'harmless');
  await device.daemon.json('kill', 'hostile');
  assert.deepEqual(device.daemon.processes(), []);
  assert.deepEqual(mounts(), before, 'nothing is left on the host');
});
