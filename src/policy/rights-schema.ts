import * as v from 'valibot';
import { isPlainAbsolutePath } from '../image/index.ts';
import { networkModes, parseDestination, parsePortRange } from '../lib/network.ts';
import { count, field, rate, size } from '../lib/yaml-fields.ts';
import { capabilities } from './capabilities.ts';
import { defaultRights } from './default-rights.ts';
import { isOwnSysctl } from './sysctls.ts';
import type { Rights } from './rights.ts';

const amount = v.pipe(v.number(), v.minValue(0), v.finite());
const text = v.pipe(v.string(), v.minLength(1));
const capability = v.picklist(capabilities, 'not a capability of capabilities(7), such as CAP_NET_RAW');
const resourceLimit = v.picklist(Object.keys(defaultRights.rlimits), 'not a limit of getrlimit(2), such as RLIMIT_NOFILE');
const ports = field(v.string(), (value) => (parsePortRange(value, 'ports'), value));
const destination = field(v.string(), (value) => (parseDestination(value, 'outbound'), value));
const hostPath = v.pipe(v.string(), v.check((path) => path === '/' || isPlainAbsolutePath(path), 'not a plain absolute path'));
const busName = v.pipe(v.string(), v.regex(/^[A-Za-z_-][\w-]*(\.[A-Za-z_-][\w-]*)+(\.\*)?$/, 'not a well-known name of D-Bus, such as org.example.Clock or org.example.*'));
/** The least that the kernel's queues can hold an app to. */
const bandwidth = v.pipe(rate, v.minValue(8000, 'less than 8kbit'));
const sysctl = v.pipe(v.string(), v.check(isOwnSysctl, 'not a sysctl that a container has for itself (net.*, kernel.msg*, kernel.shm*, kernel.sem, fs.mqueue.*)'));

/** Rights in the words of `policy.d/*.yaml` and `authorities.d/*.yaml`. */
export const rightsSchema = v.pipe(
  v.strictObject({
    'capabilities': v.optional(v.array(capability)),
    'memory': v.optional(size),
    'swap': v.optional(size),
    'pids': v.optional(count),
    'cpu-shares': v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(262_144))),
    'cpus': v.optional(v.pipe(v.number(), v.minValue(0.01))),
    'block-io': v.optional(v.strictObject({
      'weight': v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000))),
      'read-bytes': v.optional(size),
      'write-bytes': v.optional(size),
      'read-operations': v.optional(count),
      'write-operations': v.optional(count),
    })),
    'rlimits': v.optional(v.record(resourceLimit, amount)),
    // 0 would be no limit to the kernel.
    'tmpfs': v.optional(v.pipe(size, v.minValue(4096, 'less than 4096 bytes'))),
    'data': v.optional(size),
    'networks': v.optional(v.array(v.picklist(networkModes))),
    'ports': v.optional(v.array(ports)),
    'outbound': v.optional(v.array(destination)),
    'bandwidth': v.optional(v.strictObject({ in: v.optional(bandwidth), out: v.optional(bandwidth) })),
    'devices': v.optional(v.array(text)),
    'host-paths': v.optional(v.array(v.strictObject({ path: hostPath, access: v.optional(v.picklist(['read', 'write']), 'read') }))),
    'bus-names': v.optional(v.array(v.strictObject({ name: busName, access: v.optional(v.picklist(['talk', 'own']), 'talk') }))),
    'sysctls': v.optional(v.array(sysctl)),
  }),
  v.transform((file): Rights => camel(file)),
);

/** Keys of a file as the code writes them: `host-paths` as `hostPaths`; those of a name of their own stay. */
function camel(file: object): Rights {
  const renamed = Object.entries(file).map(([key, value]) => [camelCase(key), key === 'block-io' ? camel(value as object) : (value as unknown)] as const);
  return Object.fromEntries(renamed) as Rights;
}

function camelCase(key: string): string {
  return key.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
