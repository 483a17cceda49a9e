import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import * as v from 'valibot';
import { defaultLimits, type PackageLimits } from '../image/index.ts';
import { BerthError, isErrno } from '../lib/errors.ts';
import { idsPerApp } from '../lib/id-range.ts';
import { absolutePath, count, duration, field, size } from '../lib/yaml-fields.ts';
import { parseYamlFile } from '../lib/yaml-file.ts';
import type { NetworkOptions } from '../runtime/index.ts';
import { defaultIds, type IdPool } from '../store/index.ts';
import { defaultRules, defaultTrustRules, parseWindow, type TrustRules, type UpdateRules } from '../update/index.ts';

const timeWindow = field(v.string(), parseWindow);

/** Users and groups for apps. The kernel counts further, but not all programs do. */
const ids = v.pipe(
  v.strictObject({ base: v.optional(v.pipe(v.number(), v.integer(), v.minValue(idsPerApp)), defaultIds.base), count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2)), defaultIds.count) }),
  v.check(({ base, count: ranges }) => base + ranges * idsPerApp <= 2 ** 31, `base and count are too high: each of count ranges takes ${idsPerApp} users, and the last must be below 2^31`),
);

/** `/etc/berth/berthd.yaml`; every key may be left out. */
const schema = v.strictObject({
  'root': v.optional(v.string()),
  'run': v.optional(v.string()),
  /** Where the cgroups of apps are made. */
  'cgroup-parent': v.optional(v.pipe(v.string(), v.regex(/^(\/[A-Za-z0-9._-]+)+$/, 'not an absolute cgroup path'))),
  /** `runc`, `crun`, or the path of another; chosen by trying if left out. */
  'runtime': v.optional(v.string()),
  'architectures': v.optional(v.array(v.string())),
  /** Directory with the `*.yaml` files of platform services. */
  'platform': v.optional(v.string()),
  /** Directory with the `*.yaml` files that declare devices. */
  'devices': v.optional(absolutePath),
  /** Directory with the `*.yaml` files that say what apps may be granted. */
  'policy': v.optional(absolutePath),
  /** Directory whose payloads are applied at the start. */
  'factory': v.optional(absolutePath),
  /** Directories in which removable media are mounted; what they bring is applied. */
  'media': v.optional(v.array(absolutePath)),
  /** Apps started at the same time at boot. */
  'parallel-starts': v.optional(count),
  /** The bridge of apps that have one; nothing is made before. */
  'network': v.optional(v.strictObject({
    /** Directory of the CNI plugins. */
    'plugins': v.optional(absolutePath),
    'bridge': v.optional(v.string()),
    /** Addresses of apps, in CIDR notation; `subnet6: none`: no IPv6. */
    'subnet': v.optional(v.string()),
    'subnet6': v.optional(v.string()),
    /** Name servers that apps ask; by default the host's. */
    'dns': v.optional(v.pipe(v.array(v.pipe(v.string(), v.ip('not an IP address'))), v.maxLength(3, 'more than 3 name servers'))),
  })),
  /** Users and groups of the host that belong to apps. */
  'ids': v.optional(ids),
  'socket': v.optional(v.strictObject({ group: v.optional(v.string()) })),
  'logs': v.optional(v.strictObject({ 'directory': v.optional(v.string()), 'rotate-at': v.optional(size), 'keep': v.optional(size) })),
  /** Room on the disk that no app takes. */
  'storage': v.optional(v.strictObject({ reserve: v.optional(size) })),
  /** The system bus, on which apps may be granted names, and the account as which they are seen there. */
  'bus': v.optional(v.strictObject({ address: v.optional(v.pipe(v.string(), v.regex(/^unix:/, 'not of the form unix:path=/…'))), user: v.optional(v.pipe(v.string(), v.regex(/^[a-z_][a-z0-9_-]*$/, 'not the name of a user'))) })),
  'limits': v.optional(v.strictObject({
    'package': v.optional(size), 'unpacked': v.optional(size), 'entries': v.optional(count), 'path-depth': v.optional(count),
    'control': v.optional(size), 'manifest': v.optional(size), 'expansion-ratio': v.optional(count),
  })),
  'trust': v.optional(v.strictObject({
    /** Directory with the files of authorities. */
    'authorities': v.optional(absolutePath),
    /** Directory with signed lists of recalls. */
    'recalls': v.optional(absolutePath),
    /** For development: packages that nobody has signed are taken, and marked. */
    'allow-unsigned': v.optional(v.boolean()),
    /** While the time is not known: judge signatures by the last that is known to be over, or refuse. */
    'unknown-time': v.optional(v.picklist(['lenient', 'refuse'])),
    /** A payload may hold packages of several authorities. */
    'allow-mix': v.optional(v.boolean()),
  })),
  'updates': v.optional(v.strictObject({
    /** What a new version must do in its trial where its image does not say. */
    'trial-uptime': v.optional(duration),
    'trial-deadline': v.optional(duration),
    /** The most that an image may ask for. */
    'trial-deadline-max': v.optional(duration),
    /** The most that any app may put an update off. */
    'defer-max': v.optional(duration),
    /** The most data of an app that is copied before an update. */
    'snapshot-max': v.optional(size),
    /** Images kept for each app besides the current one. */
    'retain': v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100))),
    /** When updates may switch, in local time; without, always. */
    'windows': v.optional(v.array(timeWindow)),
  })),
});

type ConfigFile = v.InferOutput<typeof schema>;

/** The daemon's configuration, complete. */
export interface Config {
  readonly root: string;
  readonly run: string;
  readonly cgroupParent: string;
  readonly runtime?: string;
  readonly architectures?: readonly string[];
  readonly platform: string;
  readonly devices: string;
  readonly policy: string;
  readonly factory: string;
  readonly media: readonly string[];
  readonly parallelStarts?: number;
  readonly ids: IdPool;
  readonly socketGroup?: string;
  readonly network: NetworkOptions;
  readonly logs: { readonly directory: string; readonly rotateBytes?: number; readonly keepBytes?: number };
  readonly reserveBytes?: number;
  readonly bus: { readonly address: string; readonly user: string };
  readonly limits: PackageLimits;
  readonly trust: TrustRules;
  readonly updates: UpdateRules;
}

/** Where the operator's files are. */
export const configDirectory = '/etc/berth';
export const defaultConfigPath = `${configDirectory}/berthd.yaml`;

/**
 * Reads the configuration file; the default one may be missing. Options of the command line win.
 * @throws BerthError `usage` naming file and key
 */
export async function readConfig(path: string | undefined, given: { readonly root?: string; readonly run?: string }): Promise<Config> {
  const file = await readConfigFile(path);
  // What is run with these has other working directories.
  const root = resolve(given.root ?? file.root ?? '/var/lib/berth');
  return {
    root,
    run: resolve(given.run ?? file.run ?? '/run/berth'),
    cgroupParent: file['cgroup-parent'] ?? '/berth',
    ...optional('runtime', file.runtime),
    ...optional('architectures', file.architectures),
    platform: file.platform ?? '/etc/berth/platform.d',
    devices: file.devices ?? '/etc/berth/devices.d',
    policy: file.policy ?? `${configDirectory}/policy.d`,
    factory: file.factory ?? '/etc/berth/factory.d',
    media: file.media ?? [],
    ...optional('parallelStarts', file['parallel-starts']),
    ids: file.ids ?? defaultIds,
    ...optional('socketGroup', file.socket?.group),
    network: {
      ...optional('plugins', file.network?.plugins),
      ...optional('bridge', file.network?.bridge),
      ...optional('subnet', file.network?.subnet),
      ...optional('subnet6', file.network?.subnet6),
      ...optional('dns', file.network?.dns),
    },
    logs: {
      directory: resolve(file.logs?.directory ?? `${root}/logs`),
      ...optional('rotateBytes', file.logs?.['rotate-at']),
      ...optional('keepBytes', file.logs?.keep),
    },
    ...optional('reserveBytes', file.storage?.reserve),
    bus: { address: file.bus?.address ?? 'unix:path=/run/dbus/system_bus_socket', user: file.bus?.user ?? 'berth-bus' },
    limits: {
      ...defaultLimits,
      ...optional('packageBytes', file.limits?.package),
      ...optional('unpackedBytes', file.limits?.unpacked),
      ...optional('entries', file.limits?.entries),
      ...optional('pathDepth', file.limits?.['path-depth']),
      ...optional('controlBytes', file.limits?.control),
      ...optional('manifestBytes', file.limits?.manifest),
      ...optional('expansionRatio', file.limits?.['expansion-ratio']),
    },
    trust: {
      ...defaultTrustRules,
      ...optional('authorities', file.trust?.authorities),
      ...optional('recalls', file.trust?.recalls),
      ...optional('allowUnsigned', file.trust?.['allow-unsigned']),
      ...optional('unknownTime', file.trust?.['unknown-time']),
      ...optional('allowMix', file.trust?.['allow-mix']),
    },
    updates: {
      ...defaultRules,
      ...optional('trialUptimeMs', file.updates?.['trial-uptime']),
      ...optional('trialDeadlineMs', file.updates?.['trial-deadline']),
      ...optional('trialDeadlineMaxMs', file.updates?.['trial-deadline-max']),
      ...optional('deferMaxMs', file.updates?.['defer-max']),
      ...optional('snapshotBytes', file.updates?.['snapshot-max']),
      ...optional('retain', file.updates?.retain),
      ...optional('windows', file.updates?.windows),
    },
  };
}

function optional<K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: T });
}

async function readConfigFile(path: string | undefined): Promise<ConfigFile> {
  let text: string;
  try {
    text = await readFile(path ?? defaultConfigPath, 'utf8');
  } catch (error) {
    if (path === undefined && isErrno(error, 'ENOENT')) return {};
    throw new BerthError('usage', `cannot read the configuration: ${(error as Error).message}`, { cause: error });
  }
  return parseYamlFile(schema, text, path ?? defaultConfigPath);
}
